"""Names and values of Handlebars and Mustachio as expressions of ours, in the scope they stand in."""

import re
from dataclasses import dataclass, field

from common.domain.dialects.reports import Report

_WORD = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|\([^()]*\)|(?:\[[^\[\]]*\]|[^\s\"'()\[\]])+")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?\Z")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_STEP = re.compile(r"\[([^\]]*)\]|([^.\[\]/]+)")
_CONSTANTS = {"true": "true", "false": "false", "null": "none", "undefined": "none"}
_TAKEN = frozenset(
    ("and", "or", "not", "in", "is", "if", "elif", "else", "endif", "for", "endfor", "set", "include", "extends")
    + ("block", "import", "from", "as", "true", "false", "none", "loop", "self", "content", "range", "dict")
    + ("namespace", "debug")
)


def words(text: str) -> list[str]:
    """The words of a tag; a quoted text and a parenthesis are one each."""
    return _WORD.findall(text)


@dataclass(slots=True)
class Scope:
    """What a name is looked up in: `item` is an expression, empty at the root. `aliases` are block parameters."""

    item: str = ""
    loop: bool = False
    aliases: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Names:
    """The variables that a template uses. `tested` are asked for before they are used, so they may be absent."""

    used: dict[str, None] = field(default_factory=dict)
    tested: set[str] = field(default_factory=set)
    lists: set[str] = field(default_factory=set)
    defaults: dict[str, str] = field(default_factory=dict)


class Expressions:
    """Reads words in a stack of scopes; remembers the names of the root."""

    def __init__(self, report: Report, names: Names) -> None:
        self.scopes = [Scope()]
        self._report, self.names = report, names

    def value(self, word: str) -> str | None:
        """The expression of one word; None when it has no counterpart."""
        if word[0] in "\"'":
            return "'" + word[1:-1].replace("\\", "\\\\").replace("'", "\\'") + "'"
        if _NUMBER.match(word):
            return word
        if word in _CONSTANTS:
            return _CONSTANTS[word]
        return None if word.startswith("(") else self.path(word)

    def path(self, word: str) -> str | None:
        """The expression of a path such as `this.name`, `../name`, `@index` or `items.[0].name`."""
        depth = len(self.scopes) - 1
        if word.startswith("@root."):
            word, depth = word[6:], 0
        while word.startswith("../"):
            word, depth = word[3:], max(0, depth - 1)
        if word.startswith("@"):
            return self._of_loop(word)
        scope = self.scopes[depth]
        for own in ("this", "."):
            if word == own:
                return scope.item or None
            if word.startswith((f"{own}.", f"{own}/")):
                word = word[len(own) + 1 :]
                break
        steps = [plain or bracketed for bracketed, plain in _STEP.findall(word.replace("/", "."))]
        if not steps:
            return None
        return self._walk(scope, steps)

    def _walk(self, scope: Scope, steps: list[str]) -> str:
        first = steps[0]
        for each in reversed(self.scopes):
            if first in each.aliases:
                found, rest = each.aliases[first], steps[1:]
                break
        else:
            found, rest = (scope.item, steps) if scope.item else (self._root(first), steps[1:])
        for step in rest:
            found += f".{step}" if _NAME.match(step) else f"[{step}]" if step.isdigit() else f"[{step!r}]"
        return found

    def _root(self, name: str) -> str:
        fit = re.sub(r"\W", "_", name, flags=re.ASCII)
        if not _NAME.match(fit) or fit in _TAKEN:
            fit = f"v_{fit}"
        fit = fit[:64]
        if fit != name:
            said = f"The variable {name[:80]} is called {fit} now: send it as template_data.{fit}."
            self._report.tell("renamed", said, name)
        self.names.used[fit] = None
        return fit

    def _of_loop(self, word: str) -> str | None:
        known = {"@index": "loop.index0", "@first": "loop.first", "@last": "loop.last"}
        if word == "@key":
            return next((each.aliases["@key"] for each in reversed(self.scopes) if "@key" in each.aliases), None)
        return known.get(word) if any(each.loop for each in self.scopes) else None

    def condition(self, word: str) -> str | None:
        """Whether a value is there and true, asked so that a missing one is no error."""
        found = self.value(word)
        if found is None or found[0] in "'-" or found[0].isdigit():
            return found
        root, *steps = found.split(".")
        self.names.tested.add(root)
        known = {each.item for each in self.scopes}
        prefixes = [".".join([root, *steps[: count + 1]]) for count in range(len(steps))]
        asked = [f"{each} is defined" for each in prefixes if each not in known and root != "loop"]
        return " and ".join([*asked, found])
