"""The shapes of the built-in mailbox."""

from marshmallow import fields

from api.v1.schemas import out


class MailOut(
    out.Out.from_dict(  # type: ignore[misc]
        {
            "id": out.ident("mbx", "Its id."),
            "from": out.text("The envelope's sender; empty for a bounce.", "hello@example.com"),
            "recipient": out.text("The envelope's recipient.", "user@example.com"),
            "subject": out.text("The decoded subject.", "Your code"),
            "received_at": out.moment("When it came."),
            "size": out.whole("Octets of the source.", 1200),
        },
    )
):
    """One captured mail, without its parts."""


class MailWholeOut(MailOut):
    """One captured mail with its parts."""

    text = out.text("The text part.", null=True)
    html = out.text("The HTML part.", null=True)
    headers = out.listed(
        fields.List(
            fields.String(),
            metadata={
                "description": "Name and value.",
                "minItems": 2,
                "examples": [["Subject", "Your code"]],
                "maxItems": 2,
            },
        ),
        "Headers as they stand on the wire, unfolded.",
    )
    source = out.text("The whole mail (RFC 5322).")
