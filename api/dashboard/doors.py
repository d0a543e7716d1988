"""Who is at a page: the cookie, the `signed_in` decorator, and which requests may change anything.

Never here: passwords (sign_in.py), or what a person may do (the API's scopes).
"""

import ipaddress
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast
from urllib.parse import quote, urlsplit

from flask import Response, g, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from api import ratelimit
from common import clock
from common.db.session import transaction
from common.domain.errors import Forbidden, RateLimited
from common.services import sessions

View = TypeVar("View", bound=Callable[..., Any])

COOKIE, LOCAL_COOKIE = "__Host-sendarix", "sendarix-local"
PAGES_PER_MINUTE = 600
_READS = ("GET", "HEAD")


def signed_in(view: View) -> View:
    """Only with a session, which is put on `g.signed_in`; others are sent to sign in. Checks the origin of changes."""

    @wraps(view)
    def guarded(*arguments: Any, **named: Any) -> Any:
        refuse_strangers()
        token = request.cookies.get(_cookie_name())
        with transaction() as connection:
            found = sessions.find(connection, token, now=clock.now()) if token else None
        if found is None:
            return _to_sign_in()
        verdict = ratelimit.limiter().take(f"pages:{found.user_id}", PAGES_PER_MINUTE)
        if not verdict.allowed:
            raise RateLimited(f"More than {PAGES_PER_MINUTE} pages in a minute.", retry_after=verdict.wait)
        g.signed_in = found
        return view(*arguments, **named)

    guarded.public = True  # type: ignore[attr-defined]
    guarded.signed_in = True  # type: ignore[attr-defined]
    return cast(View, guarded)


def _to_sign_in() -> AnyResponse:
    back = request.full_path.rstrip("?") if request.method in _READS else ""
    return redirect("/dashboard/sign-in" + (f"?next={quote(back)}" if back not in ("", "/dashboard") else ""), 303)


def refuse_strangers() -> None:
    """A change comes from a page of this origin, or not at all. Raises Forbidden.

    Browsers say so in Sec-Fetch-Site; older ones in Origin. A request with neither is no browser's: it has a key.
    """
    if request.method in _READS:
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        allowed = site in ("same-origin", "none")
    else:
        allowed = origin is not None and urlsplit(origin).netloc == request.host
    if not allowed:
        raise Forbidden("This form was not sent by a page of the dashboard: open the page and send it from there.")


def is_local() -> bool:
    """Whether browser and server are one machine, without TLS between them: then the cookie cannot be Secure."""
    host = urlsplit(f"//{request.host}").hostname or ""
    return not request.is_secure and _is_loopback(host) and _is_loopback(request.remote_addr or "")


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _cookie_name() -> str:
    return LOCAL_COOKIE if is_local() else COOKIE


def current_token() -> str | None:
    """The token that this request carries, whether it counts or not."""
    return request.cookies.get(_cookie_name())


def keep(response: Response | AnyResponse, token: str) -> None:
    """Give the browser a session."""
    response.set_cookie(
        _cookie_name(),
        token,
        max_age=sessions.LIFE_DAYS * 86_400,
        path="/",
        secure=not is_local(),
        httponly=True,
        samesite="Lax",
    )


def drop(response: Response | AnyResponse) -> None:
    """Take it back."""
    response.delete_cookie(_cookie_name(), path="/", secure=not is_local(), httponly=True, samesite="Lax")


def inside(path: str | None) -> str:
    """A path of the dashboard to go on to; the overview instead of anything else."""
    if path and (path == "/dashboard" or path.startswith(("/dashboard/", "/dashboard?"))) and "\\" not in path:
        return path
    return "/dashboard"
