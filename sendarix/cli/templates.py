"""templates: list, push, pull. Never here: how they look as files (template_folders.py)."""

from pathlib import Path
from typing import Any

import click

from sendarix.cli.session import Session, command
from sendarix.cli.template_folders import FolderError, Written, read_all, write
from sendarix.errors import ApiError

_COLUMNS = ("slug", "kind", "name", "published_version", "has_changes", "updated_at")
_SUPPLIED = {"required": True, "default": None, "example": None, "description": "", "type": "any"}


@click.group()
def templates() -> None:
    """Templates as files: pull them, change them, push them, publish them."""


@templates.command("list")
@command
def list_templates(session: Session) -> None:
    """Show templates, newest first."""
    session.output.many(session.client.templates(), _COLUMNS)


@templates.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--only", multiple=True, metavar="SLUG", help="Only this one; may be repeated.")
@command
def pull(session: Session, folder: Path, only: tuple[str, ...]) -> None:
    """Write every template's draft into FOLDER, one folder each.

    Templates that are only in the folder stay as they are.
    """
    slugs = list(only) or [each["slug"] for each in session.client.templates()]
    with session.output.progress("pulling", len(slugs)) as steps:
        for slug in slugs:
            changed = write(folder, session.client.template(slug))
            what = "changed" if changed else "same"
            session.output.line({"slug": slug, "result": what}, f"{slug}: {what}")
            steps.advance()


@templates.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--only", multiple=True, metavar="SLUG", help="Only this one; may be repeated.")
@click.option("--publish", is_flag=True, help="Publish what differs from the version in use.")
@click.option("--note", help="Why it is published.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@command
def push(session: Session, folder: Path, only: tuple[str, ...], publish: bool, note: str | None, dry_run: bool) -> None:
    """Make the drafts in the API what the files in FOLDER say.

    Without --publish, messages go on with the versions in use.
    """
    try:
        written = [each for each in read_all(folder) if not only or each.slug in only]
    except FolderError as error:
        raise click.ClickException(str(error)) from error
    missing = set(only) - {each.slug for each in written}
    if missing:
        raise click.ClickException(f"{folder} holds no {', '.join(sorted(missing))}.")
    with session.output.progress("pushing", len(written)) as steps:
        for each in written:
            told = _push(session, each, dry_run)
            if publish and not dry_run and _is_unpublished(session, each.slug):
                told |= {"published_version": session.client.publish_template(each.slug, note)["version"]}
            version = f", published as version {told['published_version']}" if "published_version" in told else ""
            session.output.line(told, f"{each.slug}: {told['result']}{version}")
            steps.advance()


def _push(session: Session, written: Written, dry_run: bool) -> dict[str, Any]:
    found = _found(session, written.slug)
    result, changed = "same", []  # type: str, list[str]
    if found is None:
        result = "created"
        if not dry_run:
            parts = {name: value for name, value in written.draft.items() if value not in (None, {}, [])}
            named = {"name": written.name} if written.name else {}
            session.client.create_template({"slug": written.slug, "kind": written.kind} | named | parts)
    else:
        fields = changes(written, found)
        if fields:
            result, changed = "changed", sorted(fields)
            if not dry_run:
                session.client.change_template(written.slug, fields)
    told: dict[str, Any] = {"slug": written.slug, "result": result}
    return told | ({"parts": changed} if changed else {})


def changes(written: Written, found: dict[str, Any]) -> dict[str, Any]:
    """What a PATCH must say to make the draft that was found what the files say."""
    before = found["draft"]
    fields = {
        name: value or None
        for name, value in written.draft.items()
        if _comparable(name, value) != _comparable(name, before.get(name))
    }
    if written.name and written.name != found["name"]:
        fields["name"] = written.name
    return fields


def _comparable(name: str, value: Any) -> Any:
    """Equal for what means the same: an absent part is empty, a variable has what it is given when it says nothing."""
    if name == "variables" and value:
        return sorted((_SUPPLIED | each for each in value), key=lambda each: str(each["name"]))
    if name == "locales" and value:
        return {tag: {part: text for part, text in each.items() if text is not None} for tag, each in value.items()}
    return value or None


def _found(session: Session, slug: str) -> dict[str, Any] | None:
    try:
        return session.client.template(slug)
    except ApiError as error:
        if error.code == "not_found":
            return None
        raise


def _is_unpublished(session: Session, slug: str) -> bool:
    found = session.client.template(slug)
    return bool(found["has_changes"] or found["published_version"] is None)
