"""Bounces that are no standard reports: which recipients a text names, and what it says of each.

Mail systems word their failures in a hundred ways, but they show a failed address in few places: at the
start of a line, after an introduction, in a command they sent, after a label, in a sentence. A place is
worth more the less likely another address stands there; only the best places of a text count.

Never here: MIME, or what a failure means.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from common.domain.inbound.mails import addresses, head_of

_LOCAL = r"A-Za-z0-9.!#$%&*+/=?^_`{|}~-"
_A = rf"(?<![{_LOCAL}])[{_LOCAL}]['{_LOCAL}]{{0,63}}@[A-Za-z0-9.-]{{1,255}}"
_INTRODUCTION = re.compile(
    r"following (?:e-?mail )?(?:address|recipient|user|destination|mailbox|person|message|part|forward)"
    r"|(?:recipient|address)(?:e?s|\(e?s\))? (?:below|listed)|did(?:n't| not) reach|list of failed recipients"
    r"|(?:not|n't|failed to) (?:be )?deliver(?:ed|y)? to|(?:failed|affected) recipients?|to the following"
    r"|unable to (?:deliver|send)|undeliverable|unzustellbar|had (?:permanent|delivery|transient)"
    r"|(?:were|was) (?:affected|not delivered)|failure reasons|address(?:es|\(es\))? (?:that )?failed"
    r"|delivery (?:errors|problems|failed|to these)|could(?:n't| not) be delivered|(?:can(?:not|'t)) be delivered"
    r"|rejected by|message wasn't delivered|error\(s\)|mail could not|not delivered|permanent failure"
    r"|nicht zugestellt|n'a pas pu|pas (?:été|pu être) (?:remis|distribu)|no se (?:pudo|ha podido)|non (?:è|e') stato"
    r"|n[aã]o (?:p[oô]de|foi)|以下の|次の(?:宛先|受信者|アドレス|あて先)|配信できま|送信できま|届けられま|配送できま",
    re.IGNORECASE,
)
_AT_START = re.compile(
    rf"[ \t>*+\"'(\[-]{{0,12}}(?:\"[^\"<>]{{0,80}}\"[ \t]*|[\w.,' -]{{0,60}}[ \t])?<?({_A})>?", re.IGNORECASE
)
_LONE = re.compile(
    rf"[ \t>*+\"'(\[<-]{{0,16}}({_A})[\"'>)\]]{{0,3}}[ \t]*"
    r"(?:$|[:;,(\[]|\.\.\.|\.?$|-|on \w|in \w|unknown|mailbox|invalid|=)",
    re.IGNORECASE,
)
_COMMAND = re.compile(rf"\bRCPT TO:[ \t]{{0,4}}<?({_A})", re.IGNORECASE)
_LABEL = re.compile(
    r"(?:recipient|addressee|addressed to|receiver|failed|user(?:id)?|address|mailbox|destination|mail to|smtp"
    r"|deliver to|unknown user|no such user|宛先|受信者|あて先"
    r"|收件人|收件者|받는 ?사람|수신자|получател\w*|destinataire|destinatario|empf(?:ä|ae)nger)"
    rf"[^:=<@\n]{{0,40}}[:=]?[ \t]{{0,8}}[\"'(\[]?<?(?:mailto:)?({_A})",
    re.IGNORECASE,
)
_SENTENCE = re.compile(
    rf"(?:deliver(?:ed|y|ing)?|mail|message|sent?|sending|address(?:ed)?|reach|undeliverable|user|account|recipient)"
    rf"[^@\n]{{0,60}}?\b(?:to|for|of|from user|an|à|a)[ :]{{1,3}}[\"'<(\[]{{0,2}}({_A})",
    re.IGNORECASE,
)
_REPLY = re.compile(r"(?:^|[\s:<])[45]\d\d[ -]")
_NOT_A_RECIPIENT = re.compile(
    r"message-?id|mts-id|references|\bcontact\b|please (?:send|contact|forward)|for (?:further )?(?:assistance|help)"
    r"|mail from:|^\s*>?\s*from:|reply-to:|return-path|sender:|postmaster if|questions|https?:|abuse@|wrote:|^\s*by ",
    re.IGNORECASE,
)
_MARKER = re.compile(
    r"original (?:message|mail)|returned (?:message|mail)|message headers?|unsent message|undelivered message"
    r"|message text|text of (?:the|your) message|copy of (?:the|your|this) message|below this line|message follows"
    r"|your message (?:is|follows|was)|forwarded message|mail (?:as )?follows|included (?:message|mail)"
    r"|start of (?:the )?(?:original|returned)|(?:headers?|body) of (?:the|your)|-- ?message|元のメッセージ|元メール",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"(?:>? ?)(Received|Return-Path|Message-ID|MIME-Version|From|To|Subject|Date|X-[\w-]{1,40}):", re.I
)
_SURE_HEADERS = frozenset({"received", "return-path", "message-id", "mime-version"})
_DAEMONS = re.compile(
    r"(?:mailer-?daemon|postmaster|mail-?daemon|mailadmin|hostmaster|root|abuse|support|help-?desk|no-?reply"
    r"|do-?not-?reply|administrator|mailerdaemon|mdaemon|double-?bounce)@",
    re.IGNORECASE,
)
MOST_LINES = 1500
MOST_LINE = 1000


@dataclass(frozen=True, slots=True)
class Named:
    """A recipient a text names, and the lines that speak of it."""

    recipient: str
    words: str


def cut_original(text: str) -> tuple[str, str]:
    """The report's own words, and the returned mail that follows them (empty when none is found)."""
    lines = text.splitlines()[:MOST_LINES]
    for number, line in enumerate(lines):
        if _starts_original(lines, number) or (
            _MARKER.search(line[:MOST_LINE])
            and any(_starts_original(lines, each, least=1) for each in range(number + 1, min(number + 6, len(lines))))
        ):
            start = number if _HEADER.match(line) else number + 1
            return "\n".join(lines[:number]), "\n".join(lines[start:])
    return "\n".join(lines), ""


