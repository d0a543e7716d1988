"""A dead letter: a message that ended badly, for a person to inspect. Columns only; never a query."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base


class DeadLetter(Base):
    __tablename__ = "dead_letters"
    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID]
    cause: Mapped[str]
    detail: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    replayed_as: Mapped[UUID | None]
    replayed_at: Mapped[datetime | None]
    environment: Mapped[str] = mapped_column(server_default=text("'live'"))
    discarded_at: Mapped[datetime | None]
    discard_reason: Mapped[str | None]
    recipient_domain: Mapped[str | None]
