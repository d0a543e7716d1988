"""The declarative base and what a Python type is in PostgreSQL. Never a table."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import TIMESTAMP, Boolean, Integer, LargeBinary, Text, Uuid
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """Text is `text`, times carry a zone."""

    type_annotation_map: ClassVar = {
        UUID: Uuid,
        str: Text,
        datetime: TIMESTAMP(timezone=True),
        int: Integer,
        bool: Boolean,
        bytes: LargeBinary,
    }
