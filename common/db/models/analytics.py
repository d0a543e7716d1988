"""What is counted of the events, and how far. Columns only; never a query."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base


class AnalyticsCursor(Base):
    """How far the stream of an account's environment is counted."""

    __tablename__ = "analytics_cursors"
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    environment: Mapped[str] = mapped_column(primary_key=True)
    transaction_no: Mapped[int] = mapped_column(BigInteger, server_default=text("-1"))
    event_id: Mapped[UUID] = mapped_column(server_default=text("'00000000-0000-0000-0000-000000000000'"))
    counted_until: Mapped[datetime | None]


class AnalyticsProfile(Base):
    """One combination of what mail is counted by; its id follows from the rest."""

    __tablename__ = "analytics_profiles"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID]
    tier: Mapped[str]
    channel: Mapped[str]
    key_id: Mapped[UUID | None]
    template: Mapped[str | None]
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    sending_domain: Mapped[str]
    source: Mapped[str | None]
    provider: Mapped[str | None]


class AnalyticsCount(Base):
    """How often something happened in an hour or a day (UTC) to mail of a profile."""

    __tablename__ = "analytics_counts"
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    environment: Mapped[str] = mapped_column(primary_key=True)
    grain: Mapped[str] = mapped_column(primary_key=True)
    bucket: Mapped[datetime] = mapped_column(primary_key=True)
    profile_id: Mapped[UUID] = mapped_column(primary_key=True)
    metric: Mapped[str] = mapped_column(primary_key=True)
    detail: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(BigInteger)


class AnalyticsRecipient(Base):
    """The same by recipient domain."""

    __tablename__ = "analytics_recipients"
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    environment: Mapped[str] = mapped_column(primary_key=True)
    grain: Mapped[str] = mapped_column(primary_key=True)
    bucket: Mapped[datetime] = mapped_column(primary_key=True)
    recipient_domain: Mapped[str] = mapped_column(primary_key=True)
    metric: Mapped[str] = mapped_column(primary_key=True)
    detail: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(BigInteger)


class AnalyticsCohort(Base):
    """What became of the mail that was accepted in an hour."""

    __tablename__ = "analytics_cohorts"
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    environment: Mapped[str] = mapped_column(primary_key=True)
    created_hour: Mapped[datetime] = mapped_column(primary_key=True)
    metric: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(BigInteger)


class MetricTotal(Base):
    """How often something happened since the beginning, in all accounts."""

    __tablename__ = "metric_totals"
    environment: Mapped[str] = mapped_column(primary_key=True)
    tier: Mapped[str] = mapped_column(primary_key=True)
    metric: Mapped[str] = mapped_column(primary_key=True)
    detail: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(BigInteger)
