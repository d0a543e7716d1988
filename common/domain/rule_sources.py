"""Where what the built-in rules know was learnt, by the beginning of a rule's name. A table, pure."""

_SOURCES = {
    "google": "Google's list of Gmail SMTP errors and codes, and replies seen from Gmail",
    "microsoft": "Microsoft's lists of non-delivery reports in Exchange Online and of Outlook.com postmaster errors",
    "yahoo": "Yahoo's list of SMTP error codes, and replies seen from Yahoo and AOL",
    "domino": "Replies seen from HCL Domino",
    "amazon": "Amazon's list of SMTP response codes of SES",
    "apple": "Apple's postmaster page, and replies seen from iCloud",
}
_COMMON = "Wordings of common mail servers and filters, collected from public rule sets and real replies"
TABLES = {
    "enhanced_code": "The registry of enhanced status codes (RFC 3463 and IANA)",
    "code": "The reply codes of RFC 5321",
}


def source_of(rule: str) -> str:
    """The source of a built-in rule or table."""
    return TABLES.get(rule) or _SOURCES.get(rule.partition("-")[0], _COMMON)
