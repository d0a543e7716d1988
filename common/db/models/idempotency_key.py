"""An Idempotency-Key with the answer that it repeats. Columns only; never a query."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base


class IdempotencyKey(Base):
    __tablename__ = "idempotency_keys"
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    environment: Mapped[str] = mapped_column(primary_key=True)
    route: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes]
    message_id: Mapped[UUID]
    request_id: Mapped[str]
    status: Mapped[int]
    response: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
