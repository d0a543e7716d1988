"""Whole returned mails, forty and more for each common mail system, built by one writer for each documented form.

A writer takes what the other side said and who it was about, and answers the mail its system would send. Never here:
mails of others, and what is expected of the reader beyond kind, recipients and category.
"""

from base64 import encodebytes
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.header import Header
from html import escape
from quopri import encodestring


@dataclass(frozen=True)
class Case:
    """What went wrong: the reply of the remote host (or none), its status, and the categories that are right."""

    reply: str
    status: str
    categories: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    raw: bytes
    kind: str
    recipients: tuple[str, ...]
    categories: tuple[str, ...]


CASES = (
    Case(
        "550 5.1.1 <{r}>: Recipient address rejected: User unknown in virtual mailbox table",
        "5.1.1",
        ("invalid_recipient",),
    ),
    Case("550 5.1.1 The email account that you tried to reach does not exist.", "5.1.1", ("invalid_recipient",)),
    Case("550 No such user here", "5.0.0", ("invalid_recipient",)),
    Case("550 5.2.1 The email account that you tried to reach is disabled.", "5.2.1", ("mailbox_disabled",)),
    Case("552 5.2.2 <{r}>: Mailbox full, over quota", "5.2.2", ("mailbox_full",)),
    Case("550 5.7.1 Service unavailable, Client host [192.0.2.10] blocked using Spamhaus", "5.7.1", ("reputation",)),
    Case("554 5.7.1 Message content rejected as spam", "5.7.1", ("content",)),
    Case("552 5.3.4 Message size exceeds fixed limit", "5.3.4", ("too_large",)),
    Case(
        "550 5.7.26 Unauthenticated mail from example.com is not accepted due to the domain's DMARC policy",
        "5.7.26",
        ("sender_auth",),
    ),
    Case("554 5.7.1 <{r}>: Relay access denied", "5.7.1", ("relaying_denied",)),
)
RECIPIENTS = ("neko@example.net", "first.last+tag@mail.example.co.jp", "o_hara-99@sub.example.org", "a@example.com.br")
DAEMON = "Mail Delivery System <MAILER-DAEMON@mx.example.org>"


def original(recipient: str) -> str:
    return (
        "Return-Path: <b1234@bounce.example.com>\nReceived: from app.example.com (app.example.com [192.0.2.10])\n"
        "\tby mx.example.org (Postfix) with ESMTPS id 4F1; Thu, 19 Nov 2026 10:00:00 +0000 (UTC)\n"
        "Message-ID: <01@example.com>\nDate: Thu, 19 Nov 2026 10:00:00 +0000\nFrom: Shop <shop@example.com>\n"
        f"To: {recipient}\nSubject: Your order 1017\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n"
        "Thank you. Questions? Write to help@example.com.\n"
    )


def head(sender: str, subject: str, more: str = "", raw: bool = False) -> str:
    shown = subject if subject.isascii() or raw else Header(subject, "utf-8").encode()
    return (
        f"Return-Path: <>\nReceived: by mx.example.com; Thu, 19 Nov 2026 10:00:07 +0000\nFrom: {sender}\n"
        f"To: b1234@bounce.example.com\nSubject: {shown}\nDate: Thu, 19 Nov 2026 10:00:05 +0000\n"
        f"Message-ID: <bounce@mx.example.org>\nMIME-Version: 1.0\n{more}"
    )


def report(sender: str, subject: str, text: str, status: str, returned: str, more: str = "") -> bytes:
    return (
        head(sender, subject, more)
        + 'Content-Type: multipart/report; report-type=delivery-status;\n\tboundary="=_b/1"\n\n'
        + "This is a MIME report.\n\n"
        + f"--=_b/1\nContent-Type: text/plain; charset=utf-8\n\n{text}\n\n--=_b/1\n"
        + f"Content-Type: message/delivery-status\n\n{status}\n--=_b/1\n"
        + f"Content-Type: message/rfc822\n\n{returned}\n--=_b/1--\n"
    ).encode()


