"""The models say what the migrated database has: nothing is missing, nothing is made up."""

import pytest
from sqlalchemy import inspect
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from common.db.models import Base
from common.db.session import engine
from deploy.engines import Engines

NOT_OURS = {"alembic_version"}
FIX = "make common/db/models say what the newest migration made"


def _type(found: TypeEngine[object]) -> str:
    return found.compile(dialect=postgresql.dialect())


@pytest.mark.usefixtures("engines")
def test_a_table_has_no_model_or_a_model_no_table() -> None:
    assert set(Base.metadata.tables) == set(inspect(engine()).get_table_names()) - NOT_OURS, FIX


@pytest.mark.parametrize("name", Base.metadata.tables)
def test_a_column_differs(engines: Engines, name: str) -> None:
    real = {
        column["name"]: (_type(column["type"]), column["nullable"]) for column in inspect(engine()).get_columns(name)
    }
    told = {column.name: (_type(column.type), column.nullable) for column in Base.metadata.tables[name].columns}
    assert told == real, FIX


@pytest.mark.parametrize("name", Base.metadata.tables)
def test_a_key_differs(engines: Engines, name: str) -> None:
    table, inspector = Base.metadata.tables[name], inspect(engine())
    assert {column.name for column in table.primary_key} == set(
        inspector.get_pk_constraint(name)["constrained_columns"]
    ), FIX
    real = {(tuple(each["constrained_columns"]), each["referred_table"]) for each in inspector.get_foreign_keys(name)}
    told = {((key.parent.name,), key.column.table.name) for key in table.foreign_keys}
    assert told == real, FIX


@pytest.mark.parametrize("name", Base.metadata.tables)
def test_a_default_of_the_database_is_not_told(engines: Engines, name: str) -> None:
    real = {
        column["name"]
        for column in inspect(engine()).get_columns(name)
        if column["default"] is not None or column.get("identity")
    }
    told = {column.name for column in Base.metadata.tables[name].columns if column.server_default is not None}
    assert told == real, FIX
