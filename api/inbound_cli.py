"""`sendarix inbound classify FILE…`: read returned mails and print one JSON line each. Needs no database.

Never here: how a mail is read (`common/domain/inbound`).
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import orjson

from common.domain.inbound.reports import Report, classify


def add_commands(commands: Any) -> None:
    """Add the `inbound` group to the commands of an argument parser."""
    group = commands.add_parser("inbound", help="read mail that came back").add_subparsers(
        required=True, metavar="action"
    )
    one = group.add_parser("classify", help="print what returned mails say, one JSON line a file")
    one.add_argument("files", nargs="+", metavar="FILE", help="a mail as it arrived; - for standard input")
    one.set_defaults(run=classify_files)


def classify_files(options: argparse.Namespace, *_: object) -> int:
    """0 when every file could be read; what cannot be read is told on stderr and the others go on."""
    failed = 0
    for name in options.files:
        try:
            raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        except OSError as error:
            print(f"sendarix: {name}: {error.strerror or error}", file=sys.stderr)
            failed = 1
            continue
        print(orjson.dumps(shown(name, classify(raw))).decode(), flush=True)
    return failed


def shown(name: str, report: Report) -> dict[str, Any]:
    """A report as the command prints it."""
    fields = ("recipient", "action", "status", "category", "hard", "suppress")
    recipients = [{field: getattr(each, field) for field in fields} for each in report.recipients]
    return {"file": name, "kind": report.kind, "recipients": recipients}
