"""How TLS went with a mail host on one day. Columns only; never a query."""

from datetime import date

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base


class TlsResult(Base):
    __tablename__ = "tls_results"
    day: Mapped[date] = mapped_column(primary_key=True)
    policy_domain: Mapped[str] = mapped_column(primary_key=True)
    policy_type: Mapped[str] = mapped_column(primary_key=True)
    mx: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    sessions: Mapped[int] = mapped_column(BigInteger)
