"""Around the whole application: how many requests were answered how, and how long it took. In memory only.

Never here: what is told of it (services/measuring.py), or anything about a single request.
"""

from collections.abc import Callable, Iterable
from typing import Any

from common import clock, tallies

Environ = dict[str, Any]
Wsgi = Callable[[Environ, Any], Iterable[bytes]]
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})


class Counted:
    """A WSGI application around another. A streamed answer counts until its first part."""

    def __init__(self, app: Wsgi) -> None:
        self._app = app

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        since, told = clock.monotonic(), ["500"]

        def start(status: str, *rest: Any) -> Any:
            told[0] = status[:3]
            return start_response(status, *rest)

        try:
            return self._app(environ, start)
        finally:
            method = environ["REQUEST_METHOD"]
            known = method if method in _METHODS else "other"
            tallies.OWN.answered(known, told[0], clock.monotonic() - since)
