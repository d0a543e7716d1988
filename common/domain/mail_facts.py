"""What a caught mail holds beside its text: attachments, links, and what a receiving server would look at. Pure.

Never here: rows, or the network: a link is shown, never opened.
"""

import re
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

CLIPPED_AT = 102_400
"""Octets of HTML from which a large mailbox provider cuts a mail short."""
MOST_LINKS, MOST_READ = 200, 500_000
_SCHEMES = ("http:", "https:", "mailto:", "tel:")


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str]] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        url = (dict(attrs).get("href") or "").strip() if tag == "a" else ""
        if url.lower().startswith(_SCHEMES) and len(self.found) < MOST_LINKS:
            self.found.append({"url": url[:2000], "text": ""})
            self._open = True

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag != "a"

    def handle_data(self, data: str) -> None:
        if self._open:
            self.found[-1]["text"] = (self.found[-1]["text"] + data)[:2000]


def links(html: str | None, text: str | None) -> list[dict[str, str]]:
    """{"url", "text"} of each link: those of the HTML in order, or of the text where there is no HTML."""
    if html is None:
        urls = dict.fromkeys(re.findall(r"https?://[^\s<>\"]{1,2000}", text or ""))
        return [{"url": url, "text": ""} for url in list(urls)[:MOST_LINKS]]
    reader = _Links()
    try:
        reader.feed(html[:MOST_READ])
    except (AssertionError, ValueError):  # what the standard parser does to some malformed declarations
        pass
    return [each | {"text": " ".join(each["text"].split())[:200]} for each in reader.found]


def attachments(parsed: EmailMessage) -> list[dict[str, Any]]:
    """{"filename", "content_type", "size"} of each; what cannot be read of it is left out."""
    found = []
    for part in list(parsed.walk())[:500]:
        name, placed = part.get_filename(), part.get_content_disposition()
        if part.is_multipart() or (placed != "attachment" and not name):
            continue
        payload = part.get_payload(decode=True)
        size = len(payload) if isinstance(payload, bytes) else 0
        found.append({"filename": name and name[:255], "content_type": part.get_content_type(), "size": size})
    return found


def checks(headers: list[list[str]], html: str | None, text: str | None) -> list[dict[str, str]]:
    """{"name", "state" (`ok` or `warning`), "detail"} of what receivers look at first."""
    named = {name.lower(): value for name, value in headers}
    weight = len((html or "").encode())
    told = [
        ("DKIM", "dkim-signature" in named, "Signed.", "Not signed: mail to the built-in mailbox needs no signature."),
        ("List-Unsubscribe", "list-unsubscribe" in named, "Recipients can leave with one click.",
         "Absent: right for codes and receipts, required for what goes to many."),
        ("Text part", bool(text), "There is one.", "Absent: some readers and filters want one."),
        ("HTML size", weight <= CLIPPED_AT, f"{weight:,} octets.", f"{weight:,} octets: clients cut such mail short."),
        ("Subject", bool(named.get("subject")), "There is one.", "Absent."),
        ("Message-ID", "message-id" in named, "There is one.", "Absent."),
    ]  # fmt: skip
    return [
        {"name": name, "state": "ok" if right else "warning", "detail": good if right else bad}
        for name, right, good, bad in told
    ]
