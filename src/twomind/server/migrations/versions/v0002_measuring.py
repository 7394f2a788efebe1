"""What the worker found, what researchers decided, and who codes what."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("recording") as recording:
        proposal = sa.Column("proposal", sa.String(length=12), server_default="", nullable=False)
        recording.add_column(proposal)
        recording.add_column(sa.Column("measured", sa.DateTime(timezone=True), nullable=True))
        recording.add_column(sa.Column("tries", sa.Integer(), server_default="0", nullable=False))
        recording.add_column(sa.Column("result", sa.LargeBinary(), nullable=True))
    op.create_table(
        "decision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("recording", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("verdict", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["recording"], ["recording.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_decision_recording", "decision", ["recording"], unique=False)
    op.create_table(
        "coder",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "assignment",
        sa.Column("coder", sa.String(length=16), nullable=False),
        sa.Column("recording", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["coder"], ["coder.id"]),
        sa.ForeignKeyConstraint(["recording"], ["recording.id"]),
        sa.PrimaryKeyConstraint("coder", "recording"),
    )
    op.create_index("ix_assignment_recording", "assignment", ["recording"], unique=False)
