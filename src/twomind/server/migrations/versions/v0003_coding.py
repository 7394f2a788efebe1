"""What coders mark, what the team agreed on, and which recordings measure coders."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    with op.batch_alter_table("coder") as coder:
        outside: sa.Column[bool] = sa.Column(
            "outside", sa.Boolean(), server_default=sa.false(), nullable=False
        )
        coder.add_column(outside)
        coder.add_column(sa.Column("admitted", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "coding",
        sa.Column("recording", sa.String(length=32), nullable=False),
        sa.Column("coder", sa.String(length=16), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("done", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["recording"], ["recording.id"]),
        sa.PrimaryKeyConstraint("recording", "coder"),
    )
    op.create_table(
        "coding_version",
        sa.Column("recording", sa.String(length=32), nullable=False),
        sa.Column("coder", sa.String(length=16), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("before", sa.Integer(), nullable=False),
        sa.Column("after", sa.Integer(), nullable=False),
        sa.Column("marks", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["recording"], ["recording.id"]),
        sa.PrimaryKeyConstraint("recording", "coder", "revision"),
    )
    op.create_table(
        "gold",
        sa.Column("recording", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["recording"], ["recording.id"]),
        sa.PrimaryKeyConstraint("recording"),
    )
