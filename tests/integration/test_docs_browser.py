"""The documentation in a real browser: at three widths, light and dark, by keyboard, without a console message."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from api import create_app
from common.config import read_settings
from tests.terminal import served

ADDRESSES = ("", "/quickstart", "/api", "/reference", "/reference/messages", "/errors", "/errors/rate_limited")
WIDTHS = (360, 820, 1440)


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with served(create_app(read_settings({}))) as url:
        yield f"{url}/docs"


@pytest.fixture
def noticed() -> list[str]:
    return []


def opened(browser: Browser, base: str, noticed: list[str], width: int = 1440, scheme: str = "light") -> Page:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page.on("console", lambda message: noticed.append(message.text))
    page.on("pageerror", lambda error: noticed.append(str(error)))
    home = base.removesuffix("/docs")
    page.on("request", lambda request: None if request.url.startswith(home) else noticed.append(request.url))
    return page


@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_overflows_complains_or_asks_elsewhere(
    browser: Browser, base: str, noticed: list[str], width: int
) -> None:
    page = opened(browser, base, noticed, width)
    for address in ADDRESSES:
        page.goto(base + address)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"{address} at {width}"
    assert not noticed
    page.close()


def test_the_dark_scheme_is_light(browser: Browser, base: str, noticed: list[str]) -> None:
    for scheme, dark in (("light", False), ("dark", True)):
        page = opened(browser, base, noticed, scheme=scheme)
        page.goto(base)
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert (sum(paper[:3]) < 200) == dark
        page.close()


def test_the_search_needs_a_mouse(browser: Browser, base: str, noticed: list[str]) -> None:
    page = opened(browser, base, noticed, 360)
    page.goto(base)
    page.keyboard.press("/")
    page.keyboard.type("rate_limited")
    page.wait_for_selector(".found:not([hidden]) li:first-child a[href$=rate_limited]")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/docs/errors/rate_limited")
    assert not noticed
    page.close()


def test_the_language_of_an_example_is_forgotten(browser: Browser, base: str, noticed: list[str]) -> None:
    page = opened(browser, base, noticed)
    page.goto(base + "/reference/messages")
    first = page.locator(".languages").first
    first.locator("input").first.focus()
    page.keyboard.press("ArrowRight")
    assert first.locator("pre.python").is_visible() and not first.locator("pre.curl").is_visible()
    page.goto(base + "/reference/webhooks")
    assert page.locator(".languages").first.locator("pre.python").is_visible()
    assert not noticed
    page.close()


def test_the_contents_cannot_be_opened_on_a_phone(browser: Browser, base: str, noticed: list[str]) -> None:
    page = opened(browser, base, noticed, 360)
    page.goto(base + "/api")
    assert not page.get_by_role("link", name="All requests").is_visible()
    page.locator(".menu > summary").press("Enter")
    page.get_by_role("link", name="All requests").click()
    page.wait_for_url("**/docs/reference")
    page.close()


def test_the_search_needs_a_script(browser: Browser, base: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(base)
    page.fill(".search input", "idempotency")
    page.press(".search input", "Enter")
    page.locator("main .hits a").nth(3).wait_for()
    context.close()
