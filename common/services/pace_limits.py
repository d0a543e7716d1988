"""of_owner(...): what policies say about the pace of an owner's sources. Never here: counting, or what is built in."""

from uuid import UUID

from sqlalchemy import Connection

from common.db.session import rows
from common.domain.pace_limits import PaceLimit
from common.services import ruling

_VERSIONS = """
SELECT (SELECT policy_version FROM accounts WHERE id = %s) AS own,
       (SELECT coalesce(max(version), 0) FROM policies WHERE account_id IS NULL) AS operator
"""
_NOBODY = UUID(int=0)


def of_owner(connection: Connection, account_id: UUID | None) -> tuple[PaceLimit, ...]:
    """The limits for sources of this account, or with None of the operator; the strongest first."""
    found = rows(connection, _VERSIONS, account_id)[0]
    own = found.own or ruling.FIRST_VERSION
    if own <= ruling.FIRST_VERSION and not found.operator:
        return ()
    key = (account_id or _NOBODY, own, found.operator)
    return ruling.policies(connection, [key])[key].pacing
