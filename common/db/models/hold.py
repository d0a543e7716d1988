"""A hold: mail that somebody keeps back. Columns only; never a query."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base


class Hold(Base):
    __tablename__ = "holds"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))
    environment: Mapped[str | None]
    kind: Mapped[str]
    stage: Mapped[str | None]
    tier: Mapped[int | None] = mapped_column(SmallInteger)
    recipient_domain: Mapped[str | None]
    tag: Mapped[str | None]
    template: Mapped[str | None]
    key_id: Mapped[UUID | None]
    after_position: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[str]
    author: Mapped[str]
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    expires_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    released_at: Mapped[datetime | None]
    released_by: Mapped[str | None]
    emptied_at: Mapped[datetime | None]
