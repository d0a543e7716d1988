"""What a reviewer would have said: who writes a status, numbered migrations, imports on top, small files."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

ROOT = Path(__file__).parents[2]
OURS = ("api", "workers", "common", "deploy", "sendarix")
MIGRATIONS = ROOT / "common" / "db" / "migrations"
STATUS_WRITERS = {"common/services/lifecycle.py", "common/services/writing.py"}
MOST_FILE_LINES, MOST_FUNCTION_LINES = 300, 40

LONG_FILES = {
    "api/problems.py": "a table: every code with what to do",
    "common/domain/reply_rules.py": "a table: what servers say, phrase by phrase",
    "common/services/writing.py": "one set-based statement of a hundred lines of SQL",
}
LONG_FUNCTIONS = {
    "common/services/composing.py:_draft": "one flat constructor call, a line per field",
    "common/services/messages.py:find": "SQL",
    "common/services/messages.py:shown": "one flat object, a line per field",
}


def _sources() -> Iterator[tuple[str, str]]:
    for room in OURS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if not path.is_relative_to(MIGRATIONS):
                yield path.relative_to(ROOT).as_posix(), path.read_text()


SOURCES = dict(_sources())
_UPDATE = re.compile(r"UPDATE\s+messages\b(.*?)(?:\bWHERE\b|\bRETURNING\b|\bFROM\b|\Z)", re.IGNORECASE | re.DOTALL)
_STATUS = re.compile(r"(?:\bSET\b|,)\s*\(?\s*status\s*[=,]", re.IGNORECASE)


@pytest.mark.parametrize("name", SOURCES)
def test_a_status_is_written_past_the_lifecycle(name: str) -> None:
    if name in STATUS_WRITERS:
        return
    found = [each for each in _UPDATE.findall(SOURCES[name]) if _STATUS.search(each)]
    assert not found, f"{name} assigns messages.status: use lifecycle.apply(connection, [Change(...)])"


def test_the_search_for_status_writers_finds_nothing_anywhere() -> None:
    assert any(_STATUS.search(each) for each in _UPDATE.findall(SOURCES["common/services/lifecycle.py"]))


@pytest.mark.parametrize("name", SOURCES)
def test_a_function_imports_our_own_package(name: str) -> None:
    for node in ast.walk(ast.parse(SOURCES[name])):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for inner in ast.walk(node):
                assert not _imports_ours(inner), (
                    f"{name}:{inner.lineno} imports inside a function: move it to the top; "  # type: ignore[attr-defined]
                    "if that makes a circle, the code is on the wrong shelf"
                )


def _imports_ours(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.level > 0 or (node.module or "").partition(".")[0] in OURS
    return isinstance(node, ast.Import) and any(each.name.partition(".")[0] in OURS for each in node.names)


@pytest.mark.parametrize("name", SOURCES)
def test_a_file_or_a_function_outgrows_its_budget(name: str) -> None:
    lines = SOURCES[name].count("\n")
    assert lines <= MOST_FILE_LINES or name in LONG_FILES, (
        f"{name} has {lines} lines: split it by noun, or name it in LONG_FILES with the reason"
    )
    for function, length in _functions(name):
        assert length <= MOST_FUNCTION_LINES or f"{name}:{function}" in LONG_FUNCTIONS, (
            f"{name}:{function} has {length} lines: cut it into named steps, or name it in LONG_FUNCTIONS"
        )


def _functions(name: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(SOURCES[name])):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize("name", SOURCES)
def test_a_module_does_not_say_what_lives_there(name: str) -> None:
    assert ast.get_docstring(ast.parse(SOURCES[name])), f"{name}: open it with what lives here and what never"


def test_the_migrations_have_two_heads_or_no_numbers() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    script = ScriptDirectory.from_config(config)
    assert len(script.get_heads()) == 1, f"migrations have the heads {script.get_heads()}: rebase one on the other"
    for revision in script.walk_revisions():
        file = Path(revision.path).name
        assert re.fullmatch(r"\d{4}", revision.revision) and file.startswith(f"{revision.revision}_"), (
            f"{file}: number migrations with four digits, in the revision and at the start of the file name"
        )
