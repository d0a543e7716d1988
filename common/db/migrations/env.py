"""How Alembic connects. The migrations beside it are numbered with four digits."""

from alembic import context

from common.db.session import make_engine

_connection = context.config.attributes.get("connection")
if _connection is None:
    with make_engine().connect() as _own:
        context.configure(connection=_own, target_metadata=None)
        with context.begin_transaction():
            context.run_migrations()
else:
    context.configure(connection=_connection, target_metadata=None)
    with context.begin_transaction():
        context.run_migrations()
