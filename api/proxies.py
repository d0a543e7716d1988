"""In front of everything: who really calls, and whether by HTTPS, where a trusted proxy says so.

SENDARIX_TRUSTED_PROXIES names the proxies, by network or by how many of them stand in front. What anybody else says in
X-Forwarded-For or X-Forwarded-Proto counts for nothing: both can be typed. Never here: what follows from an address
(keys' networks, the counting of failed sign-ins) or from plain HTTP (auth.py).
"""

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any

from common.config import Settings, read_proxies

Environ = dict[str, Any]
Wsgi = Callable[[Environ, Any], Iterable[bytes]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_MOST = 20
"""Entries of the header that are looked at, from the near end."""


class Proxies:
    """A WSGI application around another: REMOTE_ADDR becomes the caller's, and the scheme the one they used."""

    def __init__(self, app: Wsgi, settings: Settings) -> None:
        self._app = app
        self._hops, self._networks = read_proxies(settings.trusted_proxies)
        self._trusting = bool(self._hops or self._networks)

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        if self._trusting:
            self._correct(environ)
        return self._app(environ, start_response)

    def _correct(self, environ: Environ) -> None:
        peer, caller = _address(environ.get("REMOTE_ADDR") or ""), None
        told = [each.strip() for each in (environ.get("HTTP_X_FORWARDED_FOR") or "").split(",")[-_MOST:]]
        told = [each for each in told if each]
        if self._networks:
            if peer is None or not self._is_ours(peer):
                return
            caller = self._beyond_ours(peer, told)
        else:
            if len(told) < self._hops:
                return  # it came past the proxy
            caller = _address(told[-self._hops]) or peer
        if caller is not None:
            environ["REMOTE_ADDR"] = str(caller)
        schemes = {each.strip().lower() for each in (environ.get("HTTP_X_FORWARDED_PROTO") or "").split(",")}
        if schemes != {""}:
            # A proxy that adds to what the caller typed instead of replacing it tells several: the worst counts.
            environ["wsgi.url_scheme"] = "https" if schemes == {"https"} else "http"

    def _is_ours(self, address: Address) -> bool:
        return any(address in network for network in self._networks if network.version == address.version)

    def _beyond_ours(self, peer: Address, told: list[str]) -> Address:
        """The nearest address that is no proxy of ours; what stands behind it, or cannot be read, is hearsay."""
        caller = peer
        for text in reversed(told):
            found = _address(text)
            if found is None:
                break
            caller = found
            if not self._is_ours(found):
                break
        return caller


def _address(text: str) -> Address | None:
    """An address, also with a port behind it; one that IPv6 only wraps is the IPv4 one."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
