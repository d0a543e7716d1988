"""An automation: a source slowed at a place for a while. Columns only; never a query."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base


class PacingAutomation(Base):
    __tablename__ = "pacing_automations"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    scope: Mapped[str]
    source_id: Mapped[UUID] = mapped_column(ForeignKey("sources.id", ondelete="CASCADE"))
    place: Mapped[str]
    rule: Mapped[str]
    what: Mapped[str]
    per_minute: Mapped[float | None]
    connections: Mapped[int | None]
    suspend: Mapped[bool] = mapped_column(server_default=text("false"))
    hits: Mapped[int]
    reply: Mapped[str]
    since: Mapped[datetime]
    expires_at: Mapped[datetime]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[UUID | None]
