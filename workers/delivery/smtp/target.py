"""Where to connect and what is demanded there. Values only."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Tlsa:
    """One TLSA record (RFC 6698): usage, selector, matching type and the data to match."""

    usage: int
    selector: int
    matching: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Demand:
    """What TLS must prove and why. `level` is one of `LEVELS`; `names` are those a certificate may bear.

    `source` is what asked for it: opportunistic, source, provider, sts or dane. `reason` is for people.
    """

    level: str
    reason: str
    source: str = "opportunistic"
    names: tuple[str, ...] = ()
    tlsa: tuple[Tlsa, ...] = ()


LEVELS = ("none", "opportunistic", "encrypted", "required", "implicit", "dane")
"""In clear; TLS if it can be had; TLS with whatever certificate; TLS with a verified one; the same from
the first byte; TLS with a certificate that DNSSEC vouches for."""

_WHY = {
    "none": "the source sends in clear",
    "opportunistic": "TLS if the server offers it, certificate not checked",
    "encrypted": "the source demands TLS",
    "required": "the source demands TLS with a verified certificate",
    "implicit": "the source speaks TLS from the first byte, with a verified certificate",
}


@dataclass(frozen=True, slots=True)
class Target:
    """One address to connect to. `host` is the name a certificate is checked against and SNI asks for.

    Credentials leave in clear only to a target with `tls` none or on this machine. `key` is the source:
    connections of different sources are never shared. `bind` is the local address to connect from;
    `domain` the recipients' domain where it is asked directly. A connection carries `most_mails`, and may wait
    `idle_seconds` for the next.
    """

    host: str
    port: int
    ip: str = ""
    tls: str = "opportunistic"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ehlo_name: str = "localhost.localdomain"
    key: str = ""
    bind: str | None = None
    demand: Demand | None = None
    provider: str | None = None
    site: str | None = None
    domain: str | None = None
    chunking: bool = False
    most_mails: int = 1000
    idle_seconds: float = 5.0

    @property
    def address(self) -> str:
        return self.ip or self.host

    @property
    def wanted(self) -> Demand:
        """The demand, spelt out for targets that only name a level."""
        return self.demand or Demand(self.tls, _WHY[self.tls], "source")

    @property
    def reuse_key(self) -> tuple[object, ...]:
        """Connections with equal keys may carry each other's mail (delivery.md 3.2, line 39).

        A certificate that was checked was checked for one name: the name joins the key then.
        """
        wanted = self.wanted
        checked = wanted.level in ("required", "implicit", "dane", "encrypted")
        proof = (wanted.level, wanted.names or self.host, wanted.tlsa) if checked else (wanted.level,)
        return self.key, self.address, self.port, proof, self.username, self.password, self.ehlo_name, self.bind
