"""The quickstart account: everything that makes the first request work, made again at every start.

Never here: production accounts.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

import orjson
from sqlalchemy import Connection

from common.config import SettingError, Settings
from common.db.session import rows, run
from common.domain.principals import SCOPES
from common.services import domains, keys, sources, template_drafts, template_versions

QUICKSTART_ACCOUNT = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
SENDER = "Example <hello@example.com>"
DOMAIN = "example.com"
_STARTERS = Path(__file__).parents[1] / "starter_templates"
_LOCK = 0x53445153
_EVERYTHING_BUT_ADMIN = tuple(scope for scope in SCOPES if scope != "admin")
_KEYS = {
    "live_key": ("live", _EVERYTHING_BUT_ADMIN),
    "test_key": ("test", _EVERYTHING_BUT_ADMIN),
    "admin_key": ("live", ("admin",)),
}


def prepare(connection: Connection, settings: Settings) -> dict[str, str]:
    """Make or refresh the account, its sources, templates and keys. {"live_key", "test_key", "admin_key"}

    Safe to repeat and to run twice at once. Kept keys are used again as long as the database knows them.
    """
    run(connection, "SELECT pg_advisory_xact_lock(%s)", _LOCK)
    run(
        connection,
        "INSERT INTO accounts (id, name, default_sender) VALUES (%s, 'Quickstart', %s) ON CONFLICT DO NOTHING",
        QUICKSTART_ACCOUNT,
        SENDER,
    )
    domains.declare_verified(connection, settings, QUICKSTART_ACCOUNT, DOMAIN)
    mailbox = sources.keep(
        connection,
        settings,
        QUICKSTART_ACCOUNT,
        "mailbox",
        kind="sink",
        host=settings.mailbox_host,
        port=settings.mailbox_port,
        tls="none",
    )
    # Once somebody has chosen another way out, a restart does not take the choice back.
    run(
        connection,
        "UPDATE accounts SET default_source_id = %s WHERE id = %s AND default_source_id IS NULL",
        mailbox,
        QUICKSTART_ACCOUNT,
    )
    _keep_operator_source(connection, settings)
    publish_starters(connection, QUICKSTART_ACCOUNT)
    return _keep_keys(connection, settings)


def _keep_operator_source(connection: Connection, settings: Settings) -> None:
    if not settings.smarthost_url:
        sources.keep(connection, settings, None, "direct", kind="direct", ehlo_name=settings.ehlo_name, is_default=True)
        run(
            connection,
            "UPDATE sources SET is_default = false WHERE account_id IS NULL AND name = 'smarthost'",
        )
        return
    parts = urlsplit(settings.smarthost_url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise SettingError("SENDARIX_SMARTHOST_URL must look like smtp://user:password@host:587.")
    sources.keep(
        connection,
        settings,
        None,
        "smarthost",
        kind="relay",
        host=parts.hostname,
        port=parts.port or (465 if parts.scheme == "smtps" else 587),
        tls="implicit" if parts.scheme == "smtps" else ("required" if parts.username else "opportunistic"),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        ehlo_name=settings.ehlo_name,
        is_default=True,
    )
    run(connection, "UPDATE sources SET is_default = false WHERE account_id IS NULL AND name = 'direct'")


def publish_starters(connection: Connection, account_id: UUID) -> list[str]:
    """Publish the starter templates that the account never had; its own edits stay. The slugs added."""
    present = {row.slug for row in rows(connection, "SELECT slug FROM templates WHERE account_id = %s", account_id)}
    added = {slug: fields for slug, fields in starters().items() if slug not in present}
    for fields in added.values():
        made = template_drafts.create_for(connection, account_id, fields)
        template_versions.publish_row(connection, account_id, template_drafts.row_for(connection, account_id, made))
    return list(added)


def starters() -> dict[str, dict[str, Any]]:
    """The starter templates as drafts, by slug: each one's own content in the frame that they share."""
    frame = (_STARTERS / "frame.html").read_text(encoding="utf-8")
    found = {}
    for slug, about in orjson.loads((_STARTERS / "index.json").read_bytes()).items():
        content, text = ((_STARTERS / f"{slug}.{part}").read_text(encoding="utf-8") for part in ("html", "text"))
        html = frame.replace("[content]", content.strip()).replace("[title]", about["name"])
        for name in ("accent", "preheader"):
            html = html.replace(f"[{name}]", about.pop(name))
        found[slug] = {"slug": slug, **about, "html": html, "text": text}
    return found


def _keep_keys(connection: Connection, settings: Settings) -> dict[str, str]:
    path = settings.home_path / "secrets" / "quickstart_keys.json"
    kept: dict[str, str] = orjson.loads(path.read_bytes()) if path.exists() else {}
    tokens = {}
    for name, (environment, scopes) in _KEYS.items():
        token = kept.get(name, "")
        if not keys.is_alive(connection, token):
            made = keys.create(
                connection, QUICKSTART_ACCOUNT, environment=environment, scopes=scopes, name=f"quickstart {name}"
            )
            token = made.token
        tokens[name] = token
    if tokens != kept:
        _write_private(path, orjson.dumps(tokens, option=orjson.OPT_INDENT_2))
    return tokens


def _write_private(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)
