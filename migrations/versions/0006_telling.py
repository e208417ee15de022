"""How far people have read; notifications in groups.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def id_type() -> sa.types.TypeEngine[int]:  # a SQLite rowid must be INTEGER; it holds 64 bits
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "marker",
        sa.Column("account_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("timeline", sa.String(length=16), nullable=False),
        sa.Column("last_read_id", id_type(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("updated_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_marker_account_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("account_id", "timeline", name=op.f("pk_marker")),
    )
    op.add_column("notification", sa.Column("group_key", sa.String(length=127), nullable=True))
    op.create_index(
        "ix_notification_group",
        "notification",
        ["account_id", "group_key", "id"],
        unique=False,
        sqlite_where=sa.text("group_key IS NOT NULL"),
        postgresql_where=sa.text("group_key IS NOT NULL"),
    )
