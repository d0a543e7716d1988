"""`account create|change|list|suspend|resume`: what a new installation needs before there is any key.

Never here: SQL.
"""

import argparse
from typing import Any
from uuid import UUID

import orjson

from common import clock
from common.config import Settings
from common.db.session import transaction
from common.domain.addresses import AddressError, parse_address
from common.domain.ids import decode
from common.services import accounts, issuing


def add_commands(commands: Any) -> None:
    """Hang the commands on the parser of the whole program."""
    actions = commands.add_parser("account", help="make, change, list and suspend accounts")
    actions = actions.add_subparsers(required=True, metavar="action")
    create = actions.add_parser("create", help="make an account; with --admin also a key for the operator's API")
    create.add_argument("name")
    create.add_argument("--requests-per-minute", type=int)
    create.add_argument("--contact-address", type=address, help="who is told by mail when a webhook fails")
    create.add_argument("--admin", action="store_true", help="make a live key with the scope admin; it is printed once")
    create.set_defaults(run=_create)
    change = actions.add_parser("change", help="change what is given of an account; an empty contact is none")
    change.add_argument("account", type=account_id, metavar="acc_…")
    change.add_argument("--name")
    change.add_argument("--requests-per-minute", type=int)
    change.add_argument("--contact-address", type=address, help="who is told by mail when a webhook fails")
    change.set_defaults(run=_change)
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


def address(text: str) -> str:
    """An address alone; an empty text stays one. Raises ArgumentTypeError."""
    try:
        return parse_address(text).email if text else ""
    except AddressError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from error


def _create(options: argparse.Namespace, _settings: Settings) -> None:
    with transaction() as connection:
        fields = {"name": options.name, "requests_per_minute": options.requests_per_minute}
        made = accounts.create(connection, fields | {"contact_address": options.contact_address or None})
        if options.admin:
            key = {"environment": "live", "scopes": ["admin"], "name": "operator"}
            made["admin_key"] = issuing.create_for(connection, account_id(made["id"]), key)["secret"]
    print(orjson.dumps(made).decode())


def _change(options: argparse.Namespace, _settings: Settings) -> None:
    given = {name: getattr(options, name) for name in ("name", "requests_per_minute", "contact_address")}
    fields = {name: value or None for name, value in given.items() if value is not None}
    with transaction() as connection:
        found = accounts.change(connection, options.account, fields)
    print(orjson.dumps(found).decode())


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
