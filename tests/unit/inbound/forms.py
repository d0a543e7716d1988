"""Samples of returned mail, one per common form, written for these tests from the documented formats."""

from dataclasses import dataclass

_ORIGINAL = """\
Received: from app.example.com (app.example.com [192.0.2.10]) by mx.example.com; Thu, 19 Nov 2026 10:00:00 +0000
Message-ID: <01@example.com>
Date: Thu, 19 Nov 2026 10:00:00 +0000
From: Shop <shop@example.com>
To: {to}
Subject: Your code

1234
"""


@dataclass(frozen=True)
class Form:
    """`recipients` may be several; `original` says how the returned mail is attached: mime, inline or none."""

    name: str
    text: str
    category: str
    recipients: tuple[str, ...] = ("neko@example.net",)
    kind: str = "bounce"
    suppress: bool = False
    sender: str = "Mail Delivery Subsystem <MAILER-DAEMON@mx.example.org>"
    subject: str = "Undelivered Mail Returned to Sender"
    status: str = ""
    original: str = "mime"
    headers: str = ""

    def raw(self) -> bytes:
        head = (
            f"Return-Path: <>\nFrom: {self.sender}\nTo: bounces@example.com\nSubject: {self.subject}\n"
            f"Date: Thu, 19 Nov 2026 10:00:05 +0000\nMIME-Version: 1.0\n{self.headers}"
        )
        returned = _ORIGINAL.format(to=", ".join(self.recipients) or "undisclosed-recipients:;")
        if self.status:
            body = (
                f"--b\nContent-Type: text/plain; charset=utf-8\n\n{self.text}\n"
                f"--b\nContent-Type: message/delivery-status\n\n{self.status}\n"
                f"--b\nContent-Type: message/rfc822\n\n{returned}\n--b--\n"
            )
            kind = 'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        elif self.original == "mime":
            body = (
                f"--b\nContent-Type: text/plain; charset=utf-8\n\n{self.text}\n"
                f"--b\nContent-Type: message/rfc822\n\n{returned}\n--b--\n"
            )
            kind = 'Content-Type: multipart/mixed; boundary="b"\n\n'
        else:
            body = self.text + (f"\n\n{returned}" if self.original == "inline" else "")
            kind = "Content-Type: text/plain; charset=utf-8\n\n"
        return (head + kind + body).encode()


def _dsn(recipient: str, action: str, status: str, diagnostic: str = "", extra: str = "") -> str:
    told = f"Diagnostic-Code: {diagnostic}\n" if diagnostic else ""
    return (
        f"Reporting-MTA: dns; mx.example.org\n\nFinal-Recipient: rfc822; {recipient}\n{extra}"
        f"Action: {action}\nStatus: {status}\n{told}"
    )


N = "neko@example.net"

