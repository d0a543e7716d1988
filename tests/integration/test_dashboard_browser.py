"""The dashboard in a real browser: main paths at three widths, light and dark, by keyboard, with axe finding nothing.

With SENDARIX_PICTURES=docs/pictures it also takes the pictures of the documentation.
"""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from common import clock
from common.clock import rfc3339
from tests.callers import Api
from tests.pipeline import work_off
from tests.terminal import served

AXE = Path(__file__).parents[1] / "peers" / "node_modules" / "axe-core" / "axe.min.js"
PICTURES = os.environ.get("SENDARIX_PICTURES")
WIDTHS = (360, 820, 1440)
PAGES = ("", "/analytics", "/messages", "/inbox", "/queues", "/dead-letters", "/templates", "/suppressions", "/domains",
         "/webhooks", "/keys", "/people", "/me", "/audit", "/settings", "/workers")  # fmt: skip


@pytest.fixture(scope="module")
def base(api: Api) -> Iterator[str]:
    with served(api.client.application) as url:
        yield f"{url}/dashboard"


@pytest.fixture(scope="module")
def ids(api: Api) -> dict[str, str]:
    """Mail that looks like a small shop's morning; one message, mail, domain and webhook by name."""
    mails = (
        ("ada@example.net", "otp-code", {"code": "847291", "expires_in": "5 minutes"}, "critical", ["login"]),
        ("bob@example.net", "welcome", None, "normal", ["signup"]),
        (
            "bounced@simulator.sendarix.test",
            "otp-code",
            {"code": "118034", "expires_in": "5 minutes"},
            "critical",
            ["login"],
        ),
        ("deferred@simulator.sendarix.test", None, None, "normal", ["invoice"]),
        ("complained@simulator.sendarix.test", None, None, "bulk", ["newsletter"]),
        ("carol@example.net", None, None, "bulk", ["newsletter"]),
        ("dan@example.net", None, None, "normal", ["invoice"]),
    )
    sent = []
    for recipient, template, data, tier, tags in mails:
        fields: dict[str, Any] = {"recipient": recipient, "priority": tier, "tags": tags}
        if template and data:
            fields |= {"template": template, "template_data": data, "subject": ..., "text": ...}
        else:
            fields["subject"] = {"invoice": "Invoice 2026-1141", "newsletter": "What is new in November"}.get(
                tags[0], "Welcome"
            )
        sent.append(api.send(**fields)["message_id"])
    for number in range(90 if PICTURES else 0):
        api.send(
            recipient=f"user{number}@example.net", subject="Your receipt", priority=("normal", "critical")[number % 2]
        )
    work_off()
    api.send(recipient="erin@example.net", subject="Your weekly summary", priority="bulk", tags=["digest"])
    api.send(recipient="finn@example.net", subject="Reminder", scheduled_time=rfc3339(clock.now() + timedelta(days=2)))
    api.call("POST", "/v1/queues/delivery.bulk/pause", {"reason": "the offer has a wrong price", "author": "anna"})
    domain = api.call("POST", "/v1/domains", {"name": "mail.shop.example"}).get_json()
    webhook = api.call("POST", "/v1/webhooks", {"url": "https://shop.example/hooks/mail", "description": "billing"})
    mail = api.call("GET", "/v1/mailbox/messages?recipient=ada@example.net").get_json()["data"][0]
    return {
        "message": f"/messages/{sent[0]}",
        "deferred": f"/messages/{sent[3]}",
        "trace": f"/messages/{sent[3]}/trace",
        "mail": f"/inbox/{mail['id']}",
        "domain": f"/domains/{domain['id']}",
        "webhook": f"/webhooks/{webhook.get_json()['id']}",
        "template": "/templates/otp-code",
    }


@pytest.fixture(scope="module")
def cookie(api: Api, base: str, browser: Browser) -> list[Any]:
    """Somebody signs in by their invitation, in the browser."""
    made = api.call("POST", "/v1/users", {"email": "ada@shop.example", "role": "owner", "name": "Ada"}).get_json()
    context = browser.new_context()
    page = context.new_page()
    page.goto(base.removesuffix("/dashboard") + "/" + made["invitation_url"].split("/", 3)[3])
    page.keyboard.type("correct horse battery")
    page.keyboard.press("Enter")
    page.wait_for_url(base)
    found = context.cookies()
    context.close()
    return list(found)


@pytest.fixture
def noticed() -> list[str]:
    return []


def opened(
    browser: Browser,
    base: str,
    cookie: list[Any],
    noticed: list[str],
    width: int = 1440,
    scheme: str = "light",
    **more: Any,
) -> tuple[BrowserContext, Page]:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        bypass_csp=more.pop("csp", False),
        **more,  # type: ignore[arg-type]
    )
    context.add_cookies(cookie)
    page = context.new_page()
    page.on("console", lambda message: noticed.append(message.text))
    page.on("pageerror", lambda error: noticed.append(str(error)))
    home = base.removesuffix("/dashboard")
    page.on("request", lambda request: None if request.url.startswith((home, "data:")) else noticed.append(request.url))
    return context, page


