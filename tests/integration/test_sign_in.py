"""People at the door of the dashboard: who gets in, who does not, and what a session is worth."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from api import cli, create_app
from api.dashboard import sign_in
from common import clock
from common.config import current_settings, read_settings
from common.db import session
from common.domain.ids import decode
from common.services import composing, keys, quickstart

OURS = {"Sec-Fetch-Site": "same-origin"}
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def tokens(engines: Any) -> Iterator[dict[str, str]]:
    keys.forget()
    composing.forget()
    with session.transaction() as connection:
        made = quickstart.prepare(connection, current_settings())
    yield made
    keys.forget()
    with session.transaction() as connection:
        connection.exec_driver_sql("TRUNCATE accounts, messages CASCADE")


@pytest.fixture
def client(tokens: dict[str, str]) -> FlaskClient:
    return create_app(read_settings()).test_client()


def ask(client: FlaskClient, method: str, path: str, key: str, body: Any = None) -> Any:
    return client.open(path, method=method, json=body, headers={"Authorization": f"Bearer {key}"})


def invited(client: FlaskClient, key: str, email: str, role: str = "owner", **more: Any) -> dict[str, Any]:
    answer = ask(client, "POST", "/v1/users", key, {"email": email, "role": role, **more})
    assert answer.status_code == 201, answer.data
    found: dict[str, Any] = answer.json
    return found


def chosen(client: FlaskClient, user: dict[str, Any], password: str = PASSWORD, **headers: str) -> Any:
    path = "/" + user["invitation_url"].split("/", 3)[3]
    return client.post(path, data={"password": password, "name": "Ada"}, headers=OURS | headers)


def signed(client: FlaskClient, email: str, password: str = PASSWORD, **more: Any) -> Any:
    return client.post("/dashboard/sign-in", data={"email": email, "password": password} | more, headers=OURS)


def test_an_invitation_works_twice_or_before_a_password_is_chosen(client: FlaskClient, tokens: dict[str, str]) -> None:
    user = invited(client, tokens["live_key"], "ada@example.com")
    assert user["state"] == "invited" and user["invitation_expires_at"]
    path = "/" + user["invitation_url"].split("/", 3)[3]
    for _ in range(2):  # programs open links
        assert client.get(path).status_code == 200
    assert chosen(client, user, "short").status_code == 422
    answer = chosen(client, user)
    assert (answer.status_code, answer.location) == (303, "/dashboard")
    assert client.get("/dashboard").status_code == 200
    assert chosen(client, user).status_code == 404 and client.get(path).status_code == 404
    read = ask(client, "GET", f"/v1/users/{user['id']}", tokens["live_key"]).json
    assert (read["state"], read["name"], read["invitation_expires_at"]) == ("active", "Ada", None)
    assert "invitation_url" not in read


def test_an_expired_invitation_works(client: FlaskClient, tokens: dict[str, str], monkeypatch: Any) -> None:
    user = invited(client, tokens["live_key"], "late@example.com")
    later = clock.now() + timedelta(hours=73)
    monkeypatch.setattr(sign_in.clock, "now", lambda: later)
    assert chosen(client, user).status_code == 404


def test_the_cookie_is_weaker_than_its_rules(client: FlaskClient, tokens: dict[str, str]) -> None:
    user = invited(client, tokens["live_key"], "cookie@example.com")
    local = chosen(client, user).headers["Set-Cookie"]
    assert local.startswith("sendarix-local=") and "HttpOnly" in local and "SameSite=Lax" in local
    assert "Secure" not in local, "no browser keeps a Secure cookie of plain HTTP, save on some loopback addresses"
    answer = client.post(
        "/dashboard/sign-in",
        data={"email": "cookie@example.com", "password": PASSWORD},
        headers=OURS,
        base_url="http://mail.example.com/",
    )
    far = answer.headers["Set-Cookie"]
    assert far.startswith("__Host-sendarix=") and "Secure" in far and "Path=/" in far and "Domain" not in far


def test_a_stranger_gets_in(client: FlaskClient, tokens: dict[str, str]) -> None:
    chosen(client, invited(client, tokens["live_key"], "bea@example.com"))
    client.post("/dashboard/sign-out", headers=OURS)
    assert client.get("/dashboard/messages?q=x").location == "/dashboard/sign-in?next=/dashboard/messages%3Fq%3Dx"
    for email, password in (("bea@example.com", "wrong password"), ("nobody@example.com", PASSWORD), ("", "")):
        assert signed(client, email, password).status_code == 401
    client.set_cookie("sendarix-local", "made up")
    assert client.get("/dashboard").status_code == 303
    assert signed(client, "BEA@example.com", next="/dashboard/keys").location == "/dashboard/keys"
    assert client.get("/dashboard").status_code == 200
    for elsewhere in ("https://evil.example/", "//evil.example", "/dashboard\\@evil.example", "/dashboardx"):
        assert signed(client, "bea@example.com", next=elsewhere).location == "/dashboard"


def test_passwords_can_be_guessed_forever(client: FlaskClient, tokens: dict[str, str]) -> None:
    tries = sign_in.TRIES_OF_USER
    found = [signed(client, "nobody@example.org", "guess").status_code for _ in range(tries + 1)]
    assert found == [401] * tries + [429]


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "none"}, 303),
        ({"Origin": "http://localhost"}, 303),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
    ids=["own", "typed", "old", "cross", "subdomain", "both", "origin", "null", "none"],
)
def test_a_form_of_another_site_changes_something(
    client: FlaskClient, tokens: dict[str, str], headers: dict[str, str], wanted: int
) -> None:
    email = f"csrf{wanted}-{len(headers)}-{'-'.join(headers.values()).replace('/', '').replace(':', '')}@example.com"
    chosen(client, invited(client, tokens["live_key"], email))
    assert client.post("/dashboard/preferences", data={"theme": "dark"}, headers=headers).status_code == wanted
    assert (
        client.post("/dashboard/sign-in", data={"email": email, "password": PASSWORD}, headers=headers).status_code
        == wanted
    )


def test_a_session_opens_the_api_or_a_key_a_page(client: FlaskClient, tokens: dict[str, str]) -> None:
    chosen(client, invited(client, tokens["live_key"], "eve@example.com"))
    assert client.get("/dashboard").status_code == 200
    assert client.get("/v1/messages").status_code == 401, "the API takes keys, never cookies"
    answer = client.get("/v1/messages", headers={"sendarix.inside": "x", "Sendarix-Inside": "x"})
    assert answer.status_code == 401
    fresh = client.application.test_client()
    assert fresh.get("/dashboard", headers={"Authorization": f"Bearer {tokens['live_key']}"}).status_code == 303


def test_a_session_outlives_its_end(client: FlaskClient, tokens: dict[str, str]) -> None:
    user = invited(client, tokens["live_key"], "finn@example.com")
    chosen(client, user)
    other = client.application.test_client()
    signed(other, "finn@example.com")
    before = other.get_cookie("sendarix-local")
    signed(other, "finn@example.com")
    after = other.get_cookie("sendarix-local")
    assert before and after and before.value != after.value, "a sign-in makes a new session"
    stale = client.application.test_client()
    stale.set_cookie("sendarix-local", before.value)
    assert stale.get("/dashboard").status_code == 303, "and ends the one before"
    path = f"/v1/users/{user['id']}"
    assert ask(client, "POST", f"{path}/sign-out", tokens["live_key"]).json == {"sessions": 2}
    assert client.get("/dashboard").status_code == other.get("/dashboard").status_code == 303
    signed(client, "finn@example.com")
    signed(other, "finn@example.com")
    client.post("/dashboard/sign-out", data={"everywhere": "1"}, headers=OURS)
    assert other.get("/dashboard").status_code == 303
    signed(client, "finn@example.com")
    with session.transaction() as connection:
        connection.exec_driver_sql("UPDATE sessions SET seen_at = now() - interval '13 hours'")
    assert client.get("/dashboard").status_code == 303, "twelve idle hours"
    signed(client, "finn@example.com")
    with session.transaction() as connection:
        connection.exec_driver_sql("UPDATE sessions SET created_at = now() - interval '8 days'")
    assert client.get("/dashboard").status_code == 303, "a week in any case"
    signed(client, "finn@example.com")
    assert ask(client, "DELETE", path, tokens["live_key"]).status_code == 204
    assert client.get("/dashboard").status_code == 303
    assert signed(client, "finn@example.com").status_code == 401
    assert ask(client, "GET", path, tokens["live_key"]).status_code == 404


def test_a_new_password_leaves_old_sessions(client: FlaskClient, tokens: dict[str, str]) -> None:
    chosen(client, invited(client, tokens["live_key"], "gil@example.com"))
    other = client.application.test_client()
    signed(other, "gil@example.com")
    change = {"current": "wrong", "password": "another long password"}
    assert client.post("/dashboard/me/password", data=change, headers=OURS).status_code == 401
    change["current"] = PASSWORD
    assert client.post("/dashboard/me/password", data=change, headers=OURS).status_code == 303
    assert client.get("/dashboard/me").status_code == 200
    assert other.get("/dashboard").status_code == 303
    assert signed(other, "gil@example.com").status_code == 401


def test_somebody_is_given_more_than_the_giver_has(client: FlaskClient, tokens: dict[str, str]) -> None:
    live, admin = tokens["live_key"], tokens["admin_key"]
    refused = ask(client, "POST", "/v1/users", live, {"email": "h@example.com", "role": "owner", "admin": True})
    assert (refused.status_code, refused.json["code"]) == (403, "cannot_grant")
    boss = invited(client, admin, "boss@example.com", admin=True)
    path = f"/v1/users/{boss['id']}"
    for method, part, body in (
        ("POST", "/invitation", None),
        ("POST", "/sign-out", None),
        ("PATCH", "", {"role": "support"}),
        ("DELETE", "", None),
    ):
        answer = ask(client, method, path + part, live, body)
        assert (answer.status_code, answer.json["code"]) == (403, "cannot_grant"), method + part
    assert ask(client, "POST", "/v1/users", live, {"email": "boss@example.com", "role": "support"}).status_code == 409


def test_the_last_owner_goes(client: FlaskClient, tokens: dict[str, str]) -> None:
    made = ask(client, "POST", "/v1/admin/accounts", tokens["admin_key"], {"name": "Alone"}).json
    key = ask(client, "POST", f"/v1/admin/accounts/{made['id']}/api-keys", tokens["admin_key"],
              {"scopes": ["admin"]}).json["secret"]  # fmt: skip
    one = invited(client, key, "one@alone.example")
    path = f"/v1/users/{one['id']}"
    assert ask(client, "DELETE", path, key).status_code == 409
    assert ask(client, "PATCH", path, key, {"role": "support"}).status_code == 409
    invited(client, key, "two@alone.example")
    assert ask(client, "PATCH", path, key, {"role": "support"}).json["role"] == "support"


def test_a_persons_keys_are_seen_or_used(client: FlaskClient, tokens: dict[str, str]) -> None:
    user = invited(client, tokens["live_key"], "ida@example.com")
    listed = ask(client, "GET", "/v1/api-keys?limit=100", tokens["live_key"]).json["data"]
    assert not [each for each in listed if "ida" in each["name"]]
    with session.transaction() as connection:
        rows = session.rows(connection, "SELECT id FROM api_keys WHERE user_id = %s", decode("usr", user["id"]))
    assert len(rows) == 2


@pytest.mark.parametrize(
    "path", ["/dashboard", "/dashboard/me", "/dashboard/nowhere", "/dashboard/sign-in", "/dashboard/link/x"]
)
def test_a_page_may_load_run_or_be_framed_from_elsewhere(
    client: FlaskClient, tokens: dict[str, str], path: str
) -> None:
    chosen(client, invited(client, tokens["live_key"], f"frame{path.replace('/', '')}@example.com"))
    answer = client.get(f"/dashboard{path}")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store" and answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "<script>" not in answer.text and " style=" not in answer.text and " onclick" not in answer.text


def test_the_first_person_is_locked_out(
    client: FlaskClient, tokens: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["user", "link", "nobody@example.net"]) == 1
    assert cli.main(["user", "invite", "cli@example.com", "--admin"]) == 0
    assert cli.main(["user", "link", "cli@example.com"]) == 0
    link = capsys.readouterr().out.split()[-1]
    path = "/" + link.split("/", 3)[3]
    assert "cli@example.com" in client.get(path).text
    assert client.post(path, headers=OURS).status_code == 303
    assert client.get("/dashboard").status_code == 200
    assert client.application.test_client().post(path, headers=OURS).status_code == 404, "once"
    assert cli.main(["user", "list"]) == 0
    assert "cli@example.com" in capsys.readouterr().out
