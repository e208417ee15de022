"""Notes on people.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def id_type() -> sa.types.TypeEngine[int]:  # a SQLite rowid must be INTEGER; it holds 64 bits
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "account_note",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("account_id", id_type(), nullable=False),
        sa.Column("target_id", id_type(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("updated_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_account_note_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["target_id"], ["account.id"], name=op.f("fk_account_note_target_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_note")),
        sa.UniqueConstraint("account_id", "target_id", name=op.f("uq_account_note_account_id_target_id")),
    )
    op.create_index(op.f("ix_account_note_target_id"), "account_note", ["target_id"], unique=False)
    op.create_table(
        "featured_person",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("account_id", id_type(), nullable=False),
        sa.Column("target_id", id_type(), nullable=False),
        sa.Column("created_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_featured_person_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["target_id"], ["account.id"], name=op.f("fk_featured_person_target_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_featured_person")),
        sa.UniqueConstraint("account_id", "target_id", name=op.f("uq_featured_person_account_id_target_id")),
    )
    op.create_index(op.f("ix_featured_person_target_id"), "featured_person", ["target_id"], unique=False)
    op.create_table(
        "suggestion_dismissal",
        sa.Column("account_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("target_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("created_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_suggestion_dismissal_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["target_id"], ["account.id"], name=op.f("fk_suggestion_dismissal_target_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "target_id", name=op.f("pk_suggestion_dismissal")),
    )
    op.create_index("ix_suggestion_dismissal_target_id", "suggestion_dismissal", ["target_id"], unique=False)