STANDARD = (
    Form(
        "postfix-unknown",
        f"<{N}>: host mx.example.net[192.0.2.3] said: 550 5.1.1 <{N}>: Recipient address rejected: "
        "User unknown (in reply to RCPT TO command)",
        "invalid_recipient",
        suppress=True,
        status=_dsn(N, "failed", "5.1.1", f"smtp; 550 5.1.1 <{N}>: Recipient address rejected: User unknown"),
    ),
    Form(
        "postfix-delayed",
        "THIS IS A WARNING MESSAGE ONLY.  YOU DO NOT NEED TO RESEND YOUR MESSAGE.",
        "connection",
        kind="delay",
        subject="Delayed Mail (still being retried)",
        status=_dsn(N, "delayed", "4.4.1", "X-Postfix; connect to mx.example.net[192.0.2.3]:25: Connection timed out"),
    ),
    Form(
        "postfix-greylist-expired",
        "delivery temporarily suspended",
        "connection",
        status=_dsn(N, "failed", "4.4.2", "X-Postfix; lost connection with mx.example.net while receiving greeting"),
    ),
    Form(
        "sendmail-full",
        "----- The following addresses had permanent fatal errors -----",
        "mailbox_full",
        status=_dsn(N, "failed", "5.2.2", "SMTP; 552 5.2.2 Over quota"),
    ),
    Form(
        "exchange-notfound",
        "Your message wasn't delivered to anyone because the address couldn't be found.",
        "invalid_recipient",
        suppress=True,
        sender="Microsoft Outlook <postmaster@example.net>",
        subject="Undeliverable: Your code",
        status=_dsn(N, "failed", "5.1.10", "smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found"),
    ),
    Form(
        "gmail-full",
        "The recipient's inbox is out of storage space.",
        "mailbox_full",
        sender="Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
        subject="Delivery Status Notification (Failure)",
        status=_dsn(
            N,
            "failed",
            "5.2.2",
            "smtp; 552-5.2.2 The recipient's inbox is out of storage space. Please direct"
            " the recipient to\n 552 5.2.2 https://support.example/ - gsmtp",
        ),
    ),
    Form("status-only", "", "bad_domain", status=_dsn(N, "failed", "5.1.2")),
    Form(
        "two-recipients",
        "",
        "invalid_recipient",
        recipients=("a@example.net", "b@example.net"),
        suppress=True,
        status=_dsn("a@example.net", "failed", "5.1.1", "smtp; 550 5.1.1 no such user")
        + "\nFinal-Recipient: rfc822; b@example.net\nAction: failed\nStatus: 5.1.1\n",
    ),
    Form(
        "spam-refused", "", "content", status=_dsn(N, "failed", "5.7.1", "smtp; 554 5.7.1 Message classified as spam")
    ),
    Form(
        "blocked",
        "",
        "reputation",
        status=_dsn(
            N,
            "failed",
            "5.7.1",
            "smtp; 550 5.7.1 Service unavailable, client [192.0.2.1] blocked using zen.spamhaus.org",
        ),
    ),
)

QMAIL = (
    Form(
        "qmail",
        "Hi. This is the qmail-send program at mx.example.org.\nI'm afraid I wasn't able to deliver your "
        "message to the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n"
        f"<{N}>:\n192.0.2.3 does not like recipient.\nRemote host said: 550 5.1.1 <{N}>... User unknown\n"
        "Giving up on 192.0.2.3.\n\n--- Below this line is a copy of the message.\n",
        "invalid_recipient",
        suppress=True,
        subject="failure notice",
        original="inline",
    ),
    Form(
        "qmail-full",
        "Hi. This is the qmail-send program at mx.example.org.\n\n"
        f"<{N}>:\nThe users mailfolder is over the allowed quota (size). (#5.2.2)\n\n"
        "--- Below this line is a copy of the message.\n",
        "mailbox_full",
        subject="failure notice",
        original="inline",
    ),
    Form(
        "qmail-nohost",
        f"Hi. This is the qmail-send program at mx.example.org.\n\n<{N}>:\nSorry, I couldn't find any "
        "host named example.net. (#5.1.2)\n\n--- Below this line is a copy of the message.\n",
        "bad_domain",
        subject="failure notice",
        original="inline",
    ),
)

EXIM = (
    Form(
        "exim",
        "This message was created automatically by mail delivery software.\n\nA message that you sent could not "
        "be delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n"
        f"  {N}\n    SMTP error from remote mail server after RCPT TO:<{N}>:\n    host mx.example.net [192.0.2.3]: 550 "
        "5.1.1 User unknown\n\n------ This is a copy of the message, including all the headers. ------\n",
        "invalid_recipient",
        suppress=True,
        subject="Mail delivery failed: returning message to sender",
        original="inline",
        headers=f"X-Failed-Recipients: {N}\nAuto-Submitted: auto-replied\n",
    ),
    Form(
        "exim-delay",
        "This message was created automatically by mail delivery software.\nA message that you sent has not "
        "yet been delivered to one or more of its\nrecipients after more than 24 hours on the queue on mx.example.org.\n\n"
        f"The address to which the message has not yet been delivered is:\n\n  {N}\n    Delay reason: Connection timed "
        "out\n\nNo action is required on your part. Delivery attempts will continue for\nsome time.\n",
        "connection",
        kind="delay",
        subject="Warning: message 1abc delayed 24 hours",
        original="none",
    ),
    Form(
        "gmx",
        "This message was created automatically by mail delivery software.\n\nA message that you sent could not be "
        "delivered to one or more of\nits recipients. This is a permanent error. The following address\nfailed:\n\n"
        f'"{N}":\nSMTP error from remote server after RCPT command:\nhost: mx.example.net\n5.1.1 <{N}> ... User is '
        "unknown {mx-us011}\n\n--- The header of the original message is following. ---\n\n",
        "invalid_recipient",
        suppress=True,
        original="inline",
    ),
)

