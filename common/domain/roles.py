"""What people may do, by role: each is a set of scopes, so a page can do exactly what a key with them can.

Pure. Never here: who has which role.
"""

from common.domain.principals import SCOPES

ROLES = ("owner", "operator", "support")
"""An owner does everything in the account; an operator all but keys and users; support only reads."""

_OWNERS = ("keys:manage", "users:manage")


def scopes_of(role: str, *, admin: bool = False) -> frozenset[str]:
    """The scopes of a role; with `admin` also those of the installation's operator."""
    every = [scope for scope in SCOPES if scope != "admin"]
    if role == "operator":
        every = [scope for scope in every if scope not in _OWNERS]
    if role == "support":
        every = [scope for scope in every if scope.endswith(":read")]
    return frozenset([*every, "admin"] if admin else every)
