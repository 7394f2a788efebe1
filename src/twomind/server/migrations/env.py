"""Runs the migrations on the connection that :mod:`twomind.server.database` hands over."""

from __future__ import annotations

from alembic import context

from twomind.server.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,
)
context.run_migrations()
