"""`user invite|link|list|remove`: how the first person gets into the dashboard, and back in.

Never here: SQL, or what a person may do.
"""

import argparse
from typing import Any

import orjson
from sqlalchemy import Connection

from api import accounts_cli
from common import clock
from common.config import Settings
from common.db.session import transaction
from common.domain.addresses import AddressError, parse_address
from common.domain.errors import NotFound
from common.domain.roles import ROLES
from common.services import quickstart, users

FIRST = "owner@example.com"
"""Who `make run` lets in."""
LINK_HOURS = 24
LINK = "/dashboard/link/"


def add_commands(commands: Any) -> None:
    """Hang the commands on the parser of the whole program."""
    actions = commands.add_parser("user", help="invite people to the dashboard, and let them in")
    actions = actions.add_subparsers(required=True, metavar="action")
    invite = actions.add_parser("invite", help="make a user; prints the one-time link where they choose a password")
    invite.add_argument("email", type=_address)
    invite.add_argument("--name", default="")
    invite.add_argument("--role", choices=ROLES, default="owner")
    invite.add_argument("--admin", action="store_true", help="they also operate the installation")
    invite.add_argument("--account", type=accounts_cli.account_id, default=quickstart.QUICKSTART_ACCOUNT)
    invite.set_defaults(run=_invite)
    link = actions.add_parser("link", help="print a link that signs a user in once, within a day")
    link.add_argument("email", type=_address)
    link.set_defaults(run=_link)
    listed = actions.add_parser("list", help="users of an account, newest first, one JSON object a line")
    listed.add_argument("--account", type=accounts_cli.account_id, default=quickstart.QUICKSTART_ACCOUNT)
    listed.set_defaults(run=_list)


def _address(text: str) -> str:
    try:
        return parse_address(text).email
    except AddressError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _invite(options: argparse.Namespace, settings: Settings) -> None:
    fields = {"email": options.email, "name": options.name, "role": options.role, "admin": options.admin}
    with transaction() as connection:
        user_id = users.create(connection, options.account, fields)
        token = users.make_link(connection, user_id, "password", now=clock.now(), hours=users.INVITATION_HOURS)
    print(_address_of(settings, token))


def _link(options: argparse.Namespace, settings: Settings) -> None:
    with transaction() as connection:
        token = sign_in_token(connection, options.email)
    print(_address_of(settings, token))


def sign_in_token(connection: Connection, email: str, *, first: bool = False) -> str:
    """The token of a link that signs this person in once; `first` makes them when there is nobody yet.

    Raises NotFound.
    """
    row = users.of_address(connection, email)
    if row is None and not first:
        raise NotFound(f"There is no user {email}: `sendarix user invite {email}` makes one.")
    if row is None:
        fields = {"email": email, "name": "Owner", "role": "owner", "admin": True}
        user_id = users.create(connection, quickstart.QUICKSTART_ACCOUNT, fields)
    else:
        user_id = row.id
    return users.make_link(connection, user_id, "sign_in", now=clock.now(), hours=LINK_HOURS)


def _address_of(settings: Settings, token: str) -> str:
    return f"{(settings.public_url or f'http://127.0.0.1:{settings.api_port}').rstrip('/')}{LINK}{token}"


def _list(options: argparse.Namespace, _settings: Settings) -> None:
    turn = None
    while True:
        with transaction() as connection:
            page = users.find_of(connection, options.account, limit=100, turn=turn)
        for each in page.data:
            print(orjson.dumps(each).decode())
        turn = page.older
        if turn is None:
            return