SENDMAIL = (
    Form(
        "sendmail-old",
        "   ----- Transcript of session follows -----\nWhile talking to mx.example.net:\n"
        f">>> RCPT To:<{N}>\n<<< 550 {N}... User unknown\n550 <{N}>... User unknown\n\n"
        "   ----- Unsent message follows -----\n",
        "invalid_recipient",
        suppress=True,
        subject="Returned mail: User unknown",
        original="inline",
    ),
    Form(
        "sendmail-8",
        "The original message was received at Thu, 19 Nov 2026 10:00:00 GMT\nfrom app.example.com\n\n"
        f"   ----- The following addresses had permanent fatal errors -----\n<{N}>\n\n"
        "   ----- Transcript of session follows -----\n... while talking to mx.example.net.:\n>>> DATA\n"
        f"<<< 550 5.1.1 <{N}>... User unknown\n",
        "invalid_recipient",
        suppress=True,
        subject="Returned mail: see transcript for details",
        original="none",
    ),
    Form(
        "sendmail-warning",
        "    **********************************************\n    **      THIS IS A WARNING MESSAGE ONLY "
        "     **\n    **  YOU DO NOT NEED TO RESEND YOUR MESSAGE  **\n\n   ----- The following addresses had transient "
        f"non-fatal errors -----\n<{N}>\n\n   ----- Transcript of session follows -----\n<{N}>... Deferred: Connection "
        "refused by mx.example.net.\n",
        "connection",
        kind="delay",
        subject="Warning: could not send message for past 4 hours",
        original="none",
    ),
)

MICROSOFT = (
    Form(
        "exchange-2003",
        "Your message\n\n      To:      neko@example.net\n      Subject: Your code\n      Sent:    Thu, 19 "
        f"Nov 2026 10:00:00 +0000\n\ndid not reach the following recipient(s):\n\n{N} on Thu, 19 Nov 2026 10:00:05 +0000\n"
        "    The recipient name is not recognized\n\tThe MTS-ID of the original message is: c=us;a= ;p=example;l=X\n"
        "    MSEXCH:IMS:EXAMPLE:SITE:MX 0 (000C05A6) Unknown Recipient\n",
        "invalid_recipient",
        suppress=True,
        sender="System Administrator <postmaster@example.net>",
        subject="Undeliverable: Your code",
        original="mime",
    ),
    Form(
        "hotmail",
        "This is an automatically generated Delivery Status Notification.\n\nDelivery to the following recipients "
        f"failed.\n\n       {N}\n\n",
        "undetermined",
        sender="postmaster@hotmail.example",
        subject="Delivery Status Notification (Failure)",
    ),
    Form(
        "office365-html",
        f"Your message to {N} couldn't be delivered.\n\nneko wasn't found at example.net.\n",
        "invalid_recipient",
        suppress=True,
        sender="Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.com>",
        subject="Undeliverable: Your code",
        original="none",
    ),
)

