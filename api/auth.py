"""Who is calling and whether they may: bearer key to Principal, the scope decorator, the quota.

Every route carries `scope` or `public`; tests/guards/test_routes.py looks. Never here: SQL, key formats.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

from flask import g, request

from api import ratelimit
from api.handover import inner, tried
from common.config import current_settings
from common.domain import auditing as auditable
from common.domain.errors import Forbidden, Unauthenticated
from common.domain.principals import SCOPES, Principal
from common.domain.restrictions import check_caller
from common.services import auditing, keys
from common.services.auditing import Act

View = TypeVar("View", bound=Callable[..., Any])

ANY = "any"
"""In place of a scope: whoever has a valid key may call it."""

LOOPBACK = "127.0.0.1"


def scope(
    name: str, *, idempotent: bool | None = None, policy: str = "read", audited: bool = True
) -> Callable[[View], View]:
    """Only keys with this scope, counted against `policy`.

    `idempotent` says of a mutating route whether it honours Idempotency-Key; reads leave it None. What a mutating
    route changes stands in the audit log, unless `audited` says that its own rows tell all of it.
    """
    if name not in (ANY, *SCOPES):
        raise ValueError(f"{name} is not a scope: add it to common/domain/principals.py")

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*arguments: Any, **named: Any) -> Any:
            principal = authenticate()
            if inner() is None:
                ratelimit.charge(principal, policy)
            permit(principal, name, caller_ip())
            if inner() is None:
                demand_https(principal, request.environ)
            before = tried()
            if before is not None and before.error is not None:
                raise before.error
            if idempotent is None or not audited:
                return view(*arguments, **named)
            with auditing.watching(_act(principal)):
                return view(*arguments, **named)

        guarded.scope = name  # type: ignore[attr-defined]
        guarded.audited = audited and idempotent is not None  # type: ignore[attr-defined]
        guarded.idempotent = idempotent  # type: ignore[attr-defined]
        return cast(View, guarded)

    return decorate


def _act(principal: Principal) -> Act:
    """This request as the audit log has it. A creation tells its object while it is made (answer_once)."""
    assert request.url_rule is not None and request.endpoint is not None
    named = list((request.view_args or {}).values())
    return Act(
        action=request.endpoint.rpartition(".")[2],
        route=f"{request.method} {request.url_rule.rule.replace('<', '{').replace('>', '}')}",
        changes=lambda: auditable.disclosed(request.args.to_dict() | g.get("given", {})),
        account_id=principal.account_id,
        environment=principal.environment,
        key_id=principal.key_id,
        object_id=str(named[0])[:100] if named and "@" not in str(named[0]) else None,
        request_id=g.request_id,
    )


def public(view: View) -> View:
    """A route that needs no key."""
    view.public = True  # type: ignore[attr-defined]
    return view


def authenticate() -> Principal:
    """The principal of this request, also kept on `g`. Raises Unauthenticated, or RateLimited after many."""
    signed_in = inner()
    if signed_in is not None:
        g.principal = signed_in
        return signed_in
    try:
        principal = prove(request.headers.get("Authorization"), caller_ip())
    except Unauthenticated:
        ratelimit.charge_failure(caller_ip())
        raise
    g.principal = principal
    return principal


def prove(header: str | None, ip: str) -> Principal:
    """The principal of an Authorization header. Raises Unauthenticated; counts nothing."""
    if not header:
        raise Unauthenticated("Send your API key as `Authorization: Bearer sk_live_…`.", code="missing_api_key")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("The Authorization header must read `Bearer sk_live_…`.")
    return keys.authenticate(token.strip(), ip)


def caller_ip() -> str:
    """The address of the caller, or of a proxy that the settings do not name (proxies.py)."""
    return request.remote_addr or LOOPBACK


def demand_https(principal: Principal, environ: Mapping[str, Any]) -> None:
    """Refuse a live key that came over plain HTTP, where the settings say so (S17). Only a trusted proxy can say that
    it was not (proxies.py)."""
    strict = current_settings().require_https and principal.environment == "live"
    if strict and environ.get("wsgi.url_scheme") != "https":
        raise Forbidden("Live keys are taken over HTTPS only.", code="https_required")


def permit(principal: Principal, name: str, ip: str) -> None:
    """Whether a key may call a route of scope `name` from `ip`. Raises Forbidden."""
    check_caller(principal, None if name == ANY else name, ip)
