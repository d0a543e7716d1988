"""Behind a proxy: whose address keys, quotas and sign-ins go by; and forms without end."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from api import create_app
from common.config import read_settings
from common.services import keys
from tests.callers import Api, mail

PROXY = "10.0.0.2"


@contextmanager
def behind(api: Api, trusted: str) -> Iterator[Api]:
    client = create_app(read_settings(trusted_proxies=trusted)).test_client()
    client.environ_base["REMOTE_ADDR"] = PROXY
    yield Api(client, api.live, api.test, api.admin)


def make(api: Api, cidrs: list[str]) -> str:
    body = {"name": "office", "scopes": ["messages:send", "messages:read"], "cidrs": cidrs}
    answer = api.call("POST", "/v1/api-keys", body, api.admin)
    assert answer.status_code == 201, answer.data
    return str(answer.get_json()["secret"])


@pytest.mark.parametrize(
    ("trusted", "told", "status"),
    [
        ("10.0.0.0/8", "198.51.100.7", 202),
        ("10.0.0.0/8", "198.51.100.7, 203.0.113.9", 403),
        ("10.0.0.0/8", "203.0.113.9, 198.51.100.7", 202),
        ("1", "198.51.100.7", 202),
        ("", "198.51.100.7", 403),
        ("192.0.2.1", "198.51.100.7", 403),
    ],
)
def test_a_key_of_one_network_is_used_from_another(api: Api, trusted: str, told: str, status: int) -> None:
    secret = make(api, ["198.51.100.0/24"])
    keys.forget()
    with behind(api, trusted) as proxied:
        for body in (mail(), mail(tags=["x"] * 3)):  # the short way and the whole application
            answer = proxied.call("POST", "/v1/messages", body, secret, X_Forwarded_For=told)
            assert answer.status_code == status, answer.data


def test_one_guesser_shuts_everybody_out_or_changes_address_by_typing(api: Api) -> None:
    def guess(proxied: Api, told: str) -> int:
        return int(proxied.call("GET", "/v1/messages", key="sk_live_wrong", X_Forwarded_For=told).status_code)

    with behind(api, "10.0.0.0/8") as proxied:
        assert [guess(proxied, f"1.1.1.{number}, 198.51.100.9") for number in range(11)] == [401] * 10 + [429]
        assert guess(proxied, "198.51.100.10") == 401
    with behind(api, "") as proxied:
        assert [guess(proxied, f"198.51.100.{number}") for number in range(11)] == [401] * 10 + [429]


@pytest.mark.parametrize("path", ["/dashboard/sign-in", "/u/abc"])
def test_a_form_without_end_is_read_by_whoever_asks(api: Api, path: str) -> None:
    form = b"email=" + b"a" * 4_300_000
    answer = api.client.post(
        path, data=form, content_type="application/x-www-form-urlencoded", headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert answer.status_code in (404, 413)
    if answer.status_code == 413:
        assert (answer.content_type, answer.get_json()["code"]) == ("application/problem+json", "payload_too_large")
    assert answer.status_code == (413 if path.startswith("/dashboard") else 404)
