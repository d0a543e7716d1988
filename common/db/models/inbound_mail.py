"""A mail that came back from the world. Columns only; never a query."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base


class InboundMail(Base):
    __tablename__ = "inbound_mails"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    received_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    account_id: Mapped[UUID | None]
    environment: Mapped[str | None]
    message_id: Mapped[UUID | None]
    sender: Mapped[str]
    recipient: Mapped[str]
    kind: Mapped[str]
    effect: Mapped[str]
    size: Mapped[int]
    categories: Mapped[list[str]] = mapped_column(ARRAY(Text))
    source: Mapped[bytes]
