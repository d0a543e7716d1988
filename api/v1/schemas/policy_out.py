"""The shapes of policies as they are shown."""

from typing import Any

from api.v1.schemas import out

_DOCUMENT = {"retry": "standard"}
_FOR = "`account` or `installation`."


def _named(name: str, fields: dict[str, Any], sentence: str) -> Any:
    made = out.Out.from_dict(fields, name=name)
    made.__doc__ = sentence
    return made


PolicyOut = _named(
    "PolicyOut",
    {
        "version": out.whole("Its number.", 3),
        "for": out.text(_FOR, "account"),
        "document": out.mapped("What it says; its shape is at `/v1/policy/schema`.", _DOCUMENT),
        "is_published": out.flag("Whether it is in force."),
        "author": out.text("The name of the key that published it.", "deploy"),
        "reason": out.text("Why.", "Newsletters by their own source."),
        "restores": out.whole("The version that it repeats, after a rollback.", null=True),
        "published_at": out.moment("When it was published.", null=True),
    },
    "One version of a policy.",
)

PolicyDraftOut = _named(
    "PolicyDraftOut",
    {
        "for": out.text(_FOR, "account"),
        "document": out.mapped("What it says; without a draft, what is published.", _DOCUMENT),
        "differs": out.flag("Whether publishing it would change anything."),
        "author": out.text("The name of the key that wrote it.", "deploy"),
        "updated_at": out.moment("When it was written.", null=True),
    },
    "What may be published next.",
)


class PolicyFaultOut(out.Out):
    """One thing that keeps a document from being published."""

    field = out.text("Where.", "rules.0.pool")
    pointer = out.text("The same as a JSON pointer.", "#/rules/0/pool")
    code = out.text("What is wrong.", "not_in_enum")
    message = out.text("What to do.", "names no pool that can be used here; did you mean bulk?")


class PolicyWarningOut(out.Out):
    """One thing that is probably not meant."""

    code = out.text("`unreachable` or `unused`. More may come.", "unused")
    field = out.text("Where.", "pools.bulk")
    message = out.text("What it means.", "is in no rule of this document")


class PolicyCheckOut(out.Out):
    """Whether a document can be published."""

    valid = out.flag("Whether nothing is in the way.")
    errors = out.listed(PolicyFaultOut, "What is in the way.")
    warnings = out.listed(PolicyWarningOut, "What is probably not meant.")


PolicyDifferenceOut = _named(
    "PolicyDifferenceOut",
    {
        "key": out.text("What.", "rules.otp-by-ses"),
        "change": out.text("`added`, `removed`, `changed`, or `moved` of a rule.", "changed"),
        "before": out.anything("What it was."),
        "after": out.anything("What it is."),
    },
    "One difference between two documents.",
)

PolicyDiffOut = _named(
    "PolicyDiffOut",
    {
        "from": out.whole("The version before.", 3),
        "to": out.whole("The version after; null is the draft.", null=True),
        "changes": out.listed(PolicyDifferenceOut, "What differs."),
    },
    "What differs between two documents.",
)


class PolicyValueOut(out.Out):
    """One value in force."""

    key = out.text("What: `retry`, `ttl.tiers.critical`, `rules.otp-by-ses`.", "retry")
    value = out.anything("The value.")
    origin = out.text("Who set it: `account`, `operator` or `built_in`.", "account")
    version = out.whole("In which version of their policy.", 3, null=True)


class PolicyEffectiveOut(out.Out):
    """Every value in force, with its origin."""

    data = out.listed(PolicyValueOut, "Rules in the order in which they are asked.")


class PolicySchemaOut(out.Out):
    """The JSON Schema of a policy document."""

    title = out.text("What it describes.", "A Sendarix policy")
    description = out.text("In a sentence.")
    type = out.text("`object`.", "object")
    properties = out.mapped("The sections.")


class PolicyChangeOut(out.Out):
    """One kind of change, and how many messages it is about."""

    key = out.text("`act`, `rule`, `pool`, `source`, `retry`, `guarantee`, `in_doubt`, `tls` or `expires_at`.", "act")
    before = out.text("By what is in force.", "send")
    after = out.text("By the draft.", "hold")
    messages = out.whole("How many.", 12)


_OUTCOME = {"act": "send", "rule": None, "source": "mailbox"}


class PolicyExampleOut(out.Out):
    """One message that would change."""

    message_id = out.ident("msg", "The message.")
    recipient = out.text("Who received it.", "user@example.com")
    before = out.mapped("By what is in force.", _OUTCOME)
    after = out.mapped("By the draft.", _OUTCOME)


class PolicyBacktestOut(out.Out):
    """What the draft would have changed."""

    hours = out.whole("How far back.", 24)
    messages = out.whole("How many were decided twice.", 2000)
    complete = out.flag("Whether those are all of that time.")
    changed = out.whole("For how many anything changes.", 12)
    changes = out.listed(PolicyChangeOut, "What changes, the most frequent first.")
    examples = out.listed(PolicyExampleOut, "Some of them.")


class PolicyTrialCountsOut(out.Out):
    """Messages that were tried at least once since the canary began."""

    messages = out.whole("How many.", 120)
    deferred = out.whole("Of them, ever deferred.", 3)
    bounced = out.whole("Of them, bounced.", 1)
    deferral_rate = out.number("The share that was deferred.", 0.025)
    bounce_rate = out.number("The share that bounced.", 0.0083)


class PolicyCanaryOut(out.Out):
    """A version that is being tried on a share of the mail."""

    version = out.whole("Which.", 5)
    percent = out.whole("Of the mail.", 10)
    guardrails = out.mapped("By how much it may be worse, and from how many messages on.", {"deferrals": 0.05})
    started_at = out.moment("Since when.")
    ends_at = out.moment("When it is published, if all goes well.")
    verdict = out.text("As of now: `go_on` or `roll_back`.", "go_on")
    detail = out.text("Why.", "within the guardrails")
    canary = out.nested(PolicyTrialCountsOut, "Its own mail.")
    base = out.nested(PolicyTrialCountsOut, "All other mail of that time.")
