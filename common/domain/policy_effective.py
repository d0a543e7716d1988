"""Every value that is in force with where it comes from, and what differs between two documents. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from common.domain.policy import Document, Layer

_WHOLE = ("rules", "pools")
"""Lists and entries that are taken over as they are; of the others every value by itself."""


def values_of(document: Document) -> dict[str, Any]:
    """A document as one flat object: `ttl.tiers.critical`, `rules.<name>`, `pools.<name>`, `retry`."""
    return dict(_flat(document))


def _flat(document: Document) -> Iterator[tuple[str, Any]]:
    for section, value in document.items():
        if section == "rules":
            yield from ((f"rules.{rule['name']}", rule) for rule in value)
        elif section == "pools":
            yield from ((f"pools.{name}", pool) for name, pool in value.items())
        else:
            yield from _leaves(section, value)


def _leaves(at: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _leaves(f"{at}.{name}", each)
    elif isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
        for place, each in enumerate(value):
            yield f"{at}.{place}", each
    else:
        yield at, value


def effective(layers: Sequence[Layer], built_in: Mapping[str, Any]) -> list[dict[str, Any]]:
    """[{"key", "value", "origin", "version"}]: the strongest layer first, what is built in last; rules in the order
    in which they are asked."""
    found: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for key, value in values_of(layer.document).items():
            name = key if not key.startswith("rules.") or key not in found else f"{key} ({layer.origin})"
            if name not in found:
                found[name] = {"key": name, "value": value, "origin": layer.origin, "version": layer.version}
    for key, value in built_in.items():
        found.setdefault(key, {"key": key, "value": value, "origin": "built_in", "version": None})
    return list(found.values())


def differences(before: Document, after: Document) -> list[dict[str, Any]]:
    """[{"key", "change", "before", "after"}] with change added, removed, changed or moved (of rules)."""
    old, new = values_of(before), values_of(after)
    found = []
    for key in dict.fromkeys((*old, *new)):
        if key not in new:
            found.append(_difference(key, "removed", old[key], None))
        elif key not in old:
            found.append(_difference(key, "added", None, new[key]))
        elif old[key] != new[key]:
            found.append(_difference(key, "changed", old[key], new[key]))
    return found + _moves(before, after)


def _moves(before: Document, after: Document) -> list[dict[str, Any]]:
    """Rules that both have, in another order: the first that fits decides, so that order matters."""
    old, new = ([rule["name"] for rule in each.get("rules", ())] for each in (before, after))
    shared_old, shared_new = [each for each in old if each in new], [each for each in new if each in old]
    return [
        _difference(f"rules.{name}", "moved", old.index(name), new.index(name))
        for name in shared_new
        if shared_old.index(name) != shared_new.index(name)
    ]


def _difference(key: str, change: str, before: Any, after: Any) -> dict[str, Any]:
    return {"key": key, "change": change, "before": before, "after": after}
