"""A mail that the built-in mailbox has caught. Columns only; never a query."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base


class MailboxMessage(Base):
    __tablename__ = "mailbox_messages"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    sender: Mapped[str]
    recipient: Mapped[str]
    recipient_key: Mapped[str]
    subject: Mapped[str]
    received_at: Mapped[datetime]
    size: Mapped[int]
    source: Mapped[bytes]
