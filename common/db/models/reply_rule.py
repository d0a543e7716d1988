"""An operator's reply rule, and replies that no rule knows. Columns only; never a query."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Integer, LargeBinary, SmallInteger, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base


class ReplyRule(Base):
    __tablename__ = "reply_rules"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    position: Mapped[int]
    category: Mapped[str]
    kind: Mapped[str | None]
    says: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    code_class: Mapped[int | None] = mapped_column(SmallInteger)
    codes: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default=text("'{}'"))
    enhanced: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    stages: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    provider: Mapped[str | None]
    source: Mapped[str]
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class UnknownReply(Base):
    __tablename__ = "unknown_replies"
    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    form: Mapped[str]
    example: Mapped[str]
    stage: Mapped[str]
    code: Mapped[int | None]
    enhanced: Mapped[str | None]
    provider: Mapped[str | None]
    category: Mapped[str]
    count: Mapped[int] = mapped_column(BigInteger)
    id: Mapped[UUID]
    first_seen_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    last_seen_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
