"""The shape of a policy document, and of what is asked about policies. Whether names in it exist is for
domain/policy_checks.py.
"""

from typing import Any

from api.v1.schemas.fields import Choice, In, Text, Whole
from api.v1.schemas.out import told
from api.v1.schemas.shaped import Either, Named, Number, Several, Shaped
from common.domain.doubts import CHOICES
from common.domain.pace_limits import UNSET
from common.domain.policy import ACTS, GUARANTEES, ROLES, TLS_LEVELS
from common.domain.providers import PROVIDERS
from common.domain.retry import PRESETS
from common.domain.suppressions import STREAM
from common.domain.tiers import TIERS

NAME = r"[a-z0-9][a-z0-9_-]{0,62}"
_HOST = r"(?:\*\.)?[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?"
_SUFFIX = r"[a-z0-9.][a-z0-9.-]{0,251}[a-z0-9]"
_MOMENT = r"20[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z"
_WEEK, _MONTH = 7 * 86_400, 30 * 86_400
PROVIDER_NAMES = tuple(each.name for each in PROVIDERS)


def _any(inner: Any, sentence: str, example: list[str] | None = None) -> Several:
    return Several(inner, 100, least=1, metadata=told(sentence, example))


WHEN = Shaped(
    {
        "tag": _any(Text(100, least=1, line=True), "One of these tags is among the message's.", ["otp"]),
        "template": _any(Text(64, pattern=r"[a-z0-9][a-z0-9_-]*"), "Its template is one of these.", ["otp-code"]),
        "stream": _any(Text(63, pattern=STREAM), "Its stream is one of these.", ["newsletter"]),
        "tier": _any(Choice(TIERS), "Its tier is one of these.", ["critical"]),
        "sender_domain": _any(Text(254, pattern=_HOST), "The domain of `from`; `*.` stands for any below."),
        "recipient_domain": _any(
            Text(254, pattern=_HOST), "The domain of the recipient; `*.` stands for any below.", ["gmail.com"]
        ),
        "provider": _any(Choice(PROVIDER_NAMES), "Whose servers take the recipient's mail, where known.", ["google"]),
        "mx_suffix": _any(
            Text(253, pattern=_SUFFIX), "All mail hosts of the recipient end in one of these, where known."
        ),
        "size": Shaped(
            {
                "at_least": Whole(0, 1 << 30, metadata=told("Bytes.", 100_000)),
                "at_most": Whole(0, 1 << 30, metadata=told("Bytes.", 5_000_000)),
            },
            metadata=told("Texts and decoded files together, in bytes."),
        ),
        "percentage": Whole(1, 100, metadata=told("This share of messages, by a hash of the id: always the same.", 10)),
    },
    metadata=told("Every term must hold; an empty one is for all messages."),
)

RETRY = Either(
    Choice(tuple(PRESETS)),
    Several(Number(1, _WEEK), 12, least=1),
    metadata=told("A preset, or seconds from the end of each attempt to the next."),
)

DOUBT = Choice(CHOICES, metadata=told("What follows an unknown outcome.", "hold"))

RULE = Shaped(
    {
        "name": Text(63, pattern=NAME, metadata=told("Unique in the document.", "otp-by-ses")),
        "when": WHEN,
        "act": Choice(
            ACTS,
            metadata=told(
                "`pool`: by a member of a pool. `automatic`: as without a rule. `hold`: wait, see `until`. "
                "`reject`: end as failed. `sink`: into the account's sink.",
                "pool",
            ),
        ),
        "pool": Text(63, pattern=NAME, metadata=told("With `act: pool`.", "transactional")),
        "fallback": Text(63, pattern=NAME, metadata=told("The pool when no member of the first can be used.")),
        "reason": Text(200, least=1, line=True, metadata=told("Why; shown on every message it touches.")),
        "tls": Choice(TLS_LEVELS, metadata=told("At least this, whatever the source demands.", "required")),
        "max_age": Whole(1, _MONTH, metadata=told("Seconds after which it is given up.", 3600)),
        "retry": RETRY,
        "guarantee": Choice(GUARANTEES, metadata=told("When an outcome stays unknown.", "at_least_once")),
        "in_doubt": DOUBT,
        "until": Text(20, pattern=_MOMENT, metadata=told("When `act: hold` ends, in UTC.", "2026-04-20T08:00:00Z")),
        "duration": Whole(
            1, _MONTH, metadata=told("Seconds from when a message may go until `act: hold` ends for it.", 3600)
        ),
    },
    needs=("name", "act"),
    metadata=told("The first rule whose terms all hold decides."),
)

WARMUP = Shaped(
    {
        "start": Text(
            10,
            pattern=r"20[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])",
            metadata=told("Its first day, in UTC; at most the 28th.", "2026-04-01"),
        ),
        "first": Whole(1, 1_000_000, metadata=told("Messages a day to one provider on the first day.", 50)),
        "growth": Number(1, 10, metadata=told("From one day to the next.", 1.4)),
        "target": Whole(1, 100_000_000, metadata=told("From there on nothing is capped.", 20_000)),
    },
    needs=("start",),
    metadata=told("A source that is new to receivers carries little at first."),
)

MEMBER = Shaped(
    {
        "source": Text(63, pattern=NAME, metadata=told("The name of a source.", "ses-eu")),
        "weight": Number(0, 1000, metadata=told("Its share among members that can be used.", 3)),
        "role": Choice(ROLES, metadata=told("A standby is used when no primary can be.", "primary")),
        "warmup": WARMUP,
    },
    needs=("source",),
)

POOL = Shaped({"members": Several(MEMBER, 20, least=1)}, needs=("members",))