def plain(sender: str, subject: str, text: str, more: str = "", charset: str = "utf-8") -> bytes:
    """`charset` may also be `raw` (the subject in bare octets), `base64` or `html`."""
    top = head(sender, subject, more, charset == "raw")
    if charset in ("utf-8", "raw"):
        return f"{top}Content-Type: text/plain; charset=utf-8\n\n{text}\n".encode()
    if charset == "base64":
        kind = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
        return (top + kind).encode() + encodebytes(f"{text}\n".encode())
    if charset == "html":
        lines = "".join(f"<p>{escape(line)}</p>\r\n" if line else "<br>\n" for line in text.split("\n"))
        page = f"<html><head><style>p {{ margin: 0 }}</style></head><body>{lines}</body></html>"
        kind = "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"
        return (top + kind).encode() + encodestring(page.encode())
    top = head(sender, "?", more).replace("Subject: ?", f"Subject: {Header(subject, charset).encode()}")
    return f"{top}Content-Type: text/plain; charset={charset}\n\n".encode() + f"{text}\n".encode(charset, "replace")


def dsn(
    recipient: str, action: str, status: str, diagnostic: str, mta: str = "dns; mx.example.org", more: str = ""
) -> str:
    return (
        f"Reporting-MTA: {mta}\nArrival-Date: Thu, 19 Nov 2026 10:00:00 +0000 (UTC)\n\n"
        f"Final-Recipient: rfc822; {recipient}\n{more}Action: {action}\nStatus: {status}\n"
        + (f"Diagnostic-Code: {diagnostic}\n" if diagnostic else "")
    )


def postfix(r: str, case: Case, reply: str) -> bytes:
    text = (
        "This is the mail system at host mx.example.org.\n\nI'm sorry to have to inform you that your message "
        "could not\n"
        "be delivered to one or more recipients. It's attached below.\n\nFor further assistance, please send mail to "
        "postmaster.\n\nIf you do so, please include this problem report. You can\ndelete your own text from "
        "the attached "
        f"returned message.\n\n                   The mail system\n\n<{r}>: host mx.example.net[192.0.2.3] "
        f"said: {reply}\n"
        "    (in reply to RCPT TO command)"
    )
    told = dsn(r, "failed", case.status, f"smtp; {reply}", more=f"Original-Recipient: rfc822;{r}\n")
    return report(
        DAEMON, "Undelivered Mail Returned to Sender", text, told, original(r), "Auto-Submitted: auto-replied\n"
    )


def exim(r: str, case: Case, reply: str) -> bytes:
    text = (
        "This message was created automatically by mail delivery software.\n\nA message that you sent could "
        "not be delivered"
        " to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n"
        f"  {r}\n    host mx.example.net [192.0.2.3]\n    SMTP error from remote mail server after RCPT TO:<{r}>:\n"
        f"    {reply}\n\n------ This is a copy of the message, including all the headers. ------\n\n{original(r)}"
    )
    more = f"X-Failed-Recipients: {r}\nAuto-Submitted: auto-replied\n"
    return plain(DAEMON, "Mail delivery failed: returning message to sender", text, more)


def exim_report(r: str, case: Case, reply: str) -> bytes:
    text = (
        "This message was created automatically by mail delivery software.\n\nA message that you sent could "
        "not be delivered"
        f" to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n  {r}\n"
        f"    host mx.example.net [192.0.2.3]\n    SMTP error from remote mail server after end of data:\n    "
        f"{reply}\n"
    )
    told = dsn(r, "failed", "5.0.0", f"smtp; {reply}", more="Remote-MTA: dns; mx.example.net\n")
    return report(DAEMON, "Mail delivery failed: returning message to sender", text, told, original(r))


