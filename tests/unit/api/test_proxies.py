"""Whose word counts about who calls: nobody becomes somebody else by typing a header, nor loses himself to a proxy."""

from typing import Any

import pytest

from api.proxies import Proxies
from common.config import SettingError, read_settings

PEER = "10.0.0.2"


def seen(trusted: str, *, peer: str = PEER, told: str | None = None, proto: str | None = None) -> tuple[str, str]:
    environ: dict[str, Any] = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http"}
    if told is not None:
        environ["HTTP_X_FORWARDED_FOR"] = told
    if proto is not None:
        environ["HTTP_X_FORWARDED_PROTO"] = proto
    kept: dict[str, Any] = {}

    def app(environ: dict[str, Any], _: Any) -> list[bytes]:
        kept.update(environ)
        return []

    Proxies(app, read_settings({}, trusted_proxies=trusted))(environ, None)
    return kept["REMOTE_ADDR"], kept["wsgi.url_scheme"]


@pytest.mark.parametrize("trusted", ["", "192.168.0.0/16", "10.0.0.3", "0", "2001:db8::/32"])
def test_a_stranger_is_believed(trusted: str) -> None:
    assert seen(trusted, told="198.51.100.7", proto="https") == (PEER, "http")


@pytest.mark.parametrize(
    ("trusted", "told", "caller"),
    [
        ("10.0.0.0/8", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.0/8", "1.2.3.4, 198.51.100.7", "198.51.100.7"),  # typed by the caller, then added by the proxy
        ("10.0.0.0/8", "1.2.3.4, 198.51.100.7, 10.9.9.9", "198.51.100.7"),
        ("10.0.0.0/8", "10.1.1.1, 10.9.9.9", "10.1.1.1"),
        ("10.0.0.0/8", "198.51.100.7, nonsense", PEER),
        ("10.0.0.0/8", "1.2.3.4, nonsense, 10.9.9.9", "10.9.9.9"),
        ("10.0.0.0/8", "", PEER),
        ("10.0.0.0/8", None, PEER),
        ("10.0.0.0/8, 192.0.2.0/24", "198.51.100.7, 192.0.2.9", "198.51.100.7"),
        ("10.0.0.0/8", "198.51.100.7:4711", "198.51.100.7"),
        ("10.0.0.0/8", "[2001:db8::7]:4711", "2001:db8::7"),
        ("10.0.0.0/8", "2001:db8::7", "2001:db8::7"),
        ("10.0.0.0/8", "::ffff:198.51.100.7", "198.51.100.7"),
        ("1", "1.2.3.4, 198.51.100.7", "198.51.100.7"),
        ("2", "1.2.3.4, 198.51.100.7, 203.0.113.9", "198.51.100.7"),
        ("2", "198.51.100.7", PEER),
        ("1", "nonsense", PEER),
    ],
)
def test_the_wrong_one_calls(trusted: str, told: str | None, caller: str) -> None:
    assert seen(trusted, told=told)[0] == caller


def test_a_proxy_that_ipv6_wraps_is_a_stranger() -> None:
    assert seen("10.0.0.0/8", peer="::ffff:10.0.0.2", told="198.51.100.7")[0] == "198.51.100.7"


@pytest.mark.parametrize(
    ("trusted", "told", "proto", "scheme"),
    [
        ("10.0.0.2", "198.51.100.7", "https", "https"),
        ("10.0.0.2", None, "HTTPS", "https"),
        ("10.0.0.2", "198.51.100.7", "http", "http"),
        ("10.0.0.2", "198.51.100.7", "https, http", "http"),
        ("10.0.0.2", "198.51.100.7", "http, https", "http"),
        ("10.0.0.2", "198.51.100.7", None, "http"),
        ("1", "198.51.100.7", "https", "https"),
        ("1", None, "https", "http"),  # past the proxy
    ],
)
def test_plain_http_passes_for_https(trusted: str, told: str | None, proto: str | None, scheme: str) -> None:
    assert seen(trusted, told=told, proto=proto)[1] == scheme


def test_a_setting_that_means_nothing_is_taken() -> None:
    for wrong in ("10.0.0.0/33", "proxy.local", "-1", "10.0.0.1;10.0.0.2"):
        with pytest.raises(SettingError, match="TRUSTED_PROXIES"):
            read_settings({}, trusted_proxies=wrong)
