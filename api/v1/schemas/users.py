"""The shapes of a person who signs in to the dashboard."""

from api.v1.schemas import out
from api.v1.schemas.fields import Choice, In, PlainAddress, Text, YesNo
from api.v1.schemas.out import told
from common.domain.roles import ROLES

_ROLE = "`owner`: everything in the account; `operator`: all but keys and users; `support`: reading only."
_ADMIN = "Whether they also operate the installation: other accounts, reply rules."
_NAME = told("What the person is called.", "Ada Lovelace")


class UserIn(In):
    email = PlainAddress(required=True, metadata=told("With what they sign in.", "ada@example.com"))
    name = Text(100, line=True, metadata=_NAME)
    role = Choice(ROLES, required=True, metadata=told(_ROLE, "support"))
    admin = YesNo(metadata=told(_ADMIN, False))


class UserChangeIn(In):
    name = Text(100, line=True, metadata=_NAME)
    role = Choice(ROLES, metadata=told(_ROLE, "support"))
    admin = YesNo(metadata=told(_ADMIN, False))


USER_IN, USER_CHANGE_IN = UserIn(), UserChangeIn()


class UserOut(out.Out):
    """A person who may sign in to the dashboard, or was invited to."""

    id = out.ident("usr", "Their id.")
    email = out.text("With what they sign in.", "ada@example.com")
    name = out.text("What they are called.", "Ada Lovelace")
    role = out.text(_ROLE, "support")
    admin = out.flag(_ADMIN)
    state = out.text("`invited` until they have signed in or chosen a password, then `active`.", "active")
    created_at = out.moment("When they were invited.")
    created_by = out.ident("key", "The key that invited them; null for an operator's command.", null=True)
    signed_in_at = out.moment("When they last signed in.", null=True)
    invitation_expires_at = out.moment("Until when their invitation counts; null when none is open.", null=True)


class InvitedUserOut(UserOut):
    """A person with their invitation, answered once."""

    invitation_url = out.text(
        "Give it to them: there they choose a password, once. Shown here only.",
        "https://mail.example.com/dashboard/link/…",
    )


class SignedOutOut(out.Out):
    """What a sign-out everywhere ended."""

    sessions = out.whole("How many sessions have ended.", 2)
