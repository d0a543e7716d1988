"""Every setting: name, type, default and one sentence. Read once, from the environment.

Imports nothing of ours. `docs/configuration.md` is generated from `SETTINGS`; never read
`os.environ` anywhere else.
"""

import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from environs import Env, EnvError

_PREFIX = "SENDARIX_"


class SettingError(ValueError):
    """A setting cannot be read; the text names it and the fix."""


def _setting(kind: str, default: Any, sentence: str) -> Any:
    return field(default=default, metadata={"kind": kind, "sentence": sentence})


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, typed. The environment name is `SENDARIX_` and the field name in capitals."""

    home: str = _setting("str", ".sendarix", "Folder for data, logs, secrets and quickstart.json.")
    database_url: str = _setting("str", "", "PostgreSQL to use; empty means the embedded engine under the home folder.")
    redis_url: str = _setting("str", "", "Redis to use; empty means the embedded engine under the home folder.")
    broker_url: str = _setting("str", "", "Celery broker; empty means the Redis above. RabbitMQ works too (amqp://).")
    api_host: str = _setting("str", "127.0.0.1", "Address the API listens on.")
    api_port: int = _setting("int", 8000, "Port of the API; 0 picks a free one.")
    api_processes: int = _setting("int", 2, "Web processes.")
    api_threads: int = _setting("int", 32, "Requests one web process works on at once.")
    key_pepper: str = _setting("str", "", "Secret mixed into key hashes; empty keeps one in the home folder.")
    sealing_key: str = _setting(
        "str",
        "",
        "Secret that seals DKIM keys and other secrets in the database; empty keeps one in the home folder."
        " To change it, put the new one first and the old behind a comma.",
    )
    require_https: bool = _setting(
        "bool", False, "Whether live keys are refused on requests that came by plain HTTP; needs the setting below."
    )
    trusted_proxies: str = _setting(
        "str",
        "",
        "Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed: their CIDRs, comma-separated, or how many"
        " stand in front (1). Empty: nobody's.",
    )
    mailbox_page: bool = _setting("bool", False, "Whether /mailbox shows captured mail in a browser without a key.")
    smtp_port: int = _setting("int", 2525, "Port of the SMTP relay; 0 picks a free one.")
    smtp_host: str = _setting("str", "127.0.0.1", "Address that the relay and the port for returning mail listen on.")
    smtp_more_ports: str = _setting(
        "str", "", "More ports of the relay, comma-separated, such as 587,465:tls; :tls means TLS from the first byte."
    )
    smtp_tls_certificate: str = _setting("str", "", "File with the certificate chain of the SMTP ports; empty: no TLS.")
    smtp_tls_key: str = _setting("str", "", "File with its private key; empty: it is in the same file.")
    inbound_port: int = _setting("int", 2526, "Port for returning bounces; 0 picks a free one.")
    mailbox_port: int = _setting("int", 1025, "SMTP port of the built-in mailbox; 0 picks a free one.")
    mailbox_host: str = _setting("str", "127.0.0.1", "Address of the built-in mailbox.")
    mailbox_keep: int = _setting("int", 50_000, "Mails the built-in mailbox keeps; older ones go first.")
    accept_status: int = _setting("int", 202, "Status of a successful send: 202, or 200 for old clients.")
    sender_verification: str = _setting(
        "str", "required", "Whether a live key may send only from a verified domain: required, warn or off."
    )
    rate_limit_per_minute: int = _setting("int", 1000, "Requests a minute for an account that has no own limit.")
    max_body_bytes: int = _setting("int", 52_428_800, "Largest request body.")
    large_message_bytes: int = _setting("int", 25_000_000, "Above this the answer carries a warning.")
    schedule_horizon_days: int = _setting("int", 30, "How far ahead a scheduled_time may lie.")
    idempotency_hours: int = _setting("int", 24, "How long an Idempotency-Key is remembered.")
    audit_days: int = _setting("int", 400, "How long the audit log keeps who changed what; 0 keeps it for ever.")
    time_scale: float = _setting("float", 1.0, "Divides every wait; 60 makes an hour of retries one minute.")
    lease_seconds: float = _setting("float", 15.0, "How long a claimed message belongs to one worker.")
    renew_seconds: float = _setting("float", 5.0, "How often a worker renews its leases.")
    delivery_guarantee: str = _setting(
        "str", "at_least_once", "What follows an unknown outcome: at_least_once resends, at_most_once fails."
    )
    pacing_lease_seconds: float = _setting(
        "float", 60.0, "How long a connection to a provider counts after its worker was last heard of."
    )
    retry_preset: str = _setting(
        "str", "standard", "Retry schedule of accounts without their own: otp, standard or patient."
    )
    smarthost_url: str = _setting(
        "str", "", "smtp://user:password@host:port of an upstream relay for live mail; empty sends directly."
    )
    ehlo_name: str = _setting("str", "localhost.localdomain", "Name the direct source gives in EHLO.")
    dns_servers: str = _setting("str", "", "DNS servers, comma-separated host:port; empty uses the system's.")
    dns_trusted: bool = _setting(
        "bool", False, "Whether the DNS servers validate DNSSEC and the way to them is safe; loopback always is."
    )
    smtp_remote_port: int = _setting("int", 25, "Port of remote mail servers.")
    egress_allow: str = _setting(
        "str", "", "CIDRs, comma-separated, that mail and webhooks may reach although private."
    )
    webhook_http: bool = _setting(
        "bool",
        False,
        "Whether live webhooks may use plain http to any address; those in SENDARIX_EGRESS_ALLOW always may.",
    )
    dns_authority_port: int = _setting("int", 53, "Port of the authoritative DNS servers that domains are checked at.")
    public_url: str = _setting(
        "str", "", "Where recipients reach this installation, such as https://mail.example.com; for unsubscribe links."
    )
    bounce_domain: str = _setting(
        "str", "", "Domain of this installation that takes bounces; senders point a CNAME at it. Empty: the sender's."
    )
    tracking_domain: str = _setting("str", "", "Host that senders may point a CNAME at for their links; empty: none.")
    feedback_sender_id: str = _setting("str", "sendarix", "Last part of Feedback-ID, 5 to 15 characters; empty: none.")
    cfbl_address: str = _setting("str", "", "Address for complaint reports (CFBL-Address, RFC 9477); empty: none.")
    message_id_domain: str = _setting("str", "", "Domain of Message-ID; empty uses the sender's domain.")
    ticket_size: int = _setting("int", 100, "Most ids one ticket carries.")
    sweep_seconds: float = _setting("float", 1.0, "How often the scheduler looks for what is due.")
    log_level: str = _setting("str", "info", "debug, info, warning or error.")
    log_format: str = _setting("str", "auto", "console, json, or auto (console on a terminal).")
    crashpoint: str = _setting("str", "", "Name of a point in the code at which the process kills itself; tests only.")
    calibration_fault: str = _setting(
        "str", "", "A deliberate fault the reconciliation test must catch; tests only, never in production."
    )

    @property
    def home_path(self) -> Path:
        return Path(self.home).absolute()

    @property
    def run_path(self) -> Path:
        """Sockets, pid files and the lock."""
        return self.home_path / "run"


_READERS: dict[str, Callable[[Env], Callable[..., Any]]] = {
    "str": lambda env: env.str,
    "int": lambda env: env.int,
    "float": lambda env: env.float,
    "bool": lambda env: env.bool,
}


def read_settings(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Settings from the environment, `overrides` on top.

    Raises SettingError naming the variable that cannot be read.
    """
    env = Env(prefix=_PREFIX)
    values: dict[str, Any] = {}
    source = os.environ if environ is None else environ
    for name, spec in Settings.__dataclass_fields__.items():
        variable = _PREFIX + name.upper()
        if variable not in source:
            continue
        try:
            with _environment(source, environ is not None):
                values[name] = _READERS[spec.metadata["kind"]](env)(name.upper())
        except EnvError as error:
            raise SettingError(f"{variable}: {error}. Set it to a {spec.metadata['kind']} or unset it.") from error
    return _check(Settings(**{**values, **overrides}))


