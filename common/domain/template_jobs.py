"""What runs in the child of services/sandbox.py: a job is read, done and answered, one after the other.

The process limits its own memory and time for each job, and ends with its parent. Never here: a network,
a database, a setting.
"""

import resource
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, BinaryIO

import orjson

from common.domain.dialects import imports
from common.domain.errors import FieldError
from common.domain.template_building import BuildError, Shared, build
from common.domain.template_diffs import compare
from common.domain.template_variables import Variable
from common.domain.templates import Parts, RenderError, render_parts

MEMORY = 768 * 1024 * 1024
CPU_SECONDS = 3
READY = b"+"


def _build(given: Mapping[str, Any]) -> dict[str, Any]:
    shared = {
        slug: Shared(**{**each, "variables": tuple(Variable(**one) for one in each["variables"])})
        for slug, each in given["shared"].items()
    }
    return {"built": asdict(build(given["kind"], given["draft"], shared))}


def _render(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"rendered": asdict(render_parts(Parts(**given["parts"]), given["data"], given["subject"]))}


def _compare(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"parts": compare(given["before"], given["after"], given["old"], given["new"])}


def _import(given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"imported": asdict(imports.read(given["dialect"], given["source"]))}
    except imports.NothingToImport as error:
        return {"said": str(error), "errors": [["source", "required", str(error)]]}


JOBS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "build": _build,
    "render": _render,
    "compare": _compare,
    "import": _import,
}


def do(job: bytes) -> bytes:
    """The answer to one job: its result, or `said` and `errors`."""
    given = orjson.loads(job)
    try:
        answer = JOBS[given.pop("job")](given)
    except (BuildError, RenderError) as error:
        answer = {"said": str(error), "errors": [_plain(each) for each in error.errors]}
    return orjson.dumps(answer)


def _plain(error: FieldError) -> list[str]:
    return [error.field, error.code, error.message]


def serve(reader: BinaryIO, writer: BinaryIO) -> None:
    """Jobs until the parent is gone; READY first, when everything is imported."""
    writer.write(READY)
    writer.flush()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while len(head := reader.read(4)) == 4:
        used = resource.getrusage(resource.RUSAGE_SELF)
        resource.setrlimit(
            resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + CPU_SECONDS, resource.RLIM_INFINITY)
        )
        answer = do(reader.read(int.from_bytes(head, "big")))
        writer.write(len(answer).to_bytes(4, "big") + answer)
        writer.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
