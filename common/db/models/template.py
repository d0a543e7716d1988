"""A template and its versions; a published version never changes. Columns only; never a query."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy import text as sql_text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base


class Template(Base):
    __tablename__ = "templates"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    slug: Mapped[str]
    name: Mapped[str] = mapped_column(server_default=sql_text("''"))
    kind: Mapped[str] = mapped_column(server_default=sql_text("'template'"))
    draft: Mapped[Any] = mapped_column(JSONB, server_default=sql_text("'{}'"))
    published_version: Mapped[int | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=sql_text("now()"))
    deleted_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=sql_text("now()"))


class TemplateVersion(Base):
    __tablename__ = "template_versions"
    template_id: Mapped[UUID] = mapped_column(ForeignKey("templates.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    sender: Mapped[str | None]
    subject: Mapped[str]
    html: Mapped[str | None]
    text: Mapped[str | None]
    variables: Mapped[Any] = mapped_column(JSONB, server_default=sql_text("'[]'"))
    tier: Mapped[str | None]
    source: Mapped[Any] = mapped_column(JSONB, server_default=sql_text("'{}'"))
    locales: Mapped[Any] = mapped_column(JSONB, server_default=sql_text("'{}'"))
    uses: Mapped[Any] = mapped_column(JSONB, server_default=sql_text("'[]'"))
    warnings: Mapped[Any] = mapped_column(JSONB, server_default=sql_text("'[]'"))
    note: Mapped[str | None]
    published_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=sql_text("now()"))
    published_at: Mapped[datetime | None]
