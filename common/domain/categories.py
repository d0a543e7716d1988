"""What a refusal means: the closed list of categories and the consequence of each (delivery.md 4.2).

Never here: how a category is found (`replies.py`), or who acts on it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Category:
    """`hard`: the address will not work again. `suppress`: whether, and for how many days (0 is for ever).

    `path` says what the outcome tells of the way it went: +1 the host works, -1 it is a mark against the
    path, 0 nothing. `strikes` is how many such bounces within `strike_days` suppress an address that one
    alone does not, when no mail was delivered between them and the first is `strike_hours_apart` old.
    """

    name: str
    sentence: str
    hard: bool = False
    suppress: bool = False
    suppress_days: int = 0
    path: int = 0
    strikes: int = 0
    strike_days: int = 0
    strike_hours_apart: int = 0


CATEGORIES: dict[str, Category] = {
    each.name: each
    for each in (
        Category("delivered", "The remote server took the mail.", path=1),
        Category("invalid_recipient", "The address does not exist.", hard=True, suppress=True, path=1),
        Category(
            "mailbox_disabled",
            "The mailbox exists but is switched off.",
            hard=True,
            suppress=True,
            suppress_days=90,
            path=1,
        ),
        Category(
            "bad_domain",
            "The domain does not exist or takes no mail.",
            hard=True,
            suppress_days=90,
            strikes=2,
            strike_days=30,
            strike_hours_apart=24,
        ),
        Category(
            "recipient_filtered",
            "The recipient's own rules refuse the mail.",
            suppress_days=90,
            path=1,
            strikes=3,
            strike_days=30,
        ),
        Category(
            "mailbox_full",
            "The mailbox has no room.",
            suppress_days=30,
            path=1,
            strikes=5,
            strike_days=60,
            strike_hours_apart=7 * 24,
        ),
        Category("too_large", "The mail is larger than the server takes.", path=1),
        Category("throttled", "Too much at once for this server.", path=-1),
        Category("greylisted", "A first try is refused on purpose; the same source tries again."),
        Category("reputation", "The sending address or network is blocked.", path=-1),
        Category("sender_auth", "SPF, DKIM, DMARC or reverse DNS of the sender does not satisfy."),
        Category("sender_rejected", "The sender's address or domain is refused."),
        Category("policy", "A rule of the receiving system refuses the mail."),
        Category("content", "The mail's content looks like spam, a virus or is malformed."),
        Category("relaying_denied", "The server does not serve this domain."),
        Category("remote_error", "The remote system has a fault of its own.", path=-1),
        Category("connection", "The server could not be reached or hung up.", path=-1),
        Category("tls", "Encryption could not be agreed on.", path=-1),
        Category("dns", "The domain's servers could not be found just now.", path=-1),
        Category("expired", "The time for delivery ran out."),
        Category("protocol", "The server did not understand a command."),
        Category("undetermined", "The reply says nothing that a rule knows."),
        Category("complaint", "The recipient reported the mail.", suppress=True),
        Category("auto_reply", "A machine answered; the mail arrived.", path=1),
    )
}


def suppresses(category: str) -> bool:
    """Whether one permanent refusal of this category is the recipient's fault and ends mail to the address."""
    return CATEGORIES[category].suppress


def strains(name: str) -> bool:
    """Whether a temporary failure may mean that the way is out: it speaks against it, or there is no way any more."""
    found = CATEGORIES.get(name)
    return found is not None and (found.path < 0 or name == "policy")


def reroutes(category: str) -> bool:
    """Whether another source may be let in where this one is refused for good."""
    return category == "reputation"


def is_hard(category: str) -> bool:
    """Whether the address itself will not work again."""
    return CATEGORIES[category].hard
