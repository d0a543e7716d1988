"""What people can do on pages: each deed is one request of the public API, as data.

Never here: doing it (actions.py), or whether somebody may (the API's scopes decide; the page only hides).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from api.dashboard.words import noted as n
from common.domain.principals import SCOPES
from common.domain.retry import PRESETS
from common.domain.roles import ROLES
from common.domain.tiers import TIERS


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the body: its name, its label, how it is typed in, and an example for the curl.

    `kind` is text, long, list, choice, choices or json. `name` may be dotted for a nested field.
    """

    name: str
    label: str
    kind: str = "text"
    example: Any = ""
    required: bool = False
    options: tuple[str, ...] = ()

    def read(self, texts: list[str]) -> Any:
        """The JSON value of what was typed; None when nothing was. Raises ValueError for what is no JSON."""
        text = texts[0].strip() if texts else ""
        if self.kind == "choices":
            return texts or None
        if self.kind == "list":
            return [each.strip() for each in text.replace("\n", ",").split(",") if each.strip()] or None
        if self.kind == "json":
            return orjson.loads(text) if text else None
        return text or None


@dataclass(frozen=True, slots=True)
class Deed:
    """One request. `done` is said afterwards; `shows` names what the answer tells once; `leads` is where to go then."""

    method: str
    path: str
    scope: str
    label: str
    done: str
    fields: tuple[Field, ...] = ()
    fixed: Mapping[str, Any] | None = None
    shows: str = ""
    leads: str = ""
    danger: bool = False

    def curl(self, path: str, given: Mapping[str, Any] | None = None) -> str:
        """A command that does the same with a key; `given` are values that are known."""
        lines = [f"curl -X {self.method} $SENDARIX_URL{path}", '  -H "Authorization: Bearer $SENDARIX_API_KEY"']
        body = self.sample(given or {})
        if body is not None:
            lines.append('  -H "Content-Type: application/json"')
            quoted = orjson.dumps(body).decode().replace("'", "'\\''")
            lines.append(f"  -d '{quoted}'")
        return " \\\n".join(lines)

    def sample(self, given: Mapping[str, Any]) -> dict[str, Any] | None:
        """A body of `given` and examples; None where there is none."""
        if not self.fields and self.fixed is None:
            return None
        shown = {each.name: each.example for each in self.fields if each.required or each.example}
        return filled(self.fixed, shown | dict(given))


