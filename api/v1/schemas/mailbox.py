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


class MailLinkOut(out.Out):
    """A link of a mail."""

    url = out.text("Where it leads.", "https://example.com/reset")
    text = out.text("What it says.", "Choose a new password")


class MailAttachmentOut(out.Out):
    """A file in a mail."""

    filename = out.text("Its name.", "invoice.pdf", null=True)
    content_type = out.text("What it is.", "application/pdf")
    size = out.whole("Octets.", 20480)


class MailCheckOut(out.Out):
    """Something that receivers look at."""

    name = out.text("What.", "List-Unsubscribe")
    state = out.text("`ok` or `warning`.", "ok")
    detail = out.text("What was found.", "Recipients can leave with one click.")


class MailWholeOut(MailOut):
    """One captured mail with its parts."""

    message_id = out.ident("msg", "The message it says it was made from.", null=True)
    attachments = out.listed(MailAttachmentOut, "The files in it.")
    links = out.listed(MailLinkOut, "Where its links lead.")
    checks = out.listed(MailCheckOut, "What receivers look at first.")
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
