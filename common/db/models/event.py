"""Events: a message's timeline and the account's stream. Never updated. Columns only; never a query."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base


class Event(Base):
    """An event; without a message, `message_id` and `seq` are null."""

    __tablename__ = "events"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    message_id: Mapped[UUID | None]
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int | None]
    type: Mapped[str]
    timestamp: Mapped[datetime]
    data: Mapped[Any] = mapped_column(JSONB)
    environment: Mapped[str] = mapped_column(primary_key=True)
    transaction_no: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, server_default=text("pg_current_xact_id()::text::bigint")
    )


class EventStream(Base):
    """The one row that says in which cluster transactions are counted, and from where."""

    __tablename__ = "event_stream"
    id: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    system_identifier: Mapped[int | None] = mapped_column(BigInteger)
    shift: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