def test_a_page_overflows_complains_or_asks_elsewhere(
    browser: Browser, base: str, cookie: list[Any], ids: dict[str, str], noticed: list[str]
) -> None:
    context, page = opened(browser, base, cookie, noticed)
    for path in (*PAGES, *ids.values()):
        page.goto(base + path)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"{path} at {width}"
    assert not noticed
    context.close()


RULES = {"light": "{}", "dark": "{runOnly: ['color-contrast']}"}
"""Only the colours differ in the dark."""


@pytest.mark.skipif(not AXE.exists(), reason="needs axe-core: npm ci in tests/peers")
@pytest.mark.parametrize("scheme", RULES)
def test_axe_finds_something(
    browser: Browser, base: str, cookie: list[Any], ids: dict[str, str], noticed: list[str], scheme: str
) -> None:
    context, page = opened(browser, base, cookie, noticed, 1440, scheme, csp=True)
    found = []
    some = ("", "/messages", "/queues", ids["message"], ids["domain"])
    for path in (*PAGES, *ids.values(), "/sign-in") if scheme == "light" else some:
        page.goto(base + path)
        page.add_script_tag(path=str(AXE))
        result = page.evaluate(
            f"axe.run(document, {{iframes: false, resultTypes: ['violations'], ...{RULES[scheme]}}})"
        )
        assert result["passes"], "it looked at nothing"
        found += [f"{path}: {each['id']} {each['nodes'][0]['html'][:200]}" for each in result["violations"]]
    assert not found, "\n".join(found)
    context.close()


def test_the_main_path_needs_a_mouse(
    browser: Browser, base: str, cookie: list[Any], ids: dict[str, str], noticed: list[str]
) -> None:
    """Somebody asks where a mail is: from the search to the line that the server said, by keyboard alone."""
    context, page = opened(browser, base, cookie, noticed)
    page.goto(base + "/messages")
    page.keyboard.press("/")
    page.keyboard.type("ada@example.net")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=ada*")
    page.get_by_role("link", name="ada@example.net").first.press("Enter")
    page.wait_for_url("**/messages/msg_*")
    assert page.get_by_text("At its end:").is_visible() and page.get_by_text("RCPT TO").first.is_visible()
    assert not noticed
    context.close()


def test_the_inbox_has_to_be_reloaded(
    api: Api, browser: Browser, base: str, cookie: list[Any], ids: dict[str, str], noticed: list[str]
) -> None:
    context, page = opened(browser, base, cookie, noticed)
    page.goto(base + "/inbox")
    api.send(recipient="fresh@example.net", subject="Just now")
    work_off()
    page.get_by_role("link", name="Just now").wait_for(timeout=10_000)
    assert not noticed
    context.close()


def test_a_page_needs_a_script(browser: Browser, base: str, cookie: list[Any], ids: dict[str, str]) -> None:
    context, page = opened(browser, base, cookie, [], 820, java_script_enabled=False)
    for path in PAGES:
        page.goto(base + path)
        assert page.locator("h1").is_visible()
    page.goto(base + ids["message"])
    page.get_by_role("button", name="Send again").click()
    page.wait_for_url("**/messages/msg_*")
    assert page.get_by_text("Sent again as a new message.").is_visible()
    context.close()


def test_times_are_asked_for_in_another_zone_than_they_are_read(
    browser: Browser, base: str, cookie: list[Any], noticed: list[str]
) -> None:
    context, page = opened(browser, base, cookie, noticed, timezone_id="Asia/Tokyo")
    page.goto(f"{base}/messages")
    page.get_by_text("More filters").click()
    page.get_by_label("From (your time)").fill("2026-04-19T21:30")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**created_after=2026-04-19T12%3A30**")
    assert page.get_by_label("From (your time)").input_value() == "2026-04-19T21:30"
    assert not noticed
    context.close()


@pytest.mark.skipif(not PICTURES, reason="SENDARIX_PICTURES names no folder")
def test_pictures_are_taken(browser: Browser, base: str, cookie: list[Any], ids: dict[str, str]) -> None:
    wanted = {
        "overview": "",
        "message": ids["message"],
        "queues": "/queues",
        "inbox": ids["mail"],
        "messages": "/messages",
    }
    for scheme in ("light", "dark"):
        context, page = opened(browser, base, cookie, [], 1280, scheme)
        for name, path in wanted.items():
            page.goto(base + path, wait_until="networkidle")
            page.screenshot(path=f"{PICTURES}/{name}-{scheme}.png")
        context.close()
