"""classify(raw): a mail that came back to what it says: its kind, and of each recipient what happened and why.

The order is from the surest form to the vaguest: feedback report, delivery status, a mail system's own
words, an automatic answer, a wish to leave, unknown. Never here: whether it may be believed (tokens).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from common.domain.categories import is_hard, suppresses
from common.domain.inbound import arf, bounces, dsn, wordings
from common.domain.inbound.languages import FOREIGN
from common.domain.inbound.mails import Mail, addresses, decoded, read
from common.domain.replies import judge
from common.domain.reply_matching import Facts, Rule
from common.domain.reply_rules import RULES

KINDS = ("bounce", "delay", "complaint", "auto_reply", "unsubscribe", "unknown")
_CODE = re.compile(r"(?<![\d.:/-])([45][0-5]\d)(?=[ -]+(?:#?[45]\.\d|[A-Za-z<\[(\"'#*-]))")
_ENHANCED = re.compile(r"(?<![\d.])([45])\.(\d{1,2})\.(\d{1,3})(?![\d.])")
_VAGUE = ("undetermined", "policy", "remote_error", "expired")
_MOST_RECIPIENTS = 100


@dataclass(frozen=True, slots=True)
class Recipient:
    """`action` is failed, delayed or complained; `hard` and `suppress` speak of the address."""

    recipient: str
    action: str
    status: str | None
    category: str
    hard: bool
    suppress: bool
    diagnostic: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """One of KINDS, and whom it is about."""

    kind: str
    recipients: tuple[Recipient, ...] = ()


def classify(raw: bytes, rules: Sequence[Rule] = (*FOREIGN, *RULES)) -> Report:
    """Read a returned mail. Never raises, whatever the bytes are."""
    mail = read(raw)
    feedback = arf.find(mail)
    if feedback is not None:
        return _complaint(feedback)
    said = [each for part in mail.of_kind(*_STATUS_PARTS) for each in dsn.find(part.text)]
    said = said or [each for part in mail.of_kind("text/plain") if _FIELDS.search(part.text)
                    for each in dsn.find(part.text)]  # fmt: skip
    if said:
        return _from_status(mail, said, rules)
    return _from_words(mail, rules) or _from_person(mail)


_FIELDS = re.compile(
    r"^(?:final|original)-recipient[ \t]*:.{0,400}\n(?:.{1,400}\n){0,8}(?:action|status)[ \t]*:", re.I | re.M
)
"""A status part that lost its type on the way."""
_STATUS_PARTS = ("message/delivery-status", "message/global-delivery-status")


def _complaint(feedback: arf.Feedback) -> Report:
    if feedback.kind != "complaint":
        return Report(feedback.kind, tuple(_plain(each, feedback.kind) for each in feedback.recipients))
    return Report("complaint", tuple(_plain(each, "complained") for each in feedback.recipients))


def _plain(recipient: str, action: str) -> Recipient:
    category = "complaint" if action == "complained" else "undetermined"
    return Recipient(recipient, action, None, category, False, suppresses(category))


def _from_status(mail: Mail, said: Sequence[dsn.Said], rules: Sequence[Rule]) -> Report:
    human, _ = bounces.cut_original(mail.human())
    failed = [each for each in said if each.action == "failed"]
    delayed = [each for each in said if each.action == "delayed"]
    chosen, kind = (failed, "bounce") if failed else (delayed, "delay")
    if not chosen:
        return Report("unknown")
    named = {each.recipient.lower(): each.words for each in bounces.find(human, (), [s.recipient for s in chosen])}
    alone = human if len(chosen) == 1 else ""
    found: dict[str, Recipient] = {}
    for each in chosen[:_MOST_RECIPIENTS]:
        words = named.get(each.recipient.lower(), alone)
        made = _judged(each.recipient, each.action, each.status, [_diagnostic(each.diagnostic), words], rules)
        found.setdefault(each.recipient.lower(), made)
    return Report(kind, tuple(found.values()))


def _diagnostic(text: str) -> str:
    """Without the type of the code: `smtp; 550 …`, `X-Postfix; …`."""
    kind, mark, rest = text.partition(";")
    return rest.strip() if mark and len(kind) <= 20 and " " not in kind.strip() else text


def _from_words(mail: Mail, rules: Sequence[Rule]) -> Report | None:
    text, original = bounces.cut_original(mail.human())
    subject = mail.header("subject")
    failed_header = addresses(mail.header("x-failed-recipients"))
    if not failed_header and not _is_failure(mail, subject, text):
        return None
    originals = bounces.original_recipients(original) or _headed_recipients(mail)
    named = bounces.find(text, _senders(mail), originals)
    words = {each.recipient.lower(): each.words for each in named}
    alone_written = originals if len(originals) == 1 else []
    recipients = failed_header or [each.recipient for each in named] or _in_subject(mail, subject) or alone_written
    if not recipients and not wordings.DAEMON.search(mail.header("from")):
        return None
    delayed = _is_delay(subject, text)
    action, status = ("delayed", "4.0.0") if delayed else ("failed", None)
    alone = text if len(recipients) == 1 else ""
    found = tuple(
        _judged(each, action, status, [words.get(each.lower(), ""), alone, subject], rules)
        for each in recipients[:_MOST_RECIPIENTS]
    )
    return Report("delay" if delayed else "bounce", found)


def _is_failure(mail: Mail, subject: str, text: str) -> bool:
    """Whether a mail without a standard report tells of a failure."""
    machine = bool(wordings.DAEMON.search(mail.header("from"))) or _has_null_sender(mail)
    about_failure = bool(wordings.FAILURE_SUBJECT.search(subject)) or bool(wordings.DELAY_SUBJECT.search(subject))
    speaks = bool(wordings.FAILURE_TEXT.search(text))
    if wordings.ABSENCE_SUBJECT.search(subject) and not about_failure:
        return False
    return (machine and (about_failure or speaks)) or (about_failure and speaks)


def _has_null_sender(mail: Mail) -> bool:
    return any(str(mail.head.get(name) or "").strip() == "<>" for name in ("return-path", "x-envelope-from"))


def _is_delay(subject: str, text: str) -> bool:
    hinted = bool(wordings.DELAY.search(text)) or bool(wordings.DELAY_SUBJECT.search(subject))
    return hinted and not wordings.FATAL.search(text)


def _senders(mail: Mail) -> list[str]:
    """Addresses of the sending side: to whom the report went, and who wrote it."""
    values = [mail.header(name) for name in ("to", "from", "return-path", "delivered-to", "x-original-to", "cc")]
    if mail.original is not None:
        values += [decoded(mail.original.get(name)) for name in ("from", "return-path", "sender", "reply-to")]
    return addresses(" ".join(values))


def _in_subject(mail: Mail, subject: str) -> list[str]:
    foreign = {each.lower() for each in _senders(mail)}
    return [each for each in addresses(subject) if each.lower() not in foreign]


def _headed_recipients(mail: Mail) -> list[str]:
    if mail.original is None:
        return []
    return addresses(" ".join(decoded(each) for name in ("to", "cc") for each in mail.original.get_all(name, [])))


def _from_person(mail: Mail) -> Report:
    subject, text = mail.header("subject"), mail.human()[:4000]
    automatic = mail.header("auto-submitted").lower()
    marks = ("x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply", "x-vacation", "x-autogenerated")
    machine = automatic.startswith("auto-replied") or any(name in mail.head for name in marks)
    machine = machine or mail.header("precedence").lower() in ("auto_reply", "auto-reply")
    if wordings.UNSUBSCRIBE_SUBJECT.match(subject) and not machine:
        return Report("unsubscribe", tuple(_plain(each, "unsubscribed") for each in addresses(mail.header("from"))[:1]))
    if machine or wordings.ABSENCE_SUBJECT.search(subject) or wordings.ABSENCE_TEXT.search(text):
        return Report("auto_reply", tuple(_answered(each) for each in addresses(mail.header("from"))[:1]))
    return Report("unknown")


def _answered(recipient: str) -> Recipient:
    return Recipient(recipient, "answered", None, "auto_reply", False, False)


_QUOTES = re.compile(
    r"(?:other server returned was|remote server was|remote host said|reported error|server said|server response)[: ]",
    re.IGNORECASE,
)


def _quoted(text: str) -> str:
    """What the other side said, where the report announces it: its own words around that are about anything."""
    found = _QUOTES.search(text)
    return text[found.end() : found.end() + 2000] if found else ""


def _judged(recipient: str, action: str, status: str | None, texts: Sequence[str], rules: Sequence[Rule]) -> Recipient:
    """The first text that says something decides; the status alone only when none does."""
    best = None
    for text in [*map(_quoted, texts), *texts]:
        if not text.strip():
            continue
        facts = _facts(text, status, action)
        verdict = judge(facts, rules)
        if best is None or (best.category in _VAGUE and verdict.category not in _VAGUE):
            best, chosen = verdict, facts
        if best.category not in _VAGUE:
            break
    if best is None:
        chosen = _facts("", status, action)
        best = judge(chosen, rules)
    failed = action == "failed"
    shown = status if status and not status.endswith(".0.0") else chosen.enhanced or status
    return Recipient(
        recipient,
        action,
        shown or ("5.0.0" if failed else "4.0.0"),
        best.category,
        failed and is_hard(best.category),
        failed and suppresses(best.category),
        texts[0][:500],
    )


def _facts(text: str, status: str | None, action: str) -> Facts:
    """What a text and a status tell together. A report of failure is permanent even where the reply was not."""
    code = _CODE.search(text)
    enhanced = _ENHANCED.search(text)
    told = f"{enhanced[1]}.{int(enhanced[2])}.{int(enhanced[3])}" if enhanced else None
    if status and not status.endswith(".0.0") and (told is None or told.endswith(".0.0")):
        told = status
    told = told or status
    digit = "5" if action == "failed" else "4"
    number = int(code[1]) if code else None
    if number is not None and str(number)[0] != digit:
        number = None
    return Facts(text, number, digit + told[1:] if told else digit + ".0.0", _stage(text))


def _stage(text: str) -> str | None:
    lowered = text.lower()
    if "rcpt to" in lowered or "after rcpt" in lowered:
        return "rcpt"
    if "mail from command" in lowered or "after mail from" in lowered or "in reply to mail" in lowered:
        return "mail"
    if "end of data" in lowered or "data command" in lowered:
        return "dot"
    return None
