"""Handlebars, as SendGrid and Mailgun speak it, and Mustachio, as Postmark does, in our dialect.

What has no counterpart is taken out and told; nothing is guessed silently. Never here: whole templates.
"""

import re

from common.domain.dialects.expressions import Expressions, Names, Scope, words
from common.domain.dialects.reports import Report

_TAG = re.compile(
    r"\\(?=\{\{)|\{\{~?!--.*?--~?\}\}|\{\{\{\{.*?\}\}\}\}|\{\{\{(?P<raw>[^{}]*)\}\}\}"
    r"|\{\{(?P<tag>(?:\"[^\"]*\"|'[^']*'|[^{}\"'])*)\}\}|\{%|\{#",
    re.S,
)
_COMPARISONS = {
    "equals": "==", "equal": "==", "eq": "==", "ifEquals": "==", "notEquals": "!=", "notEqual": "!=", "ne": "!=",
    "greaterThan": ">", "gt": ">", "lessThan": "<", "lt": "<", "gte": ">=", "lte": "<=",
}  # fmt: skip
_AS = re.compile(r"\bas\s*\|([^|]*)\|\s*\Z")


class Converter:
    """One part of one template. `sections` says what `{{#x}}` means: a scope, or Handlebars' guess."""

    def __init__(self, report: Report, names: Names, *, sections: str = "guess") -> None:
        self._report, self._sections = report, sections
        self._expressions = Expressions(report, names)
        self._open: list[tuple[str, str, int]] = []  # the helper, what closes it here, scopes to leave
        self._source, self._at, self._skip = "", 0, False
        self._loops = 0

    def convert(self, source: str) -> str:
        """The part in our dialect."""
        self._source = source
        found, at = [], 0
        for match in _TAG.finditer(source):
            if match.start() < at:
                continue
            found.append(source[at : match.start()])
            at, self._at = match.end(), match.start()
            found.append(self._piece(match))
            if match[0] == "\\":
                end = source.find("}}", at)
                literal = source[at : end + 2 if end >= 0 else len(source)]
                found.append("{% raw %}" + literal + "{% endraw %}")
                at += len(literal)
        found.append(source[at:])
        while self._open:
            name, closing, _ = self._open.pop()
            self._lost(f"{{{{#{name}}}}} is never closed: it is closed at the end.")
            found.append(closing)
        return "".join(found)

    def _piece(self, match: re.Match[str]) -> str:
        if match[0] == "\\":
            return ""
        if match[0] in ("{%", "{#"):
            return f"{{{{ '{match[0]}' }}}}"
        if match["raw"] is not None:
            return self._shown(match["raw"].strip(), raw=True)
        if match["tag"] is None:
            if not match[0].startswith(("{{!", "{{~!")):
                self._lost("A raw block has no counterpart.")
            return ""
        tag = match["tag"]
        left, right = "-" * tag.startswith("~"), "-" * tag.endswith("~")
        done = self._tag(tag.strip("~").strip())
        if left and done.startswith(("{{", "{%")):
            done = done[:2] + "-" + done[2:]
        if right and done.endswith(("}}", "%}")):
            done = done[:-2] + "-" + done[-2:]
        return done

    def _tag(self, tag: str) -> str:
        kind, rest = tag[:1], tag[1:].strip()
        if kind in ("", "!"):
            return ""
        if kind == "#":
            return self._opened(rest)
        if kind == "^":
            return self._else() if not rest else self._block(rest, rest, negated=True)
        if kind == "/":
            return self._closed()
        if kind == ">":
            return self._included(rest)
        if kind == "&":
            return self._shown(rest, raw=True)
        if tag == "else" or tag.startswith("else "):
            return self._else(tag[4:].strip())
        return self._shown(tag, raw=False)

    def _lost(self, message: str) -> None:
        end = self._source.find("}}", self._at)
        self._report.tell("lost", message, self._source[self._at : end + 2], (self._source, self._at))

    def _shown(self, tag: str, *, raw: bool) -> str:
        said = words(tag)
        if not said:
            return ""
        found = self._helper(said) if len(said) > 1 else self._expressions.value(said[0])
        if found is None:
            self._lost(f"{{{{{tag[:60]}}}}} has no counterpart: it is taken out.")
            return ""
        return f"{{{{ {found}|safe }}}}" if raw else f"{{{{ {found} }}}}"

    def _helper(self, said: list[str]) -> str | None:
        name, *arguments = said
        if name == "insert" and arguments:  # SendGrid: {{insert name "default=Customer"}}
            value = self._expressions.value(arguments[0])
            default = next((each[1:-1].partition("=")[2] for each in arguments[1:] if "default=" in each), "")
            if value is not None:
                self._expressions.names.tested.add(value.partition(".")[0])
                return f"{value}|default({self._expressions.value(repr(default))}, true)"
        if name == "length" and len(arguments) == 1:
            value = self._expressions.value(arguments[0])
            return value and f"{value}|length"
        return None

    def _opened(self, rest: str) -> str:
        said = words(_AS.sub("", rest))
        name, arguments = (said[0], said[1:]) if said else ("", [])
        if name in ("if", "unless") and arguments:
            return self._block(name, arguments[0], negated=name == "unless")
        if name == "each" and arguments:
            return self._each(arguments[0], _AS.search(rest))
        if name == "with" and arguments:
            return self._scope(name, arguments[0])
        if name in _COMPARISONS and len(arguments) == 2:
            return self._compare(name, arguments)
        if name in ("and", "or") and arguments:
            found = [self._expressions.condition(each) for each in arguments]
            if None not in found:
                return self._push(name, f"if {f' {name} '.join(f'({each})' for each in found)}", "endif")
        if not arguments and name:
            return self._section(name)
        self._lost(f"The helper {name[:60]} has no counterpart: what it holds is kept, the helper is taken out.")
        self._open.append((name, "", 0))
        return ""

    def _push(self, name: str, tag: str, closing: str, scopes: int = 0) -> str:
        self._open.append((name, f"{{% {closing} %}}" if closing else "", scopes))
        return f"{{% {tag} %}}"

    def _block(self, name: str, word: str, *, negated: bool) -> str:
        found = self._expressions.condition(word)
        if found is None:
            self._lost(f"The condition {word[:60]} has no counterpart: what it holds is always shown.")
            self._open.append((name, "", 0))
            return ""
        return self._push(name, f"if not ({found})" if negated else f"if {found}", "endif")

    def _compare(self, name: str, arguments: list[str]) -> str:
        found = [self._expressions.value(each) for each in arguments]
        if None in found:
            self._lost(f"The helper {name} compares what has no counterpart: what it holds is always shown.")
            self._open.append((name, "", 0))
            return ""
        return self._push(name, f"if {found[0]} {_COMPARISONS[name]} {found[1]}", "endif")

    def _each(self, word: str, names: re.Match[str] | None) -> str:
        found = self._expressions.value(word)
        if found is None:
            self._lost(f"The list {word[:60]} has no counterpart: what it holds is shown once.")
            self._open.append(("each", "", 0))
            return ""
        self._loops += 1
        item = f"item{self._loops}" if self._loops > 1 else "item"
        self._expressions.names.tested.add(found.partition(".")[0])
        if "." not in found and "[" not in found:
            self._expressions.names.lists.add(found)
        aliases = dict(zip(names[1].split(), (item, "loop.index0"), strict=False)) if names else {}
        self._expressions.scopes.append(Scope(item, loop=True, aliases=aliases))
        absent = f"{found} or []" if "." not in found else found
        return self._push("each", f"for {item} in {absent}", "endfor", 1)

    def _scope(self, name: str, word: str) -> str:
        asked, found = self._expressions.condition(word), self._expressions.value(word)
        if asked is None or found is None:
            self._lost(f"The scope {word[:60]} has no counterpart: what it holds is kept.")
            self._open.append((name, "", 0))
            return ""
        self._expressions.scopes.append(Scope(found))
        return self._push(name, f"if {asked}", "endif", 1)

    def _section(self, name: str) -> str:
        if self._sections == "scope":
            return self._scope(name, name)
        said = f"{{{{#{name[:60]}}}}} is taken for a condition; where it is a list, write a for."
        self._report.tell("guessed", said, f"{{{{#{name}}}}}", (self._source, self._at))
        found = self._expressions.condition(name)
        if found is None:
            self._open.append((name, "", 0))
            return ""
        return self._push(name, f"if {found}", "endif")

    def _else(self, rest: str = "") -> str:
        if not self._open or not self._open[-1][1]:
            self._lost("An else stands where nothing is open that has one.")
            return ""
        said = words(rest)
        if not said:
            return "{% else %}"
        found = None
        if said[0] in ("if", "unless") and len(said) == 2:
            found = self._expressions.condition(said[1])
        elif said[0] in _COMPARISONS and len(said) == 3:
            pair = [self._expressions.value(each) for each in said[1:]]
            found = f"{pair[0]} {_COMPARISONS[said[0]]} {pair[1]}" if None not in pair else None
        if found is None or self._open[-1][1] != "{% endif %}":
            self._lost("The condition of an else has no counterpart: it is a plain else.")
            return "{% else %}"
        return f"{{% elif not ({found}) %}}" if said[0] == "unless" else f"{{% elif {found} %}}"

    def _closed(self) -> str:
        if not self._open:
            self._lost("It closes what is not open: it is taken out.")
            return ""
        _, closing, scopes = self._open.pop()
        for _ in range(scopes):
            self._expressions.scopes.pop()
        return closing

    def _included(self, rest: str) -> str:
        name = (
            re.sub(r"[^a-z0-9_-]+", "-", (words(rest) or ["partial"])[0].strip("\"'").lower()).strip("-") or "partial"
        )
        said = f"The partial is included as {name[:64]}: make a partial with this slug and publish it."
        self._report.tell("missing", said, f"{{{{> {rest[:80]}}}}}", (self._source, self._at))
        return f'{{% include "{name[:64]}" %}}'
