"""The shapes of the audit log."""

from api.v1.schemas import out


class AuthorOut(out.Out):
    """Who did it."""

    kind = out.text("`person` at the dashboard, `key` by the API, `command` on the server's command line.", "person")
    name = out.text("Their address, the key's name, or who ran the command.", "ada@example.com")
    key_id = out.ident("key", "The key that was used; for a person their own hidden one.", null=True)
    user_id = out.ident("usr", "The person.", null=True)


class ChangesOut(out.Out):
    """What was asked for, without secrets, content and what speaks of people."""

    given = out.listed(out.text("A field, dotted where it is nested.", "state"), "Every field that was given.")
    values = out.mapped("Of those the numbers, choices, ids and the like.", {"state": "disabled"})
    made = out.text(
        "The id of what came of it, where that is not the object.", "key_01jq8z4m3hf5v9t2c6w7x8y0ab", null=True
    )


class AuditEntryOut(out.Out):
    """One change. It was written in the transaction of the change."""

    id = out.ident("aud", "The entry's id.")
    created_at = out.moment("When.")
    author = out.nested(AuthorOut, "Who.")
    action = out.text("What, as the operationId in this document; of a command its words.", "change_webhook")
    object_id = out.text("On what: an id, a slug or the name of a queue.", "whk_01jq8z4m3hf5v9t2c6w7x8y0ab", null=True)
    route = out.text("The route, or the command line.", "PATCH /v1/webhooks/{webhook_id}")
    request_id = out.text("The request; null for a command.", "req_01jq8z4m3hf5v9t2c6w7x8y0ab", null=True)
    account_id = out.ident("acc", "The author's account; null for a command of the installation.", null=True)
    environment = out.text("live or test; null for a command.", "live", null=True)
    changes = out.nested(ChangesOut, "What was changed.")
