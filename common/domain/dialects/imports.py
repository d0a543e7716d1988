"""A template as another service exports it becomes a draft of ours, with a report of what was lost.

Never here: the languages themselves (handlebars.py) or storage.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from common.domain.dialects.expressions import Names
from common.domain.dialects.handlebars import Converter
from common.domain.dialects.reports import Report
from common.domain.template_bounds import MAX_SOURCE

DIALECTS = ("postmark", "sendgrid", "mailgun", "resend")
PARTS = ("subject", "html", "text")
_RECIPIENT = re.compile(r"%recipient\.([A-Za-z_]\w*)%")
_PERCENT = re.compile(r"%([a-z_]+_url|unsubscribe_[a-z_]+)%")
_ASM = re.compile(r"<%\s*(asm_[a-z_]+)\s*%>|\[(unsubscribe|weblink|Unsubscribe|Sender_[A-Za-z]+)\]")
_RESEND = re.compile(r"\{\{\{\s*([A-Za-z_][A-Za-z0-9_.]*)\s*(?:\|([^{}]*))?\}\}\}|\{%|\{#|\{\{")
_LAYOUT = re.compile(r"\{\{\{\s*@content\s*\}\}\}")
_TYPES = {"string": "string", "number": "number", "boolean": "boolean", "object": "object", "list": "list"}


class NothingToImport(ValueError):
    """The export holds nothing that can be imported; the text says why."""


@dataclass(slots=True)
class Imported:
    """What was understood: `about` has name, slug and kind where the export says them."""

    draft: dict[str, Any]
    about: dict[str, str]
    report: list[dict[str, Any]]


def read(dialect: str, source: Mapping[str, Any]) -> Imported:
    """The draft of an export. Raises NothingToImport when it holds neither html nor text."""
    found = _plain(dialect, source)
    if not any(isinstance(found.get(part), str) and found[part] for part in ("html", "text")):
        raise NothingToImport("holds neither html nor text: give the template as the service's API answers it")
    if any(isinstance(found.get(part), str) and len(found[part].encode()) > MAX_SOURCE for part in PARTS):
        raise NothingToImport(f"holds a part of over {MAX_SOURCE // 1024} KiB: shorten it")
    report, names = Report(), Names()
    draft: dict[str, Any] = {}
    for part in PARTS:
        text = found.get(part)
        if isinstance(text, str) and text:
            report.part = part
            draft[part] = _READERS[dialect](text, report, names)
    if isinstance(found.get("sender"), str):
        draft["sender"] = found["sender"]
    if isinstance(found.get("layout"), str):
        draft["layout"] = slug_of(found["layout"])
        report.part = "layout"
        report.tell(
            "missing", f"It needs the layout {draft['layout']}: import and publish that first.", found["layout"]
        )
    draft["variables"] = _variables(names, found.get("declared") or (), found.get("examples") or {})
    about = {name: found[name] for name in ("name", "slug", "kind") if isinstance(found.get(name), str)}
    return Imported(draft, about, report.remarks)


def slug_of(text: str) -> str:
    """A slug out of any name."""
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")[:64] or "imported"


def _plain(dialect: str, source: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an export under our names; those of ours are taken as well."""
    inner = dict(source)
    if dialect == "mailgun":
        inner = _object(inner, "template") or inner
        version = _object(inner, "version")
        headers = _object(version, "headers")
        inner = {**inner, **version, "html": version.get("template") or inner.get("template") or inner.get("html")}
        inner["subject"] = headers.get("Subject") or inner.get("subject")
        inner["from"] = headers.get("From") or inner.get("from")
    if dialect == "sendgrid" and isinstance(inner.get("versions"), list) and inner["versions"]:
        versions = [each for each in inner["versions"] if isinstance(each, Mapping)]
        active = next((each for each in versions if each.get("active")), versions[0] if versions else {})
        inner = {**active, "name": inner.get("name")}
    found = {name: _first(inner, *others) for name, others in _FIELDS.items()}
    if found.get("kind") is not None:
        found["kind"] = "layout" if str(found["kind"]).lower() == "layout" else "template"
    return found