def original_recipients(original: str) -> list[str]:
    """The addresses in To and Cc of a returned mail."""
    head = head_of(original)
    if head is None:
        return []
    return addresses(" ".join(str(each) for name in ("to", "cc") for each in head.get_all(name, [])))


def find(text: str, senders: Iterable[str], originals: Iterable[str]) -> list[Named]:
    """The failed recipients that `text` names. `senders` are no recipients; `originals` were written to."""
    lines = [line[:MOST_LINE] for line in text.splitlines()[:MOST_LINES]]
    known = {each.lower() for each in originals}
    foreign = {each.lower() for each in senders} - known
    found: dict[str, tuple[int, str, int]] = {}
    for number, score, address in _candidates(lines):
        address = address.strip(".'")
        key = address.lower()
        if key in foreign or (_DAEMONS.match(address) and key not in known) or "." not in key.partition("@")[2]:
            continue
        if key not in found or score > found[key][0]:
            found[key] = (score, address, number)
    if not found:
        return []
    best = max(score for score, _, _ in found.values())
    kept = [(address, number) for score, address, number in found.values() if score >= min(best, 4)]
    kept.sort(key=lambda each: each[1])
    ends = [number for _, number in kept[1:]] + [len(lines)]
    return [Named(address, _words(lines, number, end)) for (address, number), end in zip(kept, ends, strict=True)]


def _candidates(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    """Line number, worth of the place (1 to 6), address."""
    since: int | None = None
    for number, line in enumerate(lines):
        if _INTRODUCTION.search(line):
            since = number
        elif since is not None and number - since > 14:
            since = None
        if "@" not in line or _NOT_A_RECIPIENT.search(line):
            continue
        places = list(_places(line, since is not None, since == number))
        yield from ((number, worth, address) for worth, address in places)
        if since is not None and any(worth >= 5 for worth, _ in places):
            since = number


def _places(line: str, introduced: bool, introduces: bool) -> Iterator[tuple[int, str]]:
    """The addresses of one line, each with what its place is worth."""
    lone, start = _LONE.match(line), _AT_START.match(line)
    if lone:
        yield 6 if introduced else 5, lone[1]
    elif start and introduced and not introduces:
        yield 5, start[1]
    for pattern, worth in ((_COMMAND, 5), (_LABEL, 4), (_SENTENCE, 3)):
        for address in pattern.findall(line):
            yield worth, address
    for address in () if lone or (start and introduced) else addresses(line):
        yield 2 if _REPLY.search(line) else 1, address


def _words(lines: list[str], number: int, end: int) -> str:
    """A recipient's own lines: up to the next one, and the line before when the address stands alone."""
    before = lines[number - 1] if number and lines[number - 1].strip() and "@" not in lines[number - 1] else ""
    return " ".join(" ".join([before, *lines[number : min(end, number + 15)]]).split())


def _starts_original(lines: list[str], number: int, least: int = 2) -> bool:
    """Whether a header block of a mail begins here."""
    names = []
    for line in lines[number : number + 12]:
        found = _HEADER.match(line)
        if found:
            names.append(found[1].lower())
        elif line[:1] not in (" ", "\t", ">"):
            break
    sure = any(name in _SURE_HEADERS for name in names)
    return len(names) >= least and (sure or len(set(names)) >= 4 or (least == 1 and len(set(names)) >= 2))
