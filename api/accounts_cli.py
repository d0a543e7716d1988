"""`account create|list|suspend|resume`: what a new installation needs before there is any key.

Never here: SQL.
"""

import argparse
from typing import Any
from uuid import UUID

import orjson

from common import clock
from common.config import Settings
from common.db.session import transaction
from common.domain.ids import decode
from common.services import accounts, issuing


def add_commands(commands: Any) -> None:
    """Hang the commands on the parser of the whole program."""
    actions = commands.add_parser("account", help="make, list and suspend accounts")
    actions = actions.add_subparsers(required=True, metavar="action")
    create = actions.add_parser("create", help="make an account; with --admin also a key for the operator's API")
    create.add_argument("name")
    create.add_argument("--requests-per-minute", type=int)
    create.add_argument("--admin", action="store_true", help="make a live key with the scope admin; it is printed once")
    create.set_defaults(run=_create)
    actions.add_parser("list", help="accounts, newest first, one JSON object a line").set_defaults(run=_list)
    for verb, help_text in (("suspend", "refuse new mail of an account"), ("resume", "take its mail again")):
        each = actions.add_parser(verb, help=help_text)
        each.add_argument("account", type=account_id, metavar="acc_…")
        each.set_defaults(run=_suspend, wanted=verb == "suspend")


def account_id(text: str) -> UUID:
    """An account as `acc_…` or as a UUID. Raises ArgumentTypeError."""
    try:
        return decode("acc", text) or UUID(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no account: give its id, acc_…") from error


def _create(options: argparse.Namespace, _settings: Settings) -> None:
    with transaction() as connection:
        made = accounts.create(connection, {"name": options.name, "requests_per_minute": options.requests_per_minute})
        if options.admin:
            key = {"environment": "live", "scopes": ["admin"], "name": "operator"}
            made["admin_key"] = issuing.create_for(connection, account_id(made["id"]), key)["secret"]
    print(orjson.dumps(made).decode())


def _list(_options: argparse.Namespace, _settings: Settings) -> None:
    turn = None
    while True:
        with transaction() as connection:
            page = accounts.find(connection, states=[], limit=100, turn=turn)
        for each in page.data:
            print(orjson.dumps(each).decode())
        turn = page.older
        if turn is None:
            return


def _suspend(options: argparse.Namespace, _settings: Settings) -> None:
    with transaction() as connection:
        found = accounts.suspend(connection, options.account, now=clock.now() if options.wanted else None)
    print(orjson.dumps(found).decode())
