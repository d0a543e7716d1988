"""A source: one way out. Columns only; never a query."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base


class Source(Base):
    __tablename__ = "sources"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[str]
    kind: Mapped[str]
    host: Mapped[str | None]
    port: Mapped[int | None]
    tls: Mapped[str] = mapped_column(server_default=text("'opportunistic'"))
    username: Mapped[str | None]
    profile: Mapped[str | None]
    password_sealed: Mapped[bytes | None]
    bind_ipv4: Mapped[str | None]
    bind_ipv6: Mapped[str | None]
    messages_per_connection: Mapped[int | None]
    ehlo_name: Mapped[str | None]
    is_default: Mapped[bool] = mapped_column(server_default=text("false"))
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