OTHERS = (
    Form(
        "google-old",
        f"Delivery to the following recipient failed permanently:\n\n     {N}\n\nTechnical details of permanent "
        "failure: \nGoogle tried to deliver your message, but it was rejected by the recipient domain. The error that the "
        "other server returned was: 550 550 5.2.1 account disabled (state 14).\n\n   ----- Original message -----\n",
        "mailbox_disabled",
        suppress=True,
        sender="Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
        subject="Delivery Status Notification (Failure)",
        original="inline",
    ),
    Form(
        "yahoo-old",
        "Message from  mail.example.org.\nUnable to deliver message to the following address(es).\n\n"
        f"<{N}>:\nThis user doesn't have a example.net account ({N}) [-5]\n\n--- Original message follows.\n\n",
        "invalid_recipient",
        suppress=True,
        subject="failure delivery",
        original="inline",
    ),
    Form(
        "domino",
        f"Your message\n\n  Subject: Your code\n\nwas not delivered to:\n\n  {N}\n\nbecause:\n\n  User neko "
        f"({N}) not listed in Domino Directory\n",
        "invalid_recipient",
        suppress=True,
        sender="Postmaster@example.net",
        subject="DELIVERY FAILURE: User neko not listed in Domino Directory",
        original="mime",
    ),
    Form(
        "notes",
        f"------- Failure Reasons  --------\n\nUser not listed in public Name & Address Book\n{N}\n\n"
        "------- Returned Message --------\n\n",
        "invalid_recipient",
        suppress=True,
        sender="postmaster@example.net",
        subject="DELIVERY FAILURE",
        original="inline",
    ),
    Form(
        "groupwise",
        "The message that you sent was undeliverable to the following:\n\tneko@example.net (user not found)\n",
        "invalid_recipient",
        suppress=True,
        subject="Message status - undeliverable",
    ),
    Form(
        "courier",
        "This is a delivery status notification from mx.example.org,\nrunning the Courier mail server.\n\n"
        "                           UNDELIVERABLE MAIL\n\nYour message to the following recipients cannot be delivered:\n\n"
        f"<{N}>:\n    mx.example.net [192.0.2.3]:\n>>> RCPT TO:<{N}>\n<<< 550 5.1.1 User unknown\n",
        "invalid_recipient",
        suppress=True,
        subject="NOTICE: mail delivery status.",
    ),
    Form(
        "imail",
        f"Unknown user: {N}\n\nOriginal message follows.\n\n",
        "invalid_recipient",
        suppress=True,
        sender="Postmaster@example.net",
        subject="Undeliverable Mail",
        original="inline",
    ),
    Form(
        "iplanet",
        f"This report relates to a message you sent with the following header fields:\n\n  Subject: Your code\n\n"
        f"Your message cannot be delivered to the following recipients:\n\n  Recipient address: {N}\n  Reason: Remote SMTP "
        "server has rejected address\n  Diagnostic code: smtp;550 5.1.1 unknown or illegal alias\n",
        "invalid_recipient",
        suppress=True,
        sender="Internet Mail Delivery <postmaster@example.net>",
        subject="Delivery Notification: Delivery has failed",
    ),
    Form(
        "surfcontrol",
        f"Your message could not be sent.\nA transcript of the attempts to send the message follows.\nThe number "
        f"of attempts made: 1\nAddressed To: {N}\n\nThu, 19 Nov 2026 10:00:00 +0000\nFailed to send to identified host,\n"
        f"{N}: [192.0.2.3], 550 {N}... No such user\n",
        "invalid_recipient",
        suppress=True,
        subject="Message could not be sent",
    ),
    Form(
        "mailmarshal",
        "Your message:\n   From:    shop@example.com\n   Subject: Your code\nCould not be delivered because of\n\n"
        f"550 5.1.1 User unknown\n\nThe following recipients were affected: \n    {N}\n",
        "invalid_recipient",
        suppress=True,
        sender="MailMarshal <postmaster@example.net>",
        subject="Undeliverable message: Your code",
    ),
    Form(
        "netscape",
        "This Message was undeliverable due to the following reason:\n\nThe following destination addresses were "
        f"unknown (please check\nthe addresses and re-mail the message):\n\nSMTP <{N}>\n\nPlease reply to "
        "Postmaster@mx.example.org\nif you feel this message to be in error.\n",
        "invalid_recipient",
        suppress=True,
        subject="Mail System Error - Returned Mail",
    ),
    Form(
        "amazon",
        f"An error occurred while trying to deliver the mail to the following recipients:\n{N}\n",
        "undetermined",
        subject="Delivery Status Notification (Failure)",
    ),
)