LIMIT = Shaped(
    {
        "provider": Choice(PROVIDER_NAMES, metadata=told("For all mail to a provider's servers.", "google")),
        "site": Text(253, pattern=_SUFFIX, metadata=told("For mail hosts, or a relay, that end in this.")),
        "connections": Either(
            Choice((UNSET,)), Whole(1, 1000), metadata=told("At once. `unset` takes the operator's back.")
        ),
        "per_second": Either(
            Choice((UNSET,)), Number(0.001, 100_000), metadata=told("Mails. `unset` takes the operator's back.")
        ),
    },
    metadata=told("Without `provider` and `site`: for every destination."),
)

_TTL = Whole(1, _MONTH, metadata=told("Seconds.", 600))

OBJECTIVE = Shaped(
    {
        "seconds": Number(0.1, 86_400, metadata=told("From when it may go to its first attempt.", 5.0)),
        "share": Number(0.5, 0.9999, metadata=told("Of messages that keep to it.", 0.99)),
    },
    needs=("seconds", "share"),
)

PARTS: dict[str, Any] = {
    "rules": Several(RULE, 200, metadata=told("Asked in order; the first that fits decides.")),
    "pools": Named(Text(63, pattern=NAME), POOL, 50, metadata=told("Ways out that share work.")),
    "pacing": Several(LIMIT, 200, metadata=told("Limits of the account's own sources, or with the operator's of all.")),
    "retry": RETRY,
    "ttl": Shaped(
        {
            "tiers": Shaped({tier: _TTL for tier in TIERS}, metadata=told("By tier.")),
            "templates": Named(Text(64, pattern=r"[a-z0-9][a-z0-9_-]*"), _TTL, 200, metadata=told("By template.")),
        },
        metadata=told("The life of a message that says nothing of its own."),
    ),
    "guarantee": Choice(GUARANTEES, metadata=told("When an outcome stays unknown.", "at_least_once")),
    "in_doubt": Shaped(
        {
            "default": DOUBT,
            "tiers": Shaped({tier: DOUBT for tier in TIERS}, metadata=told("By tier.")),
            "streams": Named(Text(63, pattern=STREAM), DOUBT, 200, metadata=told("By stream; before tiers.")),
            "templates": Named(
                Text(64, pattern=r"[a-z0-9][a-z0-9_-]*"), DOUBT, 200, metadata=told("By template; before streams.")
            ),
        },
        metadata=told("When nobody knows whether a server kept a mail: send it again, hold it, or end it."),
    ),
    "suppression": Shaped(
        {
            "unsubscribed_receive": Several(
                Choice(TIERS),
                3,
                metadata=told("Goes to those who unsubscribed, too.", ["critical"]),
            )
        },
        metadata=told("Bounces, complaints and your own entries stop all mail whatever this says."),
    ),
    "objectives": Shaped({tier: OBJECTIVE for tier in TIERS}, metadata=told("How soon mail is tried, by tier.")),
}
"""The sections of a document. What is not here is not accepted."""


class _Policy(In):
    samples = {
        "newsletter": {
            "rules": [
                {
                    "name": "letters",
                    "when": {"stream": ["newsletter"]},
                    "act": "pool",
                    "pool": "bulk",
                    "retry": "patient",
                },
                {"name": "stop-gmail", "when": {"tag": ["promo"], "recipient_domain": ["gmail.com"]}, "act": "hold"},
            ],
            "pools": {"bulk": {"members": [{"source": "mailbox", "weight": 1}]}},
            "ttl": {"tiers": {"critical": 600}},
        }
    }


PolicyIn = _Policy.from_dict(PARTS, name="PolicyIn")
POLICY_IN = PolicyIn()


_SHARE = "More than the rest of the mail by this share takes it back: 0.05 is five in a hundred."

CANARY = Shaped(
    {
        "percent": Whole(1, 99, metadata=told("Of the mail, by a hash of the message's id.", 10)),
        "minutes": Whole(1, 10_080, metadata=told("So long it is watched before it is published; 30.", 30)),
        "deferrals": Number(0, 1, metadata=told(f"{_SHARE} Of messages that were ever deferred; 0.05.", 0.05)),
        "bounces": Number(0, 1, metadata=told(f"{_SHARE} Of messages that bounced; 0.02.", 0.02)),
        "least_messages": Whole(1, 1_000_000, metadata=told("Nothing is judged before so many were tried; 50.", 50)),
    },
    needs=("percent",),
    metadata=told("Try it on a share of the mail first; without it, it is in force at once."),
)


class PolicyPublishIn(In):
    """Why a policy is published, and whether on trial."""

    reason = Text(500, required=True, least=1, line=True, metadata=told("Why.", "Newsletters by their own source."))
    canary = CANARY


class PolicyRollbackIn(In):
    """Why an old version comes back."""

    reason = Text(500, required=True, least=1, line=True, metadata=told("Why.", "Gmail defers what the new one sends."))


class PolicyBacktestIn(In):
    """How far back."""

    hours = Whole(1, 168, metadata=told("Messages of so many hours, the newest 2,000; 24 unless given.", 24))


POLICY_PUBLISH_IN, POLICY_ROLLBACK_IN = PolicyPublishIn(), PolicyRollbackIn()
POLICY_BACKTEST_IN = PolicyBacktestIn()


def json_schema() -> dict[str, Any]:
    """The whole document as one JSON Schema, draft 2020-12."""
    whole = Shaped(PARTS).describe()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A Sendarix policy",
        "description": "Routing rules, pools, retry schedules and lives of messages. Unknown keys are errors.",
        **whole,
    }
