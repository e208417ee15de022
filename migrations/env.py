"""Alembic's entry: works on the connection that `migrations.upgrade` hands over, inside its transaction."""

from alembic import context

from node.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,  # the transaction is the caller's, on SQLite too
    render_as_batch=True,
)
context.run_migrations()
