"""A suppression: an address that receives nothing more. Columns only; never a query."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base


class Suppression(Base):
    __tablename__ = "suppressions"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    environment: Mapped[str] = mapped_column(server_default=text("'live'"))
    recipient: Mapped[str]
    recipient_key: Mapped[str]
    reason: Mapped[str]
    scope: Mapped[str] = mapped_column(server_default=text("'all'"))
    note: Mapped[str | None]
    source_message_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    expires_at: Mapped[datetime | None]
