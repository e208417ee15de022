"""Quotes, reactions, custom emoji, groups, gatherings, featured tags; and polls whose end is told.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def id_type() -> sa.types.TypeEngine[int]:  # a SQLite rowid must be INTEGER; it holds 64 bits
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "emoji",
        sa.Column("id", id_type(), autoincrement=True, nullable=False),
        sa.Column("domain", sa.String(length=255), server_default="", nullable=False),
        sa.Column("shortcode", sa.String(length=127), nullable=False),
        sa.Column("iri", sa.Text(), nullable=True),
        sa.Column("image_url", sa.Text(), nullable=True),
        sa.Column("file", sa.Text(), nullable=True),
        sa.Column("still", sa.Text(), nullable=True),
        sa.Column("category", sa.String(length=255), nullable=True),
        sa.Column("hidden", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("disabled_at", id_type(), nullable=True),
        sa.Column("wanted", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("failed_at", id_type(), nullable=True),
        sa.Column("created_at", id_type(), nullable=False),
        sa.Column("updated_at", id_type(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_emoji")),
        sa.UniqueConstraint("domain", "shortcode", name=op.f("uq_emoji_domain_shortcode")),
        sa.UniqueConstraint("iri", name=op.f("uq_emoji_iri")),
    )
    op.create_index("ix_emoji_shortcode", "emoji", ["shortcode"], unique=False)
    op.create_table(
        "featured_tag",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("account_id", id_type(), nullable=False),
        sa.Column("tag_id", id_type(), nullable=False),
        sa.Column("created_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_featured_tag_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["tag_id"], ["tag.id"], name=op.f("fk_featured_tag_tag_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_featured_tag")),
        sa.UniqueConstraint("account_id", "tag_id", name=op.f("uq_featured_tag_account_id_tag_id")),
    )
    op.create_index(op.f("ix_featured_tag_tag_id"), "featured_tag", ["tag_id"], unique=False)
    op.create_table(
        "group_ban",
        sa.Column("group_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("account_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("created_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_group_ban_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["group_id"], ["account.id"], name=op.f("fk_group_ban_group_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("group_id", "account_id", name=op.f("pk_group_ban")),
    )
    op.create_table(
        "group_moderator",
        sa.Column("group_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("account_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("created_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_group_moderator_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["account.id"], name=op.f("fk_group_moderator_group_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("group_id", "account_id", name=op.f("pk_group_moderator")),
    )
    op.create_table(
        "group_profile",
        sa.Column("account_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("posting", sa.String(length=16), server_default="members", nullable=False),
        sa.Column("hidden", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("moderators_iri", sa.Text(), nullable=True),
        sa.Column("created_by_id", id_type(), nullable=True),
        sa.Column("created_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_group_profile_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["account.id"], name=op.f("fk_group_profile_created_by_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_group_profile")),
    )
    op.create_table(
        "attendance",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("post_id", id_type(), nullable=False),
        sa.Column("account_id", id_type(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("iri", sa.Text(), nullable=True),
        sa.Column("created_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_attendance_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_attendance_post_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attendance")),
        sa.UniqueConstraint("iri", name=op.f("uq_attendance_iri")),
        sa.UniqueConstraint("post_id", "account_id", name=op.f("uq_attendance_post_id_account_id")),
    )
    op.create_index(op.f("ix_attendance_account_id"), "attendance", ["account_id"], unique=False)
    op.create_table(
        "gathering",
        sa.Column("post_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("starts_at", id_type(), nullable=False),
        sa.Column("ends_at", id_type(), nullable=True),
        sa.Column("timezone", sa.String(length=64), nullable=True),
        sa.Column("place", sa.Text(), server_default="", nullable=False),
        sa.Column("link", sa.Text(), nullable=True),
        sa.Column("join_mode", sa.String(length=16), server_default="free", nullable=False),
        sa.Column("status", sa.String(length=16), server_default="confirmed", nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=True),
        sa.Column("guests_count", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_gathering_post_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("post_id", name=op.f("pk_gathering")),
    )
    op.create_index("ix_gathering_starts_at", "gathering", ["starts_at"], unique=False)
    op.create_table(
        "quote",
        sa.Column("post_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("quoted_id", id_type(), nullable=True),
        sa.Column("quoted_iri", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("request_iri", sa.Text(), nullable=True),
        sa.Column("stamp_iri", sa.Text(), nullable=True),
        sa.Column("created_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_quote_post_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["quoted_id"], ["post.id"], name=op.f("fk_quote_quoted_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("post_id", name=op.f("pk_quote")),
        sa.UniqueConstraint("request_iri", name=op.f("uq_quote_request_iri")),
        sa.UniqueConstraint("stamp_iri", name=op.f("uq_quote_stamp_iri")),
    )
    op.create_index("ix_quote_quoted_id_post_id", "quote", ["quoted_id", "post_id"], unique=False)
    op.create_index(op.f("ix_quote_quoted_iri"), "quote", ["quoted_iri"], unique=False)
    op.create_table(
        "reaction",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("account_id", id_type(), nullable=False),
        sa.Column("post_id", id_type(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("emoji_id", id_type(), nullable=True),
        sa.Column("iri", sa.Text(), nullable=True),
        sa.Column("created_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_reaction_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["emoji_id"], ["emoji.id"], name=op.f("fk_reaction_emoji_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_reaction_post_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reaction")),
        sa.UniqueConstraint("account_id", "post_id", "name", name=op.f("uq_reaction_account_id_post_id_name")),
        sa.UniqueConstraint("iri", name=op.f("uq_reaction_iri")),
    )
    op.create_index(op.f("ix_reaction_emoji_id"), "reaction", ["emoji_id"], unique=False)
    op.create_index("ix_reaction_post_id_id", "reaction", ["post_id", "id"], unique=False)
    op.add_column("account", sa.Column("featured_tags_iri", sa.Text(), nullable=True))
    op.add_column("account", sa.Column("featured_at", id_type(), nullable=True))
    op.add_column("login", sa.Column("default_quote_policy", sa.Integer(), nullable=True))
    op.add_column("poll", sa.Column("hide_totals", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("poll", sa.Column("told_at", id_type(), nullable=True))
    op.create_index("ix_poll_vote_account_id", "poll_vote", ["account_id"], unique=False)
    op.add_column("post", sa.Column("reactions_count", sa.Integer(), server_default="0", nullable=False))
    op.add_column("post", sa.Column("quotes_count", sa.Integer(), server_default="0", nullable=False))
    op.add_column("post", sa.Column("quote_policy", sa.Integer(), nullable=True))
    op.add_column("post", sa.Column("group_id", id_type(), nullable=True))
    op.create_index(
        "ix_post_group_id",
        "post",
        ["group_id", "id"],
        unique=False,
        sqlite_where=sa.text("group_id IS NOT NULL"),
        postgresql_where=sa.text("group_id IS NOT NULL"),
    )
    op.create_table(
        "retraction",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("peer_id", id_type(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["peer_id"], ["peer.id"], name=op.f("fk_retraction_peer_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retraction")),
    )
    op.create_index(op.f("ix_retraction_peer_id"), "retraction", ["peer_id"], unique=False)
    op.create_table(
        "takeback",
        sa.Column("post_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("account_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=9), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_takeback_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_takeback_post_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("post_id", "account_id", "kind", name=op.f("pk_takeback")),
    )
    op.create_index(op.f("ix_takeback_account_id"), "takeback", ["account_id"], unique=False)
    op.create_table(
        "thread_lookup",
        sa.Column("conversation_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("at", id_type(), nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", name=op.f("pk_thread_lookup")),
    )
    op.create_index(op.f("ix_thread_lookup_at"), "thread_lookup", ["at"], unique=False)
    op.add_column("peer", sa.Column("lease_holder", id_type(), nullable=True))
    op.add_column("job", sa.Column("lease_holder", id_type(), nullable=True))
    op.add_column("peer_history", sa.Column("missed", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_index(
        "ix_post_edited_at",
        "post",
        ["edited_at"],
        unique=False,
        sqlite_where=sa.text("edited_at IS NOT NULL AND local"),
        postgresql_where=sa.text("edited_at IS NOT NULL AND local"),
    )
