"""What search looks in, and how far each stream has been read into it. Columns only; never a query."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from common.db.models.base import Base


class SearchEntry(Base):
    """The words of a message as it was accepted (`seq` 1, with its facets), or of a later reply of a server."""

    __tablename__ = "search_entries"
    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[UUID]
    words: Mapped[str]
    facets: Mapped[list[str] | None] = mapped_column(ARRAY(Text))


class SearchCursor(Base):
    """How far the stream of an account's environment can be searched by index."""

    __tablename__ = "search_cursors"
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    environment: Mapped[str] = mapped_column(primary_key=True)
    transaction_no: Mapped[int] = mapped_column(BigInteger, server_default=text("-1"))
    event_id: Mapped[UUID] = mapped_column(server_default=text("'00000000-0000-0000-0000-000000000000'"))
    indexed_until: Mapped[datetime | None]
