"""MJML to HTML, with the tags of the template in it, by mrml when it is installed. Nothing is included or loaded."""

import html
import re
from importlib import import_module
from typing import Any

from common.domain.template_bounds import SourceError, pieces

_TOKEN = re.compile(r"<!--sdx(\d+)x-->|sdx(\d+)x")


def _engine() -> Any:
    try:
        return import_module("mrml")
    except ImportError as error:
        raise SourceError("needs MJML, which is not installed here: install sendarix[mjml], or write html") from error


def to_html(source: str) -> str:
    """The HTML of an MJML source. Raises SourceError: not installed, or not MJML."""
    engine = _engine()
    hidden: list[str] = []
    found, in_tag = [], False
    for is_tag, piece in pieces(source):
        if not is_tag:
            opened, closed = piece.rfind("<"), piece.rfind(">")
            in_tag = opened > closed if opened != closed else in_tag
            found.append(piece)
            continue
        found.append(f"sdx{len(hidden)}x" if in_tag or piece.startswith("{{") else f"<!--sdx{len(hidden)}x-->")
        hidden.append(piece)
    try:
        done = engine.to_html("".join(found))
    except OSError as error:
        raise SourceError(f"is not MJML: {html.unescape(str(error))[:200]}") from error
    text: str = getattr(done, "content", done)
    seen = {int(each[1] or each[2]) for each in _TOKEN.finditer(text)}
    if seen != set(range(len(hidden))):
        lost = next(number for number in range(len(hidden)) if number not in seen)
        raise SourceError(f"loses {hidden[lost][:60]} when it becomes HTML: put it inside mj-text or mj-raw")
    return _TOKEN.sub(lambda each: hidden[int(each[1] or each[2])], text)
