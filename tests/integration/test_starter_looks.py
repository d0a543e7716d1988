"""How the starter templates look, in a real browser: nothing overflows, everything can be read, in light and dark."""

from typing import Any

import pytest
from playwright.sync_api import Browser

from common.domain.template_building import build
from common.domain.template_variables import examples, filled
from common.domain.templates import render_parts
from common.services import quickstart

STARTERS = quickstart.starters()
PHONE, DESK = {"width": 360, "height": 740}, {"width": 1000, "height": 900}
_FAULTS = """() => {
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).map(Number).slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = getComputedStyle(each).backgroundColor;
      if (!color.startsWith("rgba(0, 0, 0, 0")) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const faults = [];
  if (document.documentElement.scrollWidth > innerWidth) faults.push("it is wider than the window");
  for (const element of document.querySelectorAll("h1, p, td, th, a, strong")) {
    const own = [...element.childNodes].some((each) => each.nodeType === 3 && each.textContent.trim());
    if (!own || !element.getClientRects().length || element.className === "bar") continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(style.color), light(behind(element))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) faults.push(`${element.textContent.trim().slice(0, 40)}: contrast ${contrast.toFixed(2)}`);
    if (parseFloat(style.fontSize) < 13) faults.push(`${element.textContent.trim().slice(0, 40)}: too small`);
  }
  for (const button of document.querySelectorAll(".button")) {
    if (button.getBoundingClientRect().height < 44) faults.push("a button is less than 44 pixels high");
  }
  return faults;
}"""


def html_of(slug: str) -> str:
    made = build("template", STARTERS[slug], {})
    done = render_parts(made.parts, filled(made.variables, examples(made.variables)))
    assert done.html is not None
    return done.html


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("slug", STARTERS)
def test_a_starter_overflows_or_cannot_be_read(browser: Browser, slug: str, scheme: Any) -> None:
    page = browser.new_page(viewport=PHONE, color_scheme=scheme)
    page.route("**/*", lambda route: route.abort())
    try:
        for size in (PHONE, DESK):
            page.set_viewport_size(size)
            page.set_content(html_of(slug))
            assert page.evaluate(_FAULTS) == [], (slug, scheme, size)
    finally:
        page.close()