def sendmail(r: str, case: Case, reply: str) -> bytes:
    text = (
        "The original message was received at Thu, 19 Nov 2026 10:00:00 GMT\nfrom app.example.com [192.0.2.10]\n\n"
        f"   ----- The following addresses had permanent fatal errors -----\n<{r}>\n    (reason: {reply})\n\n"
        f"   ----- Transcript of session follows -----\n... while talking to mx.example.net.:\n>>> RCPT To:<{r}>\n"
        f"<<< {reply}\n550 5.1.1 <{r}>... User unknown\n"
        if case.categories == ("invalid_recipient",)
        else "The original message was received at Thu, 19 Nov 2026 10:00:00 GMT\nfrom app.example.com [192.0.2.10]\n\n"
        f"   ----- The following addresses had permanent fatal errors -----\n<{r}>\n    (reason: {reply})\n\n"
        f"   ----- Transcript of session follows -----\n... while talking to mx.example.net.:\n>>> DATA\n<<< "
        f"{reply}\n"
        "554 5.0.0 Service unavailable\n"
    )
    told = dsn(r, "failed", case.status, f"SMTP; {reply}", more="Remote-MTA: DNS; mx.example.net\n")
    sender = "Mail Delivery Subsystem <MAILER-DAEMON@mx.example.org>"
    more = "Auto-Submitted: auto-generated (failure)\n"
    return report(sender, "Returned mail: see transcript for details", text, told, original(r), more)


def sendmail_bare(r: str, case: Case, reply: str) -> bytes:
    text = (
        "The original message was received at Thu, 19 Nov 2026 10:00:00 GMT from app.example.com [192.0.2.10]\n\n"
        f"   ----- The following addresses had permanent fatal errors -----\n<{r}>\n\n"
        f"   ----- Transcript of session follows -----\n... while talking to mx.example.net.:\n>>> DATA\n<<< "
        f"{reply}\n\n"
        f"   ----- Original message follows -----\n\n{original(r)}"
    )
    return plain("Mail Delivery Subsystem <MAILER-DAEMON@mx.example.org>", "Returned mail: Service unavailable", text)


def qmail(r: str, case: Case, reply: str) -> bytes:
    text = (
        "Hi. This is the qmail-send program at mx.example.org.\nI'm afraid I wasn't able to deliver your "
        "message to the "
        "following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n"
        f"<{r}>:\n192.0.2.3 does not like recipient.\nRemote host said: {reply}\nGiving up on 192.0.2.3.\n\n"
        f"--- Below this line is a copy of the message.\n\n{original(r)}"
    )
    return plain("MAILER-DAEMON@mx.example.org", "failure notice", text)


def courier(r: str, case: Case, reply: str) -> bytes:
    text = (
        "This is a delivery status notification from mx.example.org,\nrunning the Courier mail server, version "
        "1.0.\n\n"
        "The original message was received on Thu, 19 Nov 2026 10:00:00 +0000\nfrom app.example.com "
        "([192.0.2.10])\n\n"
        "---------------------------------------------------------------------------\n\n                           "
        "UNDELIVERABLE MAIL\n\nYour message to the following recipients cannot be delivered:\n\n"
        f"<{r}>:\n    mx.example.net [192.0.2.3]:\n>>> RCPT TO:<{r}>\n<<< {reply}\n\n"
        "---------------------------------------------------------------------------\n\nIf your message was "
        "also sent to "
        "additional recipients, their delivery status is not included.\n"
    )
    told = dsn(r, "failed", case.status if case.status != "5.0.0" else "5.0.0", f"smtp; {reply}")
    sender = '"Courier mail server at mx.example.org" <@mx.example.org>'
    return report(sender, "NOTICE: mail delivery status.", text, told, original(r))


