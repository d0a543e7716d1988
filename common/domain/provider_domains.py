"""Domains of mailbox providers' own users: known without asking DNS. What is not here is learnt by delivering. Pure."""

_DOMAINS: dict[str, tuple[str, ...]] = {
    "google": ("gmail.com", "googlemail.com"),
    "outlook": ("outlook.com", "hotmail.com", "live.com", "msn.com", "hotmail.co.uk", "hotmail.fr", "outlook.de"),
    "yahoo": ("yahoo.com", "ymail.com", "aol.com", "yahoo.co.uk", "yahoo.fr", "yahoo.de", "rocketmail.com"),
    "yahoo-japan": ("yahoo.co.jp",),
    "apple": ("icloud.com", "me.com", "mac.com"),
    "comcast": ("comcast.net",),
    "orange": ("orange.fr", "wanadoo.fr"),
    "gmx": ("gmx.net", "gmx.de", "gmx.at", "gmx.ch", "web.de"),
    "qq": ("qq.com", "foxmail.com"),
    "netease": ("163.com", "126.com", "yeah.net"),
    "docomo": ("docomo.ne.jp",),
    "au": ("ezweb.ne.jp", "au.com"),
    "softbank": ("softbank.ne.jp", "i.softbank.jp"),
}
_BY_DOMAIN = {domain: provider for provider, domains in _DOMAINS.items() for domain in domains}


def provider_for(domain: str) -> str | None:
    """The provider of a well-known domain, or None."""
    return _BY_DOMAIN.get(domain)
