"""Posts that are published later, and the pictures that wait with them; sound and film.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def id_type() -> sa.types.TypeEngine[int]:  # a SQLite rowid must be INTEGER; it holds 64 bits
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "scheduled_post",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("account_id", id_type(), nullable=False),
        sa.Column("draft", sa.Text(), nullable=False),
        sa.Column("scheduled_at", id_type(), nullable=False),
        sa.Column("idempotency_key", sa.String(length=64), nullable=True),
        sa.Column("failed_at", id_type(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_scheduled_post_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scheduled_post")),
        sa.UniqueConstraint("account_id", "idempotency_key", name=op.f("uq_scheduled_post_account_id_idempotency_key")),
    )
    op.create_index("ix_scheduled_post_account_id_id", "scheduled_post", ["account_id", "id"], unique=False)
    op.add_column("media", sa.Column("state", sa.String(length=16), server_default="ready", nullable=False))
    op.add_column("media", sa.Column("upload", sa.Text(), nullable=True))
    op.add_column("media", sa.Column("duration", sa.Integer(), nullable=True))
    op.add_column("media", sa.Column("details", sa.Text(), nullable=True))
    op.add_column("media", sa.Column("scheduled_id", id_type(), nullable=True))
    op.create_index(
        "ix_media_scheduled_id",
        "media",
        ["scheduled_id"],
        unique=False,
        sqlite_where=sa.text("scheduled_id IS NOT NULL"),
        postgresql_where=sa.text("scheduled_id IS NOT NULL"),
    )
