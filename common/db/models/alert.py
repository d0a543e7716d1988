"""An alert (the rule) and its incidents. Columns only; never a query."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base

_NOW = text("now()")


class Alert(Base):
    __tablename__ = "alerts"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    environment: Mapped[str]
    name: Mapped[str]
    kind: Mapped[str]
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    key_id: Mapped[UUID | None]
    template: Mapped[str | None]
    tag: Mapped[str | None]
    sending_domain: Mapped[str | None]
    tier: Mapped[str | None]
    per: Mapped[str | None]
    threshold: Mapped[float]
    clear_share: Mapped[float]
    minimum: Mapped[int]
    window_hours: Mapped[int]
    baseline_hours: Mapped[int]
    open_seconds: Mapped[int]
    clear_seconds: Mapped[int]
    email: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    evaluated_at: Mapped[datetime | None]


class AlertIncident(Base):
    """From the first moment over the line: `pending` until it has lasted, then `open`, then `closed`."""

    __tablename__ = "alert_incidents"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    alert_id: Mapped[UUID] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"))
    subject: Mapped[str]
    state: Mapped[str]
    value: Mapped[float]
    peak: Mapped[float]
    threshold: Mapped[float]
    since: Mapped[datetime]
    opened_at: Mapped[datetime | None]
    calm_since: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
