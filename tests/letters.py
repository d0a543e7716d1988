"""Random letters from a seed, for tests that hold many mails against other people's parsers."""

import random
from datetime import UTC, datetime, timedelta

from common.domain.ids import encode, new_id
from common.domain.mime import Attachment, Letter

_LINE = (
    "invoice code reset please confirm order 4711 naïve Grüße résumé señor Łódź Ελλάδα Привет مرحبا שלום नमस्ते 注文"
    ' 確認 ご請求書 안녕 🎉 €12,50 a.b x@y.z (note) =?utf-8? 100% "quoted" back\\slash ; : , < > From --=_ .'
)
_WORDS = _LINE.split()
_TYPES = ("application/pdf", "image/png", "text/plain", "text/csv", "application/octet-stream", "message/rfc822")
_FILES = ("a.txt", "résumé final.pdf", "請求書 2026.pdf", 'we"ird;na\\me.bin', "long-" + "n" * 150 + ".png", "100%.csv")


def a_letter(chance: random.Random) -> Letter:
    """One letter of any shape that a message can have."""
    shape = chance.choice(("text", "html", "both", "both", "inline", "attached", "everything"))
    html = None if shape == "text" else f"<p>{_prose(chance)}</p><img src='cid:logo'>"
    text = None if shape == "html" else _prose(chance)
    attachments = []
    if shape in ("inline", "everything"):
        attachments.append(Attachment("logo.png", "image/png", chance.randbytes(chance.randrange(900)), "logo"))
    if shape in ("attached", "everything"):
        attachments += [
            Attachment(chance.choice(_FILES), chance.choice(_TYPES), chance.randbytes(chance.randrange(1, 3000)))
            for _ in range(chance.randrange(1, 4))
        ]
    headers = {"X-Order": _line(chance, 12)} if chance.random() < 0.5 else {}
    if chance.random() < 0.3:
        headers["List-Unsubscribe"] = f"<https://mail.example.com/u/{'t' * chance.randrange(20, 700)}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return Letter(
        message_id=encode("msg", new_id()),
        message_id_domain="example.com",
        created_at=datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=chance.randrange(30_000_000)),
        sender=(_line(chance, 5) if chance.random() < 0.8 else None, "no-reply@example.com"),
        recipient=(_line(chance, 4) if chance.random() < 0.5 else None, "anna@example.net"),
        subject=_line(chance, 25),
        html=html,
        text=text,
        cc=[(_line(chance, 3), f"c{number}@example.org") for number in range(chance.randrange(4))],
        headers=headers,
        attachments=attachments,
    )


def _line(chance: random.Random, most: int) -> str:
    return " ".join(chance.choice(_WORDS) for _ in range(chance.randrange(1, most + 1)))


def _prose(chance: random.Random) -> str:
    lines = [_line(chance, chance.choice((3, 12, 300))) for _ in range(chance.randrange(1, 12))]
    return chance.choice(("\n", "\r\n", "\n\n", " \n")).join(lines)