JAPAN = (
    Form(
        "ezweb",
        f"The user(s) account is disabled.\n\n<{N}>: 550 user unknown (in reply to RCPT TO command)\n\n",
        "invalid_recipient",
        suppress=True,
        sender="Postmaster@ezweb.ne.jp",
        subject="Mail System Error - Returned Mail",
        original="none",
    ),
    Form(
        "ezweb-remote",
        "Each of the following recipients was rejected by a remote\nmail server.\n\n"
        f"    Recipient: <{N}>\n    >>> RCPT TO:<{N}>\n    <<< 550 <{N}>: User unknown\n",
        "invalid_recipient",
        suppress=True,
        sender="Postmaster@ezweb.ne.jp",
        subject="Mail System Error - Returned Mail",
        original="none",
    ),
    Form(
        "kddi",
        f"Your mail sent on: Thu, 19 Nov 2026 19:00:00 +0900\n\n    Could not be delivered to: <{N}>\n    As their "
        "mailbox is full.\n",
        "mailbox_full",
        sender="no-reply@app.auone-net.jp",
        subject="Mail delivery failed",
        original="none",
    ),
    Form(
        "biglobe",
        f"   ----- The following addresses had delivery problems -----\n{N}\n\n   ----- Non-delivered information "
        "-----\nThe number of messages in recipient's mailbox exceeded the local limit.\n",
        "mailbox_full",
        sender="postmaster@biglobe.ne.jp",
        subject="Returned mail: see transcript for details",
    ),
    Form(
        "docomo",
        f"<{N}>: host mfsmax.docomo.ne.jp said: 550 Unknown user {N} (in reply to end of DATA command)",
        "invalid_recipient",
        suppress=True,
        status=_dsn(N, "failed", "5.0.0", f"smtp; 550 Unknown user {N}"),
    ),
    Form(
        "softbank",
        f"<{N}>: host mx.softbank.ne.jp said: 550 Invalid recipient: <{N}> (in reply to RCPT TO command)",
        "invalid_recipient",
        suppress=True,
        status=_dsn(N, "failed", "5.0.0", f"smtp; 550 Invalid recipient: <{N}>"),
    ),
    Form(
        "mfilter",
        f"[メールサーバーからのお知らせ]\n以下の宛先にメールを送信できませんでした。\n\n-------server message\n550 5.1.1 "
        f"unknown user <{N}>\n\n-------SMTP command\nRCPT TO:<{N}>\n\n-------original message\n",
        "invalid_recipient",
        suppress=True,
        sender="m-FILTER <postmaster@example.jp>",
        subject="=?UTF-8?B?6YCB5L+h44Ko44Op44O8?=",
        original="inline",
    ),
)

PEOPLE = (
    Form(
        "vacation",
        "I am out of the office until Monday.",
        "auto_reply",
        recipients=("inu@example.net",),
        kind="auto_reply",
        sender="Inu <inu@example.net>",
        subject="Out of Office: Your code",
        headers="Auto-Submitted: auto-replied\n",
        original="none",
    ),
    Form(
        "unsubscribe",
        "unsubscribe",
        "undetermined",
        recipients=("inu@example.net",),
        kind="unsubscribe",
        sender="Inu <inu@example.net>",
        subject="unsubscribe",
        original="none",
    ),
    Form(
        "letter",
        "Hello, where is my order?",
        "undetermined",
        recipients=(),
        kind="unknown",
        sender="Inu <inu@example.net>",
        subject="A question",
        original="none",
    ),
)

FORMS = (*STANDARD, *QMAIL, *EXIM, *SENDMAIL, *MICROSOFT, *OTHERS, *JAPAN, *PEOPLE)