class _environment:
    """Shows environs another mapping for one reading."""

    def __init__(self, source: Mapping[str, str], replace: bool) -> None:
        self._source, self._replace, self._kept = source, replace, dict[str, str]()

    def __enter__(self) -> None:
        if self._replace:
            self._kept = dict(os.environ)
            os.environ.update(self._source)

    def __exit__(self, *_: object) -> None:
        if self._replace:
            os.environ.clear()
            os.environ.update(self._kept)


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def read_proxies(text: str) -> tuple[int, tuple[Network, ...]]:
    """SENDARIX_TRUSTED_PROXIES as a number of proxies, or as their networks. Raises ValueError."""
    if text.strip().isdecimal():
        return int(text), ()
    parts = (part.strip() for part in text.split(","))
    return 0, tuple(ipaddress.ip_network(part, strict=False) for part in parts if part)


_CHOICES = {
    "sender_verification": ("required", "warn", "off"),
    "delivery_guarantee": ("at_least_once", "at_most_once"),
    "retry_preset": ("otp", "standard", "patient"),
    "accept_status": (200, 202),
    "log_format": ("auto", "console", "json"),
}


def _check(settings: Settings) -> Settings:
    for name, choices in _CHOICES.items():
        if getattr(settings, name) not in choices:
            allowed = ", ".join(str(choice) for choice in choices)
            raise SettingError(f"{_PREFIX}{name.upper()} must be one of: {allowed}.")
    try:
        read_proxies(settings.trusted_proxies)
    except ValueError as error:
        raise SettingError(f"{_PREFIX}TRUSTED_PROXIES: {error}. Give CIDRs, or a number such as 1.") from error
    if settings.renew_seconds * 2 >= settings.lease_seconds:
        raise SettingError(f"{_PREFIX}RENEW_SECONDS must be under half of {_PREFIX}LEASE_SECONDS.")
    if settings.time_scale <= 0:
        raise SettingError(f"{_PREFIX}TIME_SCALE must be above 0.")
    return settings


@lru_cache(maxsize=1)
def current_settings() -> Settings:
    """The settings of this process, read at the first call."""
    return read_settings()
