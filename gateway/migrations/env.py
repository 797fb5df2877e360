"""Alembic's door: runs revisions on the connection that ``gateway.migrations`` holds."""

from alembic import context

from gateway.migrations import ALL

context.configure(connection=context.config.attributes["connection"], target_metadata=ALL)
with context.begin_transaction():
    context.run_migrations()
