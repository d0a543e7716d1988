"""The state of one session, shared by the machines that work on it: what the server offers, what was agreed,
and outcomes with the facts they need. Never here: sockets.
"""

from dataclasses import dataclass, field, replace

from common.clock import monotonic
from common.domain.outcomes import Kind, Outcome
from common.domain.replies import classify, enhanced_of
from workers.delivery.smtp.mails import Deadlines
from workers.delivery.smtp.target import Target
from workers.delivery.smtp.transcript import Transcript
from workers.delivery.wire import Reply


class ConnectFailed(Exception):
    """No usable connection; `outcome` says at which stage and why. `greeted`: the server had said EHLO's answer."""

    def __init__(self, outcome: Outcome, greeted: bool = False) -> None:
        super().__init__(outcome.reply)
        self.outcome, self.greeted = outcome, greeted


@dataclass(slots=True)
class Session:
    """`usable` ends with the connection; `polite` then says that QUIT may still be said. `dirty`: a transaction
    failed half-way. `tls` is the protocol version once encrypted, `tls_verified` whether the peer proved who
    it is, `tls_reason` why it is as it is."""

    target: Target
    ip: str
    deadlines: Deadlines
    opened_at: float = field(default_factory=monotonic)
    extensions: dict[str, str] = field(default_factory=dict)
    usable: bool = True
    polite: bool = False
    dirty: bool = False
    sent_count: int = 0
    tls: str | None = None
    tls_verified: bool = False
    tls_reason: str = ""
    opening: Transcript | None = None

    @property
    def pipelining(self) -> bool:
        return "PIPELINING" in self.extensions

    @property
    def over(self) -> bool:
        """Too old to begin another mail."""
        return monotonic() - self.opened_at > self.deadlines.session

    @property
    def exhausted(self) -> bool:
        """Whether this connection has carried all it should."""
        most = min(self.target.most_mails, self.limit("MAILMAX") or self.target.most_mails)
        return self.sent_count >= most or self.over

    def limit(self, name: str) -> int | None:
        """A number of the LIMITS extension (RFC 9422): MAILMAX, RCPTMAX."""
        for word in self.extensions.get("LIMITS", "").split():
            key, _, value = word.partition("=")
            if key == name and value.isascii() and value.isdigit() and int(value[:6]) > 0:
                return int(value[:6])
        return None

    def outcome(
        self, kind: Kind, stage: str, code: int | None, text: str, category: str, talk: Transcript | None = None
    ) -> Outcome:
        """An outcome with what is known of this connection."""
        return Outcome(
            kind,
            stage,
            code,
            enhanced_of(code, text) if code else None,
            text,
            category,
            self.target.host,
            self.ip,
            self.tls,
            talk.milliseconds if talk is not None else 0,
            talk.lines if talk is not None else (),
            self.target.provider,
            self.tls_reason or self.target.wanted.reason,
            self.target.site,
        )

    def refusal(self, stage: str, reply: Reply, talk: Transcript, *, lasting: bool = True) -> Outcome:
        """A refusal, classified. Not `lasting`: before MAIL a 5xx says nothing of this recipient, and defers."""
        if reply.code // 100 not in (4, 5):  # neither yes nor no: the server's fault, and no words to go by
            return self.outcome("deferred", stage, reply.code, reply.text, "protocol", talk)
        told = classify(stage, reply.code, reply.text, self.target.provider)
        kind = told.kind if lasting else "deferred"
        return replace(self.outcome(kind, stage, reply.code, reply.text, told.category, talk), rule=told.rule)

    def untried(self, text: str, talk: Transcript | None = None) -> Outcome:
        """Nothing of this mail counts; it may go over another connection."""
        return self.outcome("untried", "mail", None, text, "connection", talk)
