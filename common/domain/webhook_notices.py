"""What a person is told by mail of a webhook that fails or was switched off. Pure."""

from dataclasses import dataclass

from common.domain.webhook_health import GIVE_UP_HOURS, WARN_HOURS

_WHY = {
    "failing": f"every attempt has failed for {GIVE_UP_HOURS} hours",
    "breaker": "it kept failing whenever it was tried again, for more than a day",
    "gone": "its server answered 410 Gone",
}
_LONGEST_URL = 200


@dataclass(frozen=True, slots=True)
class Letter:
    """Subject in one line, and text."""

    subject: str
    text: str


def write_warning(webhook_id: str, url: str, error: str | None) -> Letter:
    """For a webhook that has failed for a day."""
    text = f"""Your webhook {webhook_id} has failed for {WARN_HOURS} hours.

Address: {url}
Last error: {error or "none"}

Nothing is lost: its events wait and are told again, later and later. If every attempt keeps failing, it is
switched off after {GIVE_UP_HOURS} hours, and its events are held until it is switched on again.

What it was answered: GET /v1/webhooks/{webhook_id}/deliveries
"""
    return Letter(f"Webhook failing: {_short(url)}", text)


def write_disabled(webhook_id: str, url: str, reason: str, error: str | None) -> Letter:
    """For a webhook that was switched off; `reason` as in `webhook.disabled`."""
    text = f"""Your webhook {webhook_id} was switched off, because {_WHY[reason]}.

Address: {url}
Last error: {error or "none"}

Nothing is lost: its events are held. Switch it on again when its server answers, and choose what is told then:
POST /v1/webhooks/{webhook_id}/enable with "recover": "all", "since" or "none"
"""
    return Letter(f"Webhook switched off: {_short(url)}", text)


def _short(url: str) -> str:
    return url if len(url) <= _LONGEST_URL else f"{url[: _LONGEST_URL - 1]}…"
