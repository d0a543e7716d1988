"""Operator commands, through services: `sendarix …` or `python -m api.cli …`.

Never here: SQL, or anything the API could do itself.
"""

import argparse
import getpass
import sys
from collections.abc import Sequence

import orjson
from sqlalchemy.exc import SQLAlchemyError

from api import accounts_cli, inbound_cli, users_cli
from common import clock, telemetry
from common.config import SettingError, Settings, current_settings
from common.db import session
from common.db.migrating import migrate
from common.domain.auditing import disclosed
from common.domain.errors import DomainError
from common.domain.ids import decode, encode
from common.domain.principals import SCOPES
from common.services import auditing, keys, quickstart, requeueing
from common.services.auditing import Act


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it worked. Errors go to stderr as one sentence."""
    options = _parser().parse_args(arguments)
    try:
        settings = current_settings()
        telemetry.setup(settings)
        with auditing.watching(_act(options, sys.argv[1:] if arguments is None else arguments)):
            return int(options.run(options, settings) or 0)
    except (DomainError, SettingError) as error:
        print(f"sendarix: {error}", file=sys.stderr)
        return 1
    except SQLAlchemyError as error:
        reason = str(error).splitlines()[0][:300]
        print(f"sendarix: the database refused: {telemetry.redact_text(reason)}", file=sys.stderr)
        return 1


def _act(options: argparse.Namespace, arguments: Sequence[str]) -> Act:
    """This command as the audit log has it."""
    words = " ".join(arguments[: 2 if arguments[0] in ("account", "key", "user") else 1])
    account = getattr(options, "account", None)
    return Act(
        action=words,
        route=f"sendarix {words}",
        changes=lambda: disclosed({name: each for name, each in vars(options).items() if name != "run"}),
        account_id=account,
        author=getpass.getuser(),
        object_id=None if account is None else encode("acc", account),
    )


def commands() -> dict[str, str]:
    """Every command with its sentence, for the help of the whole `sendarix` command."""
    found = next(each for each in _parser()._actions if isinstance(each, argparse._SubParsersAction))
    return {each.dest: each.help or "" for each in found._choices_actions}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sendarix", description="Operate a Sendarix installation.")
    commands = parser.add_subparsers(required=True, metavar="command")
    commands.add_parser("migrate", help="bring the schema to the newest migration").set_defaults(run=_migrate)
    start = commands.add_parser("quickstart", help="make or refresh the quickstart account and print its keys")
    start.add_argument("--json", action="store_true", help="print one JSON object")
    start.add_argument("--sign-in", action="store_true", help="also a link that signs the first user in once")
    start.set_defaults(run=_quickstart)
    key = commands.add_parser("key", help="make and revoke API keys").add_subparsers(required=True, metavar="action")
    create = key.add_parser("create", help="make a key; it is printed once")
    create.add_argument("--account", type=accounts_cli.account_id, default=quickstart.QUICKSTART_ACCOUNT)
    create.add_argument("--environment", choices=("live", "test"), default="live")
    create.add_argument("--scope", action="append", choices=SCOPES, required=True, dest="scopes")
    create.add_argument("--name", default="")
    create.add_argument("--requests-per-minute", type=int)
    create.set_defaults(run=_create_key)
    revoke = key.add_parser("revoke", help="revoke a key by its public part")
    revoke.add_argument("kid", help="the eight characters after sk_live_sdx_")
    revoke.set_defaults(run=_revoke_key)
    again = commands.add_parser("requeue", help="try waiting messages now")
    again.add_argument("messages", nargs="+", metavar="msg_…")
    again.set_defaults(run=_requeue)
    accounts_cli.add_commands(commands)
    users_cli.add_commands(commands)
    inbound_cli.add_commands(commands)
    return parser


def _migrate(_options: argparse.Namespace, _settings: Settings) -> None:
    migrate()


def _quickstart(options: argparse.Namespace, settings: Settings) -> None:
    with session.transaction() as connection:
        tokens = quickstart.prepare(connection, settings)
        if options.sign_in:
            tokens["sign_in_path"] = users_cli.LINK + users_cli.sign_in_token(connection, users_cli.FIRST, first=True)
    if options.json:
        print(orjson.dumps(tokens).decode())
    else:
        for name, token in tokens.items():
            print(f"{name}: {token}")


def _create_key(options: argparse.Namespace, _settings: Settings) -> None:
    with session.transaction() as connection:
        made = keys.create(
            connection,
            options.account,
            environment=options.environment,
            scopes=options.scopes,
            name=options.name,
            requests_per_minute=options.requests_per_minute,
        )
    print(made.token)


def _revoke_key(options: argparse.Namespace, _settings: Settings) -> int:
    with session.transaction() as connection:
        done = keys.revoke(connection, options.kid, now=clock.now())
    print("revoked; in force everywhere within 5 s" if done else "no living key has this public part")
    return 0 if done else 1


def _requeue(options: argparse.Namespace, _settings: Settings) -> int:
    ids = {text: decode("msg", text) for text in options.messages}
    with session.transaction() as connection:
        done = requeueing.requeue(connection, [each for each in ids.values() if each is not None])
    for text, message_id in ids.items():
        print(f"{text}: {'due now' if message_id in done else 'not waiting, or unknown'}")
    return 0 if len(done) == len(ids) else 1


if __name__ == "__main__":
    sys.exit(main())
