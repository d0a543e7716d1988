"""One request as curl, as Python and as Node: what a reader copies. Never here: which requests exist."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Call:
    """A request to show. `body` is JSON; `media` is the type of a body that is a file instead."""

    method: str
    path: str
    body: Any = None
    media: str = ""
    keyed: bool = True
    idempotent: bool = False


def samples(call: Call) -> Mapping[str, str]:
    """The request in each language, by its name."""
    return {"curl": _curl(call), "Python": _python(call), "Node": _node(call)}


def pretty(value: Any) -> str:
    """JSON with two blanks a level."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _curl(call: Call) -> str:
    lines = [
        f'curl "$SENDARIX_URL{call.path}"'
        if call.method == "GET"
        else f'curl -X {call.method} "$SENDARIX_URL{call.path}"'
    ]
    if call.keyed:
        lines.append('  -H "Authorization: Bearer $SENDARIX_API_KEY"')
    if call.idempotent:
        lines.append('  -H "Idempotency-Key: $(uuidgen)"')
    if call.body is not None:
        body = pretty(call.body).replace("'", "'\\''")
        lines += ['  -H "Content-Type: application/json"', f"  -d '{body}'"]
    if call.media:
        lines += [f'  -H "Content-Type: {call.media}"', "  --data-binary @file"]
    return " \\\n".join(lines)


def _python(call: Call) -> str:
    imports = ["import os"] + (["import uuid"] if call.idempotent else [])
    lines = [f'    os.environ["SENDARIX_URL"] + "{call.path}",']
    headers = []
    if call.keyed:
        headers.append('"Authorization": "Bearer " + os.environ["SENDARIX_API_KEY"]')
    if call.idempotent:
        headers.append('"Idempotency-Key": str(uuid.uuid4())')
    if call.media:
        headers.append(f'"Content-Type": "{call.media}"')
        lines.append('    data=open("file", "rb"),')
    if headers:
        lines.append("    headers={" + ", ".join(headers) + "},")
    if call.body is not None:
        lines.append(f"    json={_literal(call.body)},")
    lines.append("    timeout=30,")
    shown = "response.json()" if call.method != "DELETE" else "response.status_code"
    head = "\n".join([*imports, "", "import requests", "", f"response = requests.{call.method.lower()}("])
    return f"{head}\n" + "\n".join(lines) + f"\n)\nresponse.raise_for_status()\nprint({shown})"


def _literal(value: Any, indent: str = "    ") -> str:
    """JSON as a Python literal, one member a line."""
    inner = indent + "    "
    if isinstance(value, dict) and value:
        members = (f"{inner}{_literal(name)}: {_literal(each, inner)},\n" for name, each in value.items())
        return "{\n" + "".join(members) + indent + "}"
    if isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        return "[\n" + "".join(f"{inner}{_literal(each, inner)},\n" for each in value) + indent + "]"
    if isinstance(value, list):
        return "[" + ", ".join(_literal(each) for each in value) + "]"
    return pretty(value) if isinstance(value, str) else repr(value)


def _node(call: Call) -> str:
    lines, headers = [], []
    if call.method != "GET":
        lines.append(f'  method: "{call.method}",')
    if call.keyed:
        headers.append('    Authorization: "Bearer " + process.env.SENDARIX_API_KEY,')
    if call.idempotent:
        headers.append('    "Idempotency-Key": crypto.randomUUID(),')
    if call.body is not None or call.media:
        headers.append(f'    "Content-Type": "{call.media or "application/json"}",')
    if headers:
        lines += ["  headers: {", *headers, "  },"]
    if call.body is not None:
        told = pretty(call.body).replace("\n", "\n  ")
        lines.append(f"  body: JSON.stringify({told}),")
    if call.media:
        lines.append('  body: await readFile("file"),')
    first = 'import { readFile } from "node:fs/promises";\n\n' if call.media else ""
    opened = "\n".join(lines)
    options = f", {{\n{opened}\n}}" if lines else ""
    shown = "response.status, await response.json()" if call.method != "DELETE" else "response.status"
    sent = f'await fetch(process.env.SENDARIX_URL + "{call.path}"{options})'
    return f"{first}const response = {sent};\nconsole.log({shown});"
