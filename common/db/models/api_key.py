"""A key of an account. Never the secret: only its hash. Columns only; never a query."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base


class ApiKey(Base):
    __tablename__ = "api_keys"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    kid: Mapped[str]
    secret_hash: Mapped[bytes]
    name: Mapped[str] = mapped_column(server_default=text("''"))
    environment: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    sender_domains: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    templates: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    streams: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    tags: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    cidrs: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    default_sender: Mapped[str | None]
    requests_per_minute: Mapped[int | None]
    require_idempotency: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    last_used_ip: Mapped[str | None]
    previous_hash: Mapped[bytes | None]
    previous_until: Mapped[datetime | None]
    created_by: Mapped[UUID | None]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