def filled(fixed: Mapping[str, Any] | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """A body of what is fixed and what was given, dotted names nested."""
    body: dict[str, Any] = dict(fixed or {})
    for name, value in given.items():
        *outer, last = name.split(".")
        place = body
        for each in outer:
            place = place.setdefault(each, {})
        place[last] = value
    return body


_REASON = Field("reason", n("Why"), example="the offer has a wrong price", required=True)
_SENDABLE = tuple(scope for scope in SCOPES if scope != "admin")

DEEDS: dict[str, Deed] = {
    "cancel": Deed(
        "DELETE", "/v1/messages/{message_id}", "messages:cancel", n("Cancel"), n("Cancelled."), danger=True
    ),
    "resend": Deed(
        "POST", "/v1/messages/{message_id}/resend", "messages:send", n("Send again"), n("Sent again as a new message."),
        leads="/dashboard/messages/{message_id}",
    ),
    "send_now": Deed(
        "PATCH", "/v1/messages/{message_id}", "messages:send", n("Send now"), n("It goes now."),
        fixed={"scheduled_time": None},
    ),
    "suppress": Deed(
        "POST", "/v1/suppressions", "suppressions:write", n("Suppress an address"), n("Nothing more is sent there."),
        (Field("recipient", n("Address"), example="user@example.com", required=True), Field("note", n("Note"))),
    ),
    "unsuppress": Deed(
        "DELETE", "/v1/suppressions/{which}", "suppressions:write", n("Remove"), n("Mail goes there again."),
        danger=True,
    ),
    "pause_queue": Deed(
        "POST", "/v1/queues/{queue}/pause", "queues:write", n("Pause"), n("The queue stands still."), (_REASON,)
    ),
    "drain_queue": Deed(
        "POST", "/v1/queues/{queue}/drain", "queues:write", n("Drain"), n("What is there goes on; what comes waits."),
        (_REASON,),
    ),
    "resume_queue": Deed(
        "POST", "/v1/queues/{queue}/resume", "queues:write", n("Resume"), n("The queue goes on.")
    ),
    "hold": Deed(
        "POST", "/v1/holds", "queues:write", n("Hold mail back"), n("It is held back."),
        (
            Field("match.tag", n("With this tag"), example="newsletter"),
            Field("match.template", n("Of this template")),
            Field("match.recipient_domain", n("To this domain")),
            Field("match.priority", n("Of this tier"), "choice", options=("", *TIERS)),
            _REASON,
        ),
        fixed={"match": {}},
    ),
    "release_hold": Deed(
        "POST", "/v1/holds/{hold_id}/release", "queues:write", n("Release"), n("It goes on.")
    ),
    "mail_bounced": Deed(
        "POST", "/v1/mailbox/messages/{mail_id}/bounce", "messages:send", n("Mark as bounced"), n("Marked as bounced."),
        danger=True,
    ),
    "mail_complained": Deed(
        "POST", "/v1/mailbox/messages/{mail_id}/complain", "messages:send", n("Mark as spam"), n("Marked as spam."),
        danger=True,
    ),
    "replay_letter": Deed(
        "POST", "/v1/dead-letters/{message_id}/replay", "messages:send", n("Send again"), n("Sent again as a new message.")
    ),
    "discard_letter": Deed(
        "POST", "/v1/dead-letters/{message_id}/discard", "messages:cancel", n("Put aside"), n("Put aside."),
        (Field("reason", n("Why"), example="address was wrong", required=True),), danger=True,
    ),
    "replay_cause": Deed(
        "POST", "/v1/dead-letters/replay", "messages:send", n("Send all of this cause again"), n("They are sent again."),
        (Field("filter.cause", n("Cause"), "list", example=["retries_exhausted"], required=True),),
    ),
    "add_domain": Deed(
        "POST", "/v1/domains", "domains:write", n("Add a domain"), n("Publish its records next."),
        (Field("name", n("Domain"), example="mail.example.com", required=True),), leads="/dashboard/domains/{id}",
    ),
    "verify_domain": Deed(
        "POST", "/v1/domains/{domain_id}/verify", "domains:write", n("Ask DNS now"), n("DNS is being asked.")
    ),
    "rotate_domain": Deed(
        "POST", "/v1/domains/{domain_id}/rotate-keys", "domains:write", n("Rotate DKIM keys"), n("A new DKIM key is there.")
    ),
    "remove_domain": Deed(
        "DELETE", "/v1/domains/{domain_id}", "domains:write", n("Remove"), n("Removed."), danger=True,
        leads="/dashboard/domains",
    ),
    "add_webhook": Deed(
        "POST", "/v1/webhooks", "webhooks:write", n("Add a webhook"), n("It is told events from now on."),
        (
            Field("url", n("Address"), example="https://example.com/hooks/mail", required=True),
            Field("event_types", n("Events, all unless given"), "list", example=["message.delivered", "message.bounced"]),
            Field("description", n("What it is for")),
        ), shows="secret",
    ),
    "test_webhook": Deed(
        "POST", "/v1/webhooks/{webhook_id}/test", "webhooks:write", n("Send a test event"), n("The test event is on its way.")
    ),
    "enable_webhook": Deed(
        "POST", "/v1/webhooks/{webhook_id}/enable", "webhooks:write", n("Enable"), n("Enabled; what was held is told."),
        fixed={},
    ),
    "disable_webhook": Deed(
        "POST", "/v1/webhooks/{webhook_id}/disable", "webhooks:write", n("Disable"), n("Disabled; events are held.")
    ),
    "rotate_webhook": Deed(
        "POST", "/v1/webhooks/{webhook_id}/rotate-secret", "webhooks:write", n("New secret"), n("It has a new secret."),
        fixed={}, shows="secret",
    ),
    "replay_webhook": Deed(
        "POST", "/v1/webhooks/{webhook_id}/replay", "webhooks:write", n("Tell again"), n("They are told again."),
        (Field("since", n("Events since"), example="2026-04-19T00:00:00Z", required=True),),
    ),
    "add_key": Deed(
        "POST", "/v1/api-keys", "keys:manage", n("Make a key"), n("The key is there."),
        (
            Field("name", n("What it is for"), example="billing service", required=True),
            Field("scopes", n("What it may do"), "choices", example=["messages:send"], required=True, options=_SENDABLE),
        ), shows="secret",
    ),
    "rotate_key": Deed(
        "POST", "/v1/api-keys/{key_id}/rotate", "keys:manage", n("New secret"), n("The old one counts for one more day."),
        fixed={"overlap_seconds": 86_400}, shows="secret",
    ),
    "revoke_key": Deed(
        "DELETE", "/v1/api-keys/{key_id}", "keys:manage", n("Revoke"), n("It counts no more."), danger=True
    ),
    "publish_template": Deed(
        "POST", "/v1/templates/{template}/publish", "templates:write", n("Publish the draft"), n("Published."), fixed={}
    ),
    "test_template": Deed(
        "POST", "/v1/templates/{template}/test-send", "messages:send", n("Send a test"), n("The test is on its way."),
        (
            Field("recipient", n("Address"), example="you@example.com", required=True),
            Field("template_data", n("Data (JSON)"), "json", example={"code": "847291"}),
        ), leads="/dashboard/messages/{message_id}",
    ),
    "change_account": Deed(
        "PATCH", "/v1/admin/accounts/{account_id}", "admin", n("Change the account"), n("In force within 5 seconds."),
        (
            Field("name", n("Name"), example="Billing team"),
            Field("default_sender", n("Default sender"), example="Example <hello@example.com>"),
            Field("contact_address", n("Who is told of trouble"), example="ops@example.com"),
            Field("retry_preset", n("Retry schedule"), "choice", options=("", *PRESETS)),
        ),
    ),
    "invite": Deed(
        "POST", "/v1/users", "users:manage", n("Invite somebody"), n("Give them this link: it works once, for three days."),
        (
            Field("email", n("E-mail address"), example="ada@example.com", required=True),
            Field("name", n("Name")),
            Field("role", n("Role"), "choice", example="support", required=True, options=ROLES),
        ), shows="invitation_url",
    ),
    "reinvite": Deed(
        "POST", "/v1/users/{user_id}/invitation", "users:manage", n("New link"),
        n("Give them this link: it works once, for three days."), shows="invitation_url",
    ),
    "change_role": Deed(
        "PATCH", "/v1/users/{user_id}", "users:manage", n("Change the role"), n("In force with their next page."),
        (Field("role", n("Role"), "choice", example="support", required=True, options=ROLES),),
    ),
    "sign_out_user": Deed(
        "POST", "/v1/users/{user_id}/sign-out", "users:manage", n("Sign out everywhere"), n("Signed out everywhere.")
    ),
    "remove_user": Deed(
        "DELETE", "/v1/users/{user_id}", "users:manage", n("Remove"), n("Removed."), danger=True
    ),
}  # fmt: skip
