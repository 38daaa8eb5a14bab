"""Run by alembic: migrations on the connection of the transaction that asked for them."""

from __future__ import annotations

from alembic import context

from vlsu.annotate.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters tables by copying them
)
with context.begin_transaction():
    context.run_migrations()
