"""Alembic's entry: runs the revisions of one role on the connection it is handed."""

from alembic import context

_config = context.config
context.configure(
    connection=_config.attributes["connection"],
    target_metadata=_config.attributes["metadata"],
    version_table=_config.attributes["version_table"],
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
