"""Upstream relays by profile: the facts of each, as its own documentation gives them. One table, pure.

A profile fills what a source leaves out. Never here: credentials or connections.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """`tls` is required (STARTTLS) or implicit. `username` says what its user name is, `password` what its
    password is; `fixed_username` when it is the same for everybody. `per_second` and `per_day` are mails, 0
    where the provider publishes none. `rewrites_sender`: it takes mail only from the account's own addresses.
    `signs`: who adds the DKIM signature that counts."""

    name: str
    title: str
    host: str = ""
    port: int = 587
    tls: str = "required"
    username: str = "the user name that the provider gave you"
    password: str = "the password that the provider gave you"
    fixed_username: str | None = None
    per_second: float = 0.0
    per_day: int = 0
    most_mails: int = 100
    most_recipients: int = 100
    rewrites_sender: bool = False
    signs: str = "both"
    quirk: str = ""


PROFILES: dict[str, Profile] = {
    each.name: each
    for each in (
        Profile("generic", "Any SMTP relay", most_mails=1000),
        Profile(
            "gmail",
            "Gmail and Google Workspace",
            "smtp.gmail.com",
            username="your full Gmail address",
            password="an app password of 16 letters; 2-Step Verification must be on",
            per_day=500,
            rewrites_sender=True,
            signs="relay",
            quirk="Workspace accounts have 2,000 a day; a From address that is no alias of the account is replaced.",
        ),
        Profile(
            "outlook",
            "Outlook.com and Hotmail",
            "smtp-mail.outlook.com",
            username="your full Outlook.com address",
            password="an app password; two-step verification must be on",
            per_day=300,
            rewrites_sender=True,
            signs="relay",
            quirk="Microsoft is withdrawing password sign-in for SMTP here: where it is refused with 535 5.7.139, "
            "use another relay.",
        ),
        Profile(
            "office365",
            "Office 365 (Microsoft 365)",
            "smtp.office365.com",
            username="the full address of a licensed mailbox",
            password="its password; SMTP AUTH must be enabled for the mailbox",
            per_second=0.5,
            per_day=10_000,
            most_mails=30,
            rewrites_sender=True,
            signs="relay",
            quirk="30 messages a minute and 3 connections for each mailbox; sending as another address needs SendAs.",
        ),
        Profile(
            "yahoo",
            "Yahoo Mail",
            "smtp.mail.yahoo.com",
            465,
            "implicit",
            username="your full Yahoo address",
            password="an app password made under Account security",
            per_day=500,
            most_mails=20,
            rewrites_sender=True,
            signs="relay",
        ),
        Profile(
            "sendgrid",
            "Twilio SendGrid",
            "smtp.sendgrid.net",
            username="the word apikey",
            password="an API key with the permission Mail Send",
            fixed_username="apikey",
            most_recipients=1000,
        ),
        Profile(
            "ses",
            "Amazon SES",
            "email-smtp.us-east-1.amazonaws.com",
            username="the SMTP user name from the SES console (not the AWS access key)",
            password="the SMTP password from the SES console",
            most_recipients=50,
            quirk="The host names your region. A new account is in the sandbox: verified recipients only, 200 a day, "
            "1 a second. 454 Throttling answers are waits, not failures.",
        ),
        Profile(
            "mailgun",
            "Mailgun",
            "smtp.mailgun.org",
            username="the SMTP login of your sending domain, such as postmaster@mg.example.com",
            password="its SMTP password",
            most_recipients=1000,
            quirk="Domains in the EU region use smtp.eu.mailgun.org.",
        ),
        Profile(
            "postmark",
            "Postmark",
            "smtp.postmarkapp.com",
            username="the access key of a message stream's SMTP token (or the server token)",
            password="the secret of the same token (or the server token again)",
            most_recipients=50,
            quirk="Bulk mail goes through smtp-broadcasts.postmarkapp.com.",
        ),
    )
}


def profile_named(name: str | None) -> Profile:
    """The facts of a profile; the generic ones for None."""
    return PROFILES[name or "generic"]