def exchange(r: str, case: Case, reply: str) -> bytes:
    text = (
        f"Delivery has failed to these recipients or groups:\n\n{r}<mailto:{r}>\nA problem occurred during the "
        f"delivery of "
        "this message. Please try to resend it later.\n\nThe following organization rejected your message: "
        f"mx.example.net.\n\n\nDiagnostic information for administrators:\n\nGenerating server: "
        f"EX01.example.org\n\n{r}\n"
        f"mx.example.net #<mx.example.net #{case.status} smtp;{reply}> #SMTP#\n\nOriginal message headers:\n\n"
        f"{original(r)}"
    )
    told = dsn(r, "failed", case.status, f"smtp;{reply}", "dns;EX01.example.org", "X-Display-Name: Neko\n")
    return report(
        "Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.org>",
        "Undeliverable: Your order 1017",
        text,
        told,
        original(r),
    )


def office365(r: str, case: Case, reply: str) -> bytes:
    text = (
        f"[http://products.office.com/en-us/CMSImages/Office365Logo.png?version=1]\nYour message to {r} couldn't be "
        f"delivered.\n\nmx.example.net suspects a problem with your message or its recipient.\n\nb1234 Office 365 "
        "mx.example.net\nSender Action Required\n\nHow to Fix It\nTry to contact the recipient by other means.\n\n"
        "More Info for Email Admins\nStatus code: 550 5.0.350\n\nOriginal Message Details\nCreated Date: 11/19/2026\n"
        f"Sender Address: b1234@bounce.example.com\nRecipient Address: {r}\nSubject: Your order 1017\n\nError "
        f"Details\n"
        f"Reported error: {reply}\nDSN generated by: AM0PR01.eurprd01.prod.outlook.com\n"
    )
    told = dsn(
        r,
        "failed",
        case.status,
        f"smtp;{reply}",
        "dns;AM0PR01.eurprd01.prod.outlook.com",
        "Remote-MTA: dns;mx.example.net\n",
    )
    return report("<postmaster@example.onmicrosoft.com>", "Undeliverable: Your order 1017", text, told, original(r))


def gmail(r: str, case: Case, reply: str) -> bytes:
    text = (
        f"\n** Message not delivered **\n\nThere was a problem delivering your message to {r}. See the "
        f"technical details "
        "below.\n\nLearn more here: https://support.google.com/mail/answer/6596\n\nThe response from the "
        "remote server "
        f"was:\n\n{reply}\n"
    )
    told = dsn(r, "failed", case.status, f"smtp; {reply}", "dns; googlemail.com")
    return report(
        "Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
        "Delivery Status Notification (Failure)",
        text,
        told,
        original(r),
        f"X-Failed-Recipients: {r}\nAuto-Submitted: auto-replied\n",
    )


def gmail_old(r: str, case: Case, reply: str) -> bytes:
    text = (
        f"Delivery to the following recipient failed permanently:\n\n     {r}\n\nTechnical details of "
        f"permanent failure: \n"
        "Google tried to deliver your message, but it was rejected by the server for the recipient domain "
        "example.net by "
        f"mx.example.net. [192.0.2.3].\n\nThe error that the other server returned was:\n{reply}\n\n\n"
        f"   ----- Original message -----\n\n{original(r)}"
    )
    return plain(
        "Mail Delivery Subsystem <mailer-daemon@googlemail.com>",
        "Delivery Status Notification (Failure)",
        text,
        f"X-Failed-Recipients: {r}\n",
    )


def yahoo(r: str, case: Case, reply: str) -> bytes:
    text = (
        f"Sorry, we were unable to deliver your message to the following address.\n\n<{r}>:\n{reply}\n\n"
        f"--- Below this line is a copy of the message.\n\n{original(r)}"
    )
    return plain("MAILER-DAEMON@yahoo.com", "Failure Notice", text)


def outlook(r: str, case: Case, reply: str) -> bytes:
    text = (
        f"This is an automatically generated Delivery Status Notification.\n\nDelivery to the following "
        f"recipients failed."
        f"\n\n       {r}\n\n"
    )
    told = dsn(
        r, "failed", "5.5.0" if case.status == "5.0.0" else case.status, f"smtp;{reply}", "dns;BAY004.hotmail.com"
    )
    return report("postmaster@outlook.com", "Delivery Status Notification (Failure)", text, told, original(r))


