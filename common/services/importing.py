"""Suppressions, a million at once: an uploaded file of CSV or NDJSON becomes rows, a piece at a time, as a job.

A row is one line. What is wrong with a row refuses that row alone, with its line and the reason; a header
that cannot be read ends the job. Never here: one suppression (suppressions.py); events, which a webhook
would have to hear by the million.
"""

import base64
import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Connection

from common import clock
from common.db.session import rows
from common.domain.addresses import AddressError, parse_address
from common.domain.errors import InvalidRequest
from common.domain.jobs import IMPORT
from common.domain.suppressions import ALL, REASONS, covers_all_mail, is_scope
from common.services.advancing import Job, Portion, Reject, Step

COLUMNS = ("recipient", "reason", "scope", "note", "created_at", "expires_at")
NAMES = {"email": "recipient", "address": "recipient", "email_address": "recipient"}
MOST_ROWS = 1_000_000
MOST_NOTE, LONGEST_LINE = 500, 65_536
PIECE_BYTES = 524_288
"""Of the upload that one portion reads: about 20,000 rows."""


class _Refused(Exception):
    """One row, and why it is not taken."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


def import_portion(connection: Connection, job: Job) -> Portion:
    """One piece of the upload: read its whole lines, keep the rest for the next."""
    number = job.position.get("part", 0) + 1
    found = rows(
        connection,
        "SELECT part, content FROM job_parts WHERE job_id = %s AND file = 'input' AND part IN (%s, %s) ORDER BY part",
        job.id, number, number + 1,
    )  # fmt: skip
    last = len(found) < 2
    text = base64.b64decode(job.position.get("tail", "")) + (bytes(found[0].content) if found else b"")
    whole, cut, tail = (text, b"", b"") if last else text.rpartition(b"\n")
    piece = _Piece(job, job.position.get("line", 0), job.position.get("columns"))
    piece.read((whole + cut).splitlines() if whole or cut else ())
    if len(tail) > LONGEST_LINE:
        raise InvalidRequest(f"Line {piece.line + 1} is longer than {LONGEST_LINE} bytes.")
    counts = _store(connection, job, piece.rows) if piece.rows else {"added": 0, "present": 0}
    position = {"part": number, "line": piece.line, "columns": piece.columns, "tail": base64.b64encode(tail).decode()}
    return Portion(position, len(piece.rows) + len(piece.rejects), last, counts, piece.rejects)


STEPS: dict[str, Step] = {IMPORT: import_portion}


class _Piece:
    """The lines of one portion as rows and rejects."""

    def __init__(self, job: Job, line: int, columns: Sequence[str] | None) -> None:
        self.line, self.columns = line, columns
        self.rows: list[tuple[Any, ...]] = []
        self.rejects: list[Reject] = []
        self._json = job.options["format"] == "ndjson"
        self._defaults = {"reason": job.options["reason"], "scope": job.options["scope"]}
        self._now = clock.now()

    def read(self, lines: Iterable[bytes]) -> None:
        """Read lines in order. Raises InvalidRequest for a header that cannot be read."""
        for raw in lines:
            self.line += 1
            bare = raw.removeprefix(b"\xef\xbb\xbf") if self.line == 1 else raw
            if not bare.strip() or (self.columns is None and not self._json and self._take_header(bare)):
                continue
            try:
                self.rows.append((self.line, *self._row(self._fields(bare))))
            except _Refused as error:
                shown = bare[:200].decode("utf-8", "replace").replace("\x00", "\ufffd")
                self.rejects.append(Reject(self.line, shown, error.code, error.reason))

    def _take_header(self, raw: bytes) -> bool:
        """Whether the first line names the columns; an address in it says that there is one column and no header."""
        try:
            names = [each.strip().lower() for each in _cells(raw)]
        except _Refused as error:
            raise InvalidRequest(f"The first line {error.reason}.") from error
        if len(names) == 1 and "@" in names[0]:
            self.columns = ["recipient"]
            return False
        columns = [NAMES.get(each, each) for each in names]
        unknown = [each[:40] for each in columns if each not in COLUMNS]
        if unknown or "recipient" not in columns or len(set(columns)) < len(columns):
            wrong = f"it has {', '.join(map(repr, unknown))}" if unknown else "one is missing or there twice"
            raise InvalidRequest(
                f"The first line must name the columns, recipient among {', '.join(COLUMNS)}: {wrong}."
            )
        self.columns = columns
        return True

    def _fields(self, raw: bytes) -> Mapping[str, Any]:
        if b"\x00" in raw:
            raise _Refused("invalid_format", "contains a NUL character")
        if not self._json:
            cells = _cells(raw)
            if len(cells) > len(self.columns or ()):
                raise _Refused("too_many", f"has {len(cells)} columns, the first line {len(self.columns or ())}")
            return {each: cell for each, cell in zip(self.columns or (), cells, strict=False) if cell.strip()}
        try:
            found = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise _Refused("invalid_format", f"is not JSON: {str(error)[:80]}") from error
        if type(found) is not dict:
            raise _Refused("invalid_type", "must be an object")
        given: dict[str, Any] = {
            NAMES.get(str(name), str(name)): value for name, value in found.items() if value is not None
        }
        for name, value in given.items():
            if name not in COLUMNS:
                raise _Refused("unknown_field", f"has the unknown field {name[:40]!r}; known are {', '.join(COLUMNS)}")
            if type(value) is not str or "\x00" in value:
                raise _Refused("invalid_type", f"{name} must be a string")
        return given

    def _row(self, given: Mapping[str, Any]) -> tuple[Any, ...]:
        if "recipient" not in given:
            raise _Refused("required", "recipient is missing")
        try:
            address = parse_address(given["recipient"].strip())
        except AddressError as error:
            raise _Refused("invalid_email", f"recipient {str(error)[:160]}") from error
        reason = given.get("reason", self._defaults["reason"]).strip()
        if reason not in REASONS:
            raise _Refused("not_in_enum", f"reason must be one of {', '.join(REASONS)}")
        scope = given.get("scope", ALL if covers_all_mail(reason) else self._defaults["scope"]).strip()
        if not is_scope(scope):
            raise _Refused("invalid_format", "scope must be all, stream:<name> or topic:<name>")
        if scope != ALL and covers_all_mail(reason):
            raise _Refused("conflict", f"scope must be {ALL} for the reason {reason}")
        note = given.get("note")
        if note is not None and (len(note) > MOST_NOTE or not note.isprintable()):
            raise _Refused("invalid_format", f"note must be one line of at most {MOST_NOTE} characters")
        made, ends = self._moment(given, "created_at"), self._moment(given, "expires_at")
        if ends is not None and ends <= self._now:
            raise _Refused("in_past", "expires_at has passed")
        return address.email, address.key, reason, scope, note, min(made, self._now) if made else self._now, ends

    def _moment(self, given: Mapping[str, Any], name: str) -> datetime | None:
        if name not in given:
            return None
        try:
            found = datetime.fromisoformat(given[name].strip())
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise _Refused("invalid_format", f"{name} must be RFC 3339, such as 2026-04-19T14:30:00Z") from error


def _cells(raw: bytes) -> list[str]:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise _Refused("invalid_format", "is not UTF-8") from error
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader(io.StringIO(text), strict=True))
    except (csv.Error, StopIteration) as error:
        raise _Refused("invalid_format", "has a quotation mark that is not closed") from error


_STAGE = """
CREATE TEMP TABLE staged (line integer, recipient text, recipient_key text, reason text, scope text, note text,
                          created_at timestamptz, expires_at timestamptz) ON COMMIT DROP
