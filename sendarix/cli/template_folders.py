"""Templates as files: `<folder>/<slug>/template.json` for the small parts, one file for each text.

    otp-code/template.json     name, kind, from, subject, layout, variables, priority; locales with their subjects
    otp-code/template.html     and .mjml, .txt: the parts
    otp-code/template.ja.html  the same part of a variant

Never here: requests.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUFFIXES = {"html": ".html", "mjml": ".mjml", "text": ".txt"}
_SMALL = ("from", "subject", "layout", "variables", "priority")
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class FolderError(Exception):
    """A folder does not hold what it should; the message names the file."""


@dataclass(frozen=True, slots=True)
class Written:
    """A template as its files say: `draft` has every part, None where there is none."""

    slug: str
    name: str | None
    kind: str
    draft: dict[str, Any]


def read_all(folder: Path) -> list[Written]:
    """Every template of a folder, partials and layouts before those that use them. Raises FolderError."""
    found = [read(each.parent) for each in sorted(folder.glob("*/template.json"))]
    if not found:
        raise FolderError(f"{folder} holds no template: there is no <slug>/template.json in it.")
    order = {"partial": 0, "layout": 1}
    return sorted(found, key=lambda each: (order.get(each.kind, 2), each.slug))


def read(folder: Path) -> Written:
    """The template of one folder. Raises FolderError."""
    slug, path = folder.name, folder / "template.json"
    if not _SLUG.fullmatch(slug):
        raise FolderError(f"{folder} is no slug: use small letters, digits, - and _.")
    try:
        told = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FolderError(f"{path} cannot be read: {error}") from error
    if not isinstance(told, dict):
        raise FolderError(f"{path} holds no JSON object.")
    unknown = told.keys() - {*_SMALL, "name", "kind", "locales"}
    if unknown:
        raise FolderError(f"{path} has {', '.join(sorted(unknown))}: texts are files beside it.")
    draft: dict[str, Any] = {name: told.get(name) for name in _SMALL}
    draft |= {part: _text(folder / f"template{suffix}") for part, suffix in SUFFIXES.items()}
    draft["locales"] = dict(_variants(folder, told.get("locales") or {}))
    return Written(slug, told.get("name"), told.get("kind") or "template", draft)


def _variants(folder: Path, told: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    tags = set(told)
    for suffix in SUFFIXES.values():
        tags |= {each.name.split(".")[1] for each in folder.glob(f"template.*{suffix}")}
    for tag in sorted(tags):
        parts = {part: _text(folder / f"template.{tag}{suffix}") for part, suffix in SUFFIXES.items()}
        yield tag, dict(told.get(tag, {})) | {part: text for part, text in parts.items() if text is not None}


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8") if path.exists() else None
    except (OSError, UnicodeDecodeError) as error:
        raise FolderError(f"{path} cannot be read: {error}") from error


def write(folder: Path, template: Mapping[str, Any]) -> list[Path]:
    """Write a template of the API as files; answers those that changed. Files of parts that are gone are removed."""
    draft, home = template["draft"], folder / template["slug"]
    home.mkdir(parents=True, exist_ok=True)
    told: dict[str, Any] = {"name": template["name"], "kind": template["kind"]}
    told |= {name: draft[name] for name in _SMALL if draft.get(name) is not None}
    wanted = {home / f"template{suffix}": draft.get(part) for part, suffix in SUFFIXES.items()}
    locales = {}
    for tag, variant in sorted((draft.get("locales") or {}).items()):
        locales[tag] = {name: value for name, value in variant.items() if name not in SUFFIXES and value is not None}
        wanted |= {home / f"template.{tag}{suffix}": variant.get(part) for part, suffix in SUFFIXES.items()}
    if locales:
        told["locales"] = locales
    wanted[home / "template.json"] = json.dumps(told, ensure_ascii=False, indent=2) + "\n"
    for stale in home.glob("template.*"):
        wanted.setdefault(stale, None)
    return [path for path, text in wanted.items() if _put(path, text)]


def _put(path: Path, text: str | None) -> bool:
    before = _text(path)
    if before == text:
        return False
    if text is None:
        path.unlink()
    else:
        path.write_text(text, "utf-8")
    return True