def ses(r: str, case: Case, reply: str) -> bytes:
    text = f"An error occurred while trying to deliver the mail to the following recipients:\n{r}\n\n"
    told = dsn(r, "failed", case.status, f"smtp; {reply}", "dns; a8-50.smtp-out.amazonses.com")
    return report("MAILER-DAEMON@amazonses.com", "Delivery Status Notification (Failure)", text, told, original(r))


def domino(r: str, case: Case, reply: str) -> bytes:
    text = f"Your message\n\n  Subject: Your order 1017\n\nwas not delivered to:\n\n  {r}\n\nbecause:\n\n  {reply}\n"
    told = dsn(r, "failed", case.status, f"X-Notes; {reply}", "dns;notes.example.org")
    return report("Postmaster@example.org", f"DELIVERY FAILURE: {reply[:60]}", text, told, original(r))


def x400(r: str, case: Case, reply: str) -> bytes:
    text = (
        "This report relates to a message you sent with the following header fields:\n\n  Message-id: "
        "<01@example.com>\n"
        "  Date: Thu, 19 Nov 2026 10:00:00 +0000\n  From: Shop <shop@example.com>\n  Subject: Your order 1017\n\n"
        f"Your message cannot be delivered to the following recipients:\n\n  Recipient address: {r}\n"
        f"  Original address: {r}\n  Reason: SMTP transmission failure has occurred\n  Diagnostic code: "
        f"smtp;{reply}\n"
        "  Remote system: dns;mx.example.net (TCP|198.51.100.2|37111|192.0.2.3|25)\n"
    )
    told = (
        "Original-envelope-id: 0JX00@mta.example.org\nReporting-MTA: x400; mta in /ADMD=EX/C=US/\n\n"
        f"Original-recipient: rfc822;{r}\nFinal-recipient: X400; /G=Neko/S=Neko/ADMD=EX/C=US/\nAction: failed\n"
        f"Status: {case.status} (Remote SMTP server has rejected address)\nDiagnostic-code: smtp;{reply}\n"
    )
    return report(
        "Internet Mail Delivery <postmaster@mta.example.org>",
        "Delivery Notification: Delivery has failed",
        text,
        told,
        original(r),
    )


def groupwise(r: str, case: Case, reply: str) -> bytes:
    text = f"The message that you sent was undeliverable to the following:\n\t{r} ({reply})\n\n"
    text += "Possibly truncated original message follows:\n"
    return plain("Mailer-Daemon@gw.example.org", "Message status - undeliverable", text + "\n" + original(r))


def mdaemon(r: str, case: Case, reply: str) -> bytes:
    text = (
        "The following data may contain sections which represent BASE64 encoded\nfile attachments.\n\n"
        f"The attached message had PERMANENT fatal delivery errors!\n\nAfter one or more unsuccessful delivery "
        f"attempts the"
        f" attached message has\nbeen removed from the mail queue on this server.\n\nMail delivery error: "
        f"{r}\n\n--- Session "
        f"Transcript ---\n Thu 2026-11-19 10:00:00: <-- 220 mx.example.net ESMTP\n Thu 2026-11-19 10:00:00: --> RCPT "
        f"To:<{r}>\n Thu 2026-11-19 10:00:01: <-- {reply}\n--- End Transcript ---\n\n: Message contains [1] "
        f"file attachments\n"
    )
    return plain("MDaemon@mail.example.org", "Permanent Delivery Failure", text, "X-MDDSN-Message: Yes\n")


