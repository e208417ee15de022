"""Lists of people, mutes of threads, direct conversations, filters.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def id_type() -> sa.types.TypeEngine[int]:  # a SQLite rowid must be INTEGER; it holds 64 bits
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _lists()
    _mutes()
    _conversations()
    _filters()


def _lists() -> None:
    op.create_table(
        "people_list",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("account_id", id_type(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("replies_policy", sa.String(length=16), server_default="list", nullable=False),
        sa.Column("exclusive", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_people_list_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people_list")),
    )
    op.create_index(op.f("ix_people_list_account_id"), "people_list", ["account_id"], unique=False)
    op.create_table(
        "people_list_member",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("list_id", id_type(), nullable=False),
        sa.Column("account_id", id_type(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_people_list_member_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["list_id"], ["people_list.id"], name=op.f("fk_people_list_member_list_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people_list_member")),
        sa.UniqueConstraint("list_id", "account_id", name=op.f("uq_people_list_member_list_id_account_id")),
    )
    op.create_index("ix_people_list_member_account_id", "people_list_member", ["account_id"], unique=False)
    op.create_index("ix_people_list_member_list_id_id", "people_list_member", ["list_id", "id"], unique=False)
    op.add_column("follow", sa.Column("off_home", sa.Boolean(), server_default=sa.text("false"), nullable=False))


def _mutes() -> None:
    op.create_table(
        "conversation_mute",
        sa.Column("account_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("conversation_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("created_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_conversation_mute_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "conversation_id", name=op.f("pk_conversation_mute")),
    )
    op.create_index("ix_conversation_mute_conversation_id", "conversation_mute", ["conversation_id"], unique=False)


def _conversations() -> None:
    op.create_table(
        "direct_conversation",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("account_id", id_type(), nullable=False),
        sa.Column("conversation_id", id_type(), nullable=False),
        sa.Column("participants", sa.Text(), server_default="[]", nullable=False),
        sa.Column("last_post_id", id_type(), nullable=True),
        sa.Column("unread", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("updated_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_direct_conversation_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["last_post_id"], ["post.id"], name=op.f("fk_direct_conversation_last_post_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_direct_conversation")),
        sa.UniqueConstraint(
            "account_id", "conversation_id", name=op.f("uq_direct_conversation_account_id_conversation_id")
        ),
    )
    op.create_index(
        "ix_direct_conversation_account_id_last_post_id",
        "direct_conversation",
        ["account_id", "last_post_id"],
        unique=False,
    )
    op.create_index("ix_direct_conversation_conversation_id", "direct_conversation", ["conversation_id"], unique=False)
    op.create_index(op.f("ix_direct_conversation_last_post_id"), "direct_conversation", ["last_post_id"], unique=False)
    # The direct posts that are here already. Of a database without any there is nothing to do.
    op.execute(
        "INSERT INTO job (kind, payload, run_at, dedupe) SELECT 'direct.index', '{}', 0, 'direct.index'"
        " WHERE EXISTS (SELECT 1 FROM post WHERE visibility = 3)"
    )


def _filters() -> None:
    op.create_table(
        "word_filter",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("account_id", id_type(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("contexts", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(length=8), server_default="warn", nullable=False),
        sa.Column("expires_at", id_type(), nullable=True),
        sa.Column("created_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_word_filter_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_word_filter")),
    )
    op.create_index(op.f("ix_word_filter_account_id"), "word_filter", ["account_id"], unique=False)
    op.create_table(
        "filter_keyword",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("filter_id", id_type(), nullable=False),
        sa.Column("keyword", sa.Text(), nullable=False),
        sa.Column("whole_word", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.ForeignKeyConstraint(
            ["filter_id"], ["word_filter.id"], name=op.f("fk_filter_keyword_filter_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_filter_keyword")),
    )
    op.create_index(op.f("ix_filter_keyword_filter_id"), "filter_keyword", ["filter_id"], unique=False)
    op.create_table(
        "filter_post",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("filter_id", id_type(), nullable=False),
        sa.Column("post_id", id_type(), nullable=False),
        sa.ForeignKeyConstraint(
            ["filter_id"], ["word_filter.id"], name=op.f("fk_filter_post_filter_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_filter_post_post_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_filter_post")),
        sa.UniqueConstraint("filter_id", "post_id", name=op.f("uq_filter_post_filter_id_post_id")),
    )
    op.create_index(op.f("ix_filter_post_post_id"), "filter_post", ["post_id"], unique=False)
    op.add_column("login", sa.Column("filters_rev", sa.Integer(), server_default="0", nullable=False))
