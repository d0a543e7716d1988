"""Field kinds of the Out shapes: what an answer holds, described. Answers are built by verbs, never by these.

Every field is always there (`required`); what does not apply is null, never left out. New fields may come
at any time, so an Out shape never forbids unknown ones.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

from marshmallow import EXCLUDE, Schema, fields


class Out(Schema):
    """A shape shown to a caller. `sample` replaces values of the example that is put together from the fields."""

    sample: ClassVar[dict[str, Any]] = {}

    class Meta:
        unknown = EXCLUDE


def told(sentence: str, example: Any = None) -> dict[str, Any]:
    """The metadata of a field, In or Out: what it is, and one example."""
    return {"description": sentence} if example is None else {"description": sentence, "examples": [example]}


def _facts(sentence: str, example: Any, null: bool, always: bool, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {"required": always, "allow_none": null, "metadata": {**told(sentence, example), **facts}}


def text(
    sentence: str, example: str | None = None, *, null: bool = False, always: bool = True, **facts: Any
) -> fields.String:
    """A string. `null`: it may be null. `always=False`: it may be absent. `facts` are of JSON Schema."""
    return fields.String(**_facts(sentence, example, null, always, facts))


def ident(prefix: str, sentence: str, *, null: bool = False, always: bool = True) -> fields.String:
    """An id: the prefix, `_`, and 26 characters."""
    pattern = f"^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$"
    example = f"{prefix}_01jq8z4m3hf5v9t2c6w7x8y0ab"
    return fields.String(**_facts(sentence, example, null, always, {"pattern": pattern}))


def moment(sentence: str, *, null: bool = False, always: bool = True) -> fields.String:
    """A time: RFC 3339 in UTC with milliseconds."""
    return fields.String(**_facts(sentence, "2026-04-19T14:30:00.000Z", null, always, {"format": "date-time"}))


def whole(
    sentence: str, example: int | None = None, *, null: bool = False, always: bool = True, **facts: Any
) -> fields.Integer:
    """A whole number."""
    return fields.Integer(**_facts(sentence, example, null, always, facts))


def number(
    sentence: str, example: float | None = None, *, null: bool = False, always: bool = True, **facts: Any
) -> fields.Float:
    """A number."""
    return fields.Float(**_facts(sentence, example, null, always, facts))


def flag(sentence: str, *, null: bool = False, always: bool = True) -> fields.Boolean:
    """true or false."""
    return fields.Boolean(**_facts(sentence, None, null, always, {}))


def mapped(
    sentence: str, example: Mapping[str, Any] | None = None, *, null: bool = False, always: bool = True, **facts: Any
) -> fields.Dict:
    """A JSON object with keys that are not fixed here."""
    return fields.Dict(**_facts(sentence, example, null, always, facts))


def listed(
    inner: fields.Field[Any] | type[Schema], sentence: str, *, null: bool = False, always: bool = True, **facts: Any
) -> fields.List[Any]:
    """A list of a kind or of a shape."""
    item = fields.Nested(inner) if isinstance(inner, type) else inner
    return fields.List(item, **_facts(sentence, None, null, always, facts))


def nested(shape: type[Schema], sentence: str, *, null: bool = False, always: bool = True) -> fields.Nested:
    """One shape inside another."""
    return fields.Nested(shape, **_facts(sentence, None, null, always, {}))


@cache
def page_of(shape: type[Schema]) -> type[Schema]:
    """The list envelope around a shape: `MessageOut` makes `MessagePage`."""
    return Out.from_dict(
        {
            "data": listed(shape, "The items of this page."),
            "has_more": flag("Whether a next page exists."),
            "next_cursor": text("Give it as `cursor` for the next page; null on the last.", null=True),
            "prev_cursor": text("Give it as `cursor` for the page before, where lists offer it.", null=True),
        },
        name=shape.__name__.removesuffix("Out") + "Page",
    )


def anything(sentence: str, example: Any = None) -> fields.Raw:
    """Any JSON value, null too."""
    return fields.Raw(**_facts(sentence, example, True, True, {}))