def messagelabs(r: str, case: Case, reply: str) -> bytes:
    text = (
        "This is the mail delivery agent at messagelabs.com.\nI was not able to deliver your message to the "
        "following "
        f"addresses.\n\n<{r}>:\n192.0.2.3 does not like recipient.\nRemote host said: {reply}\n\n"
        f"--- Below this line is a copy of the message.\n\n{original(r)}"
    )
    return plain("MAILER-DAEMON@messagelabs.com", "Mail Delivery Failure", text)


def gmx(r: str, case: Case, reply: str) -> bytes:
    text = (
        "This message was created automatically by mail delivery software.\n\nA message that you sent could "
        "not be delivered"
        " to one or more of\nits recipients. This is a permanent error. The following address\nfailed:\n\n"
        f"{r}:\nSMTP error from remote server for RCPT TO command, host: mx.example.net (192.0.2.3) reason: "
        f"{reply}\n\n\n"
        f"--- The header of the original message is following. ---\n\n{original(r)}"
    )
    return plain("GMX Mailer Daemon <mailer-daemon@gmx.net>", "Mail delivery failed: returning message to sender", text)


def mailru(r: str, case: Case, reply: str) -> bytes:
    text = (
        "This message was created automatically by mail delivery software.\n\nA message that you sent could "
        "not be delivered"
        f" to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n  {r}\n"
        f"    SMTP error from remote mail server after RCPT TO:<{r}>: {reply}\n\n**********************\n\n"
        f"Это письмо создано автоматически сервером Mail.ru, отвечать на него не нужно.\n\nК сожалению, Ваше "
        f"письмо не может "
        f"быть доставлено одному или нескольким получателям:\n\n  {r}\n\n"
        f"------ This is a copy of the message, including all the headers. ------\n\n{original(r)}"
    )
    return plain("mailer-daemon@corp.mail.ru", "Mail failure.", text, f"X-Failed-Recipients: {r}\n")


def lost_type(r: str, case: Case, reply: str) -> bytes:
    """A standard report that a gateway turned into one text."""
    text = f"Your message could not be delivered.\n\n{dsn(r, 'failed', case.status, 'smtp; ' + reply)}\n"
    return plain("postmaster@gateway.example.org", "Delivery report", text + "\n" + original(r))


def several(r: str, case: Case, reply: str) -> bytes:
    """Two fail, a third is delivered."""
    blocks = [dsn(each, "failed", case.status, f"smtp; {reply}").partition("\n\n")[2] for each in (r, f"second.{r}")]
    blocks.append(dsn("third@example.net", "delivered", "2.0.0", "").partition("\n\n")[2])
    text = "".join(f"<{each}>: host mx.example.net said: {reply}\n\n" for each in (r, f"second.{r}"))
    return report(
        DAEMON,
        "Undelivered Mail Returned to Sender",
        text,
        "Reporting-MTA: dns; mx\n\n" + "\n".join(blocks),
        original(f"{r}, second.{r}, third@example.net"),
    )


def only_subject(r: str, case: Case, reply: str) -> bytes:
    return plain("postmaster@example.net", f"Undeliverable mail to {r}", f"Your message was rejected: {reply}\n")


REMOTE: dict[str, Callable[[str, Case, str], bytes]] = {
    each.__name__: each
    for each in (
        postfix,
        exim,
        exim_report,
        sendmail,
        sendmail_bare,
        qmail,
        courier,
        exchange,
        office365,
        gmail,
        gmail_old,
        yahoo,
        outlook,
        ses,
        domino,
        x400,
        groupwise,
        mdaemon,
        messagelabs,
        gmx,
        mailru,
        lost_type,
        several,
        only_subject,
    )
}


def remote_samples(writer: Callable[[str, Case, str], bytes]) -> Iterator[Sample]:
    """Forty: each case with each recipient."""
    for recipient in RECIPIENTS:
        for case in CASES:
            raw = writer(recipient, case, case.reply.format(r=recipient))
            named = (recipient, f"second.{recipient}") if writer is several else (recipient,)
            yield Sample(raw, "bounce", named, case.categories)