"""
_COPY = "COPY staged (line, recipient, recipient_key, reason, scope, note, created_at, expires_at) FROM STDIN"
_DISTINCT = "SELECT DISTINCT ON (recipient_key, scope) * FROM staged ORDER BY recipient_key, scope, line"
_ADD = f"""
INSERT INTO suppressions AS s (id, account_id, environment, recipient, recipient_key, reason, scope, note, created_at,
                               expires_at)
SELECT uuidv7(), %s, %s, recipient, recipient_key, reason, scope, note, created_at, expires_at FROM ({_DISTINCT}) x
ON CONFLICT (account_id, environment, recipient_key, scope) DO UPDATE
   SET id = excluded.id, recipient = excluded.recipient, reason = excluded.reason, note = excluded.note,
       created_at = excluded.created_at, expires_at = excluded.expires_at, source_message_id = NULL
 WHERE s.expires_at <= now()
"""
_COUNT = f"""
SELECT count(*) FROM ({_DISTINCT}) x WHERE NOT EXISTS (
  SELECT FROM suppressions s WHERE s.account_id = %s AND s.environment = %s AND s.recipient_key = x.recipient_key
     AND s.scope = x.scope AND (s.expires_at IS NULL OR s.expires_at > now()))
"""


def _store(connection: Connection, job: Job, staged: Sequence[tuple[Any, ...]]) -> dict[str, int]:
    """COPY, then one statement; what was suppressed already keeps its reason and date."""
    connection.exec_driver_sql(_STAGE)
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
        for row in staged:
            copy.write_row(row)
    whose = (job.principal.account_id, job.principal.environment)
    done = connection.exec_driver_sql(_COUNT if job.dry_run else _ADD, whose)
    added = int(done.scalar_one()) if job.dry_run else int(done.rowcount)
    return {"added": added, "present": len(staged) - added}
