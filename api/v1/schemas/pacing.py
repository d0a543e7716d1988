"""The shapes of pacing: places where mail waits, and automations."""

from api.v1.schemas import out


class ActionOut(out.Out):
    """What an automation does."""

    what = out.text("In words.", "10 mails a minute at most for 30 minutes")
    messages_per_minute = out.number("At most so many mails a minute.", 10.0, null=True)
    connections = out.whole("At most so many connections at once.", 1, null=True)
    suspend = out.flag("Whether nothing is sent at all.")


class AutomationOut(out.Out):
    """A source slowed at a place for a while, because of what the provider said."""

    id = out.ident("aut", "Its id.")
    source = out.text("The way out that is slowed.", "direct")
    place = out.text("The provider or the site.", "google")
    rule = out.text("Which rule set it off.", "google-unusual-rate")
    action = out.nested(ActionOut, "What it does.")
    reason = out.text("The replies that set it off.", "2 such replies within an hour, the last: 421 unusual rate")
    since = out.moment("When it began.")
    expires_at = out.moment("When it ends by itself.")
    lifted_at = out.moment("When somebody ended it.", null=True)


class PlaceOut(out.Out):
    """A place where mail waits for a slot."""

    source = out.text("The way out.", "direct", null=True)
    tier = out.text("The tier of what waits.", "bulk")
    waiting = out.whole("How many messages wait.", 120)
    detail = out.text("Why, as it was told to the one that waits longest.", "Pacing of google: others wait before it.")
    oldest_since = out.moment("Since when the first of them waits.")
    next_attempt_at = out.moment("When the first of them looks again at the latest.")


class PacingOut(out.Out):
    """What waits, and what is slowed."""

    places = out.listed(PlaceOut, "Where mail waits for a slot, by source, place and tier; at most 100.")
    automations = out.listed(AutomationOut, "The automations that hold now; at most 100.")