def _object(source: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = source.get(name)
    return dict(found) if isinstance(found, Mapping) else {}


_FIELDS = {
    "name": ("name", "Name"),
    "slug": ("slug", "alias", "Alias"),
    "kind": ("TemplateType",),
    "sender": ("from",),
    "subject": ("subject", "Subject"),
    "html": ("html", "html_content", "HtmlBody"),
    "text": ("text", "plain_content", "TextBody"),
    "layout": ("LayoutTemplate",),
    "declared": ("variables",),
    "examples": ("test_data", "TestRenderModel"),
}


def _first(source: Mapping[str, Any], *names: str) -> Any:
    return next((source[name] for name in names if source.get(name) is not None), None)


def _postmark(text: str, report: Report, names: Names) -> str:
    held = _LAYOUT.sub("\x00content\x00", text)
    return Converter(report, names, sections="scope").convert(held).replace("\x00content\x00", "{{ content }}")


def _sendgrid(text: str, report: Report, names: Names) -> str:
    def own(match: re.Match[str]) -> str:
        said = "SendGrid fills this in itself: send the address of your own page as this variable."
        report.tell("changed", said, match[0], (text, match.start()))
        return f"{{{{ {(match[1] or match[2]).lower()} }}}}"

    return Converter(report, names).convert(_ASM.sub(own, text))


def _mailgun(text: str, report: Report, names: Names) -> str:
    def recipient(match: re.Match[str]) -> str:
        said = f"A recipient variable is template data here: send it as template_data.{match[1]}."
        report.tell("changed", said, match[0], (text, match.start()))
        return f"{{{{ {match[1]} }}}}"

    def own(match: re.Match[str]) -> str:
        said = f"Mailgun fills this in itself: send the address of your own page as template_data.{match[1]}."
        report.tell("changed", said, match[0], (text, match.start()))
        return f"{{{{ {match[1]} }}}}"

    return Converter(report, names).convert(_PERCENT.sub(own, _RECIPIENT.sub(recipient, text)))


def _resend(text: str, report: Report, names: Names) -> str:
    def one(match: re.Match[str]) -> str:
        if match[1] is None:
            return f"{{{{ '{match[0]}' }}}}"
        name = match[1].replace(".", "_")
        names.used[name] = None
        if match[2] is not None:
            names.defaults[name] = match[2].strip()
        if name.endswith("UNSUBSCRIBE_URL"):
            said = f"Resend fills this in itself: send the address of your own page as template_data.{name}."
            report.tell("changed", said, match[0], (text, match.start()))
        return f"{{{{ {name} }}}}"

    return _RESEND.sub(one, text)


_READERS: dict[str, Callable[[str, Report, Names], str]] = {
    "postmark": _postmark,
    "sendgrid": _sendgrid,
    "mailgun": _mailgun,
    "resend": _resend,
}


def _variables(names: Names, declared: Any, examples: Any) -> list[dict[str, Any]]:
    told = {
        each["key"]: each
        for each in (declared if isinstance(declared, list) else ())
        if isinstance(each, Mapping) and isinstance(each.get("key"), str)
    }
    shown = examples if isinstance(examples, Mapping) else {}
    return [_variable(name, told.get(name, {}), names, shown.get(name)) for name in names.used]


def _variable(name: str, told: Mapping[str, Any], names: Names, example: Any) -> dict[str, Any]:
    default = told.get("fallback_value", names.defaults.get(name))
    kind = "list" if name in names.lists else _TYPES.get(str(told.get("type")), "any")
    if default is not None and kind in ("list", "object", "boolean", "number"):
        kind = "any"
    found = {
        "name": name,
        "type": kind if kind != "string" or default is None or isinstance(default, str) else "any",
        "required": name not in names.tested and default is None,
        "default": default,
        "example": example if kind == "any" else None,
    }
    return {field: value for field, value in found.items() if value is not None}
