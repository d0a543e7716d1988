"""Twenty-five receivers that mean no good, each with the state in which mail to it must end (threat B7).

Behaviours are scripts for `scripted.Scripted`. Times are those of `QUICK`, the deadlines the test runs with.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.fakes.certificates import localhost
from tests.fakes.scripted import (
    BANNER,
    Content,
    Deaf,
    Drip,
    Drop,
    Expect,
    Flood,
    Raw,
    Reset,
    Say,
    StartTls,
    Step,
    hello,
)

MEGABYTE = 1 << 20
_TO_DATA = (Expect("MAIL"), Expect("RCPT"), Expect("DATA", "354 go on"))
_TO_END = (*_TO_DATA, Content(""))


@dataclass(frozen=True, slots=True)
class Hostile:
    """`ends` is kind, stage and category of the outcome. `tls`: what the source demands. `big`: a mail of 8 MB."""

    name: str
    script: Sequence[Step]
    ends: tuple[str, str, str]
    tls: str = "none"
    big: bool = False


def _hostile(
    name: str,
    *script: Step,
    ends: tuple[str, str, str],
    tls: str = "none",
    big: bool = False,
) -> Hostile:
    return Hostile(name, script, ends, tls, big)


RECEIVERS = (
    _hostile("greets with 10 MB on one line", Flood(b"2" * MEGABYTE, 10), ends=("deferred", "banner", "connection")),
    _hostile(
        "greets without end", Flood(b"220-welcome to the endless greeting\r\n" * 1000, 100),
        ends=("deferred", "banner", "connection"),
    ),
    _hostile("greets byte by byte", Drip(b"220 ", 0.2, 100), ends=("deferred", "banner", "connection")),
    _hostile("says nothing", Deaf(), ends=("deferred", "banner", "connection")),
    _hostile("hangs up at once", Drop(), ends=("deferred", "banner", "connection")),
    _hostile("resets at once", Reset(), ends=("deferred", "banner", "connection")),
    _hostile("is a web server", Raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"), ends=("deferred", "banner", "connection")),
    _hostile("greets with 354", Say("354 go on"), ends=("deferred", "banner", "protocol")),
    _hostile("greets with 554", Say("554 5.7.1 not you"), ends=("deferred", "banner", "policy")),
    _hostile(
        "offers extensions without end", BANNER, Expect("EHLO", ""), Flood(b"250-X-MORE\r\n" * 1000, 10),
        ends=("deferred", "ehlo", "connection"),
    ),
    _hostile(
        "changes its mind within one reply", BANNER, Expect("EHLO", "250-scripted\r\n550 no"),
        ends=("deferred", "ehlo", "connection"),
    ),
    _hostile(
        "shakes hands with garbage", *hello("STARTTLS"), Expect("STARTTLS", "220 go"), Raw(b"\x15\x03garbage" * 9),
        ends=("deferred", "tls", "tls"), tls="encrypted",
    ),
    _hostile(
        "never finishes the handshake", *hello("STARTTLS"), Expect("STARTTLS", "220 go"), Deaf(),
        ends=("deferred", "tls", "tls"), tls="encrypted",
    ),
    _hostile(
        "slips a command's answer in before TLS", *hello("STARTTLS"),
        Expect("STARTTLS", "220 go\r\n250-injected\r\n250 AUTH PLAIN"),
        ends=("deferred", "tls", "tls"), tls="encrypted",
    ),
    _hostile(
        "forgets its TLS behind the handshake", *hello("STARTTLS"), Expect("STARTTLS", "220 go"),
        StartTls(localhost().server_context()), Drop(), ends=("deferred", "ehlo", "connection"), tls="encrypted",
    ),
    _hostile("answers MAIL with 354", *hello(), Expect("MAIL", "354 go on"), ends=("deferred", "mail", "protocol")),
    _hostile(
        "answers RCPT with 10 MB", *hello(), Expect("MAIL"), Expect("RCPT", ""), Flood(b"250 " + b"x" * MEGABYTE, 10),
        ends=("deferred", "rcpt", "connection"),
    ),
    _hostile(
        "answers DATA with 250", *hello(), Expect("MAIL"), Expect("RCPT"), Expect("DATA", "250 go on"),
        ends=("deferred", "data", "protocol"),
    ),
    _hostile(
        "answers what was not asked", *hello("PIPELINING"), Expect("MAIL"), Expect("RCPT", "250 ok\r\n250 ok"),
        Expect("DATA", "354 go on"), ends=("deferred", "data", "protocol"),
    ),
    _hostile(
        "hangs up in the middle of the mail", *hello(), *_TO_DATA, Reset(), ends=("deferred", "content", "connection"),
        big=True,
    ),
    _hostile("reads no mail", *hello(), *_TO_DATA, Deaf(), ends=("deferred", "content", "connection"), big=True),
    _hostile("resets behind the dot", *hello(), *_TO_END, Reset(), ends=("unknown", "dot", "connection")),
    _hostile("says nothing behind the dot", *hello(), *_TO_END, Deaf(), ends=("unknown", "dot", "connection")),
    _hostile(
        "answers the dot without end", *hello(), *_TO_END, Flood(b"250-taken, and more\r\n" * 1000, 10),
        ends=("unknown", "dot", "connection"),
    ),
    _hostile(
        "answers the dot with 354", *hello(), *_TO_DATA, Content("354 go on"), ends=("unknown", "dot", "connection")
    ),
)  # fmt: skip
"""Mail to none of them is ever called delivered or bounced, and none holds a worker beyond its deadlines."""
