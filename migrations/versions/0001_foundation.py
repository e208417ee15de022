"""The foundation: people, posts, reactions, federation, auth, work.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def id_type() -> sa.types.TypeEngine[int]:  # a SQLite rowid must be INTEGER; it holds 64 bits
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


SEARCH = {
    "sqlite": (
        "CREATE VIRTUAL TABLE IF NOT EXISTS post_search USING fts5(tokens, tokenize=\"ascii tokenchars '#@._-/:+'\")",
    ),
    "postgresql": (
        "CREATE TABLE IF NOT EXISTS post_search (post_id BIGINT PRIMARY KEY REFERENCES post (id) ON DELETE CASCADE, tsv TSVECTOR NOT NULL)",
        "CREATE INDEX IF NOT EXISTS ix_post_search_tsv ON post_search USING gin (tsv)",
    ),
}


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("username", sa.String(length=255), nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=True),
        sa.Column("handle", sa.String(length=520), nullable=False),
        sa.Column("iri", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("actor_type", sa.String(length=32), server_default="Person", nullable=False),
        sa.Column("inbox", sa.Text(), server_default="", nullable=False),
        sa.Column("shared_inbox", sa.Text(), nullable=True),
        sa.Column("outbox", sa.Text(), nullable=True),
        sa.Column("followers_iri", sa.Text(), nullable=True),
        sa.Column("following_iri", sa.Text(), nullable=True),
        sa.Column("featured_iri", sa.Text(), nullable=True),
        sa.Column("display_name", sa.Text(), server_default="", nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("note_source", sa.Text(), server_default="", nullable=False),
        sa.Column("fields", sa.Text(), server_default="[]", nullable=False),
        sa.Column("avatar", sa.Text(), nullable=True),
        sa.Column("header", sa.Text(), nullable=True),
        sa.Column("locked", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("bot", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("discoverable", sa.Boolean(), server_default=sa.text("(true)"), nullable=False),
        sa.Column("indexable", sa.Boolean(), server_default=sa.text("(true)"), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("department", sa.Text(), nullable=True),
        sa.Column("manager_iri", sa.Text(), nullable=True),
        sa.Column("executive", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("away_until", id_type(), nullable=True),
        sa.Column("also_known_as", sa.Text(), server_default="[]", nullable=False),
        sa.Column("moved_to_iri", sa.Text(), nullable=True),
        sa.Column("followers_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("following_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("posts_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_post_at", id_type(), nullable=True),
        sa.Column("created_at", id_type(), nullable=False),
        sa.Column("updated_at", id_type(), nullable=False),
        sa.Column("fetched_at", id_type(), nullable=True),
        sa.Column("suspended_at", id_type(), nullable=True),
        sa.Column("gone_at", id_type(), nullable=True),
        sa.Column("rev", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("handle", name=op.f("uq_account_handle")),
        sa.UniqueConstraint("iri", name=op.f("uq_account_iri")),
    )
    op.create_index("ix_account_domain", "account", ["domain"], unique=False)
    op.create_index(
        "ix_account_suspended_at",
        "account",
        ["id"],
        unique=False,
        sqlite_where=sa.text("suspended_at IS NOT NULL"),
        postgresql_where=sa.text("suspended_at IS NOT NULL"),
    )
    op.create_table(
        "audit_entry",
        sa.Column("id", id_type(), autoincrement=True, nullable=False),
        sa.Column("at", id_type(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
    )
    op.create_index("ix_audit_entry_at", "audit_entry", ["at"], unique=False)
    op.create_table(
        "event",
        sa.Column("id", id_type(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("post_id", id_type(), nullable=True),
        sa.Column("account_id", id_type(), nullable=True),
        sa.Column("data", sa.Text(), nullable=True),
        sa.Column("at", id_type(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_event_at"), "event", ["at"], unique=False)
    op.create_table(
        "idempotency",
        sa.Column("account_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("post_id", id_type(), nullable=False),
        sa.Column("created_at", id_type(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "key", name=op.f("pk_idempotency")),
    )
    op.create_index(op.f("ix_idempotency_created_at"), "idempotency", ["created_at"], unique=False)
    op.create_table(
        "imported",
        sa.Column("ref", sa.String(length=255), nullable=False),
        sa.Column("post_id", id_type(), nullable=False),
        sa.PrimaryKeyConstraint("ref", name=op.f("pk_imported")),
        sa.UniqueConstraint("post_id", name=op.f("uq_imported_post_id")),
    )
    op.create_table(
        "inbox_item",
        sa.Column("id", id_type(), autoincrement=True, nullable=False),
        sa.Column("signer_iri", sa.Text(), nullable=False),
        sa.Column("activity_iri", sa.Text(), nullable=False),
        sa.Column("peer", sa.String(length=255), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("received_at", id_type(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", id_type(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox_item")),
        sa.UniqueConstraint("signer_iri", "activity_iri", name=op.f("uq_inbox_item_signer_iri_activity_iri")),
    )
    op.create_index(
        "ix_inbox_item_next_at",
        "inbox_item",
        ["next_at", "id"],
        unique=False,
        sqlite_where=sa.text("next_at IS NOT NULL"),
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_index(
        "ix_inbox_item_peer_id",
        "inbox_item",
        ["peer", "id"],
        unique=False,
        sqlite_where=sa.text("next_at IS NOT NULL"),
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_index("ix_inbox_item_received_at", "inbox_item", ["received_at"], unique=False)
    op.create_table(
        "job",
        sa.Column("id", id_type(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("dedupe", sa.String(length=255), nullable=True),
        sa.Column("run_at", id_type(), nullable=False),
        sa.Column("lease_until", id_type(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("failed_at", id_type(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.UniqueConstraint("dedupe", name=op.f("uq_job_dedupe")),
    )
    op.create_index(
        "ix_job_run_at",
        "job",
        ["run_at"],
        unique=False,
        sqlite_where=sa.text("failed_at IS NULL"),
        postgresql_where=sa.text("failed_at IS NULL"),
    )
    op.create_table(
        "meta",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_meta")),
    )
    op.create_table(
        "oauth_app",
        sa.Column("id", id_type(), autoincrement=True, nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("website", sa.Text(), nullable=True),
        sa.Column("redirect_uris", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", id_type(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_app")),
        sa.UniqueConstraint("client_id", name=op.f("uq_oauth_app_client_id")),
    )
    op.create_table(
        "peer",
        sa.Column("id", id_type(), autoincrement=True, nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), server_default="active", nullable=False),
        sa.Column("software", sa.String(length=127), nullable=True),
        sa.Column("flavour", sa.String(length=16), nullable=True),
        sa.Column("lease_token", id_type(), server_default="0", nullable=False),
        sa.Column("lease_until", id_type(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", id_type(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("last_sent_at", id_type(), nullable=True),
        sa.Column("last_received_at", id_type(), nullable=True),
        sa.Column("created_at", id_type(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_peer")),
        sa.UniqueConstraint("domain", name=op.f("uq_peer_domain")),
    )
    op.create_table(
        "tag",
        sa.Column("id", id_type(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("display", sa.String(length=255), nullable=False),
        sa.Column("created_at", id_type(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tag")),
        sa.UniqueConstraint("name", name=op.f("uq_tag_name")),
    )
    op.create_table(
        "tombstone",
        sa.Column("iri", sa.Text(), nullable=False),
        sa.Column("author_iri", sa.Text(), nullable=False),
        sa.Column("former_type", sa.String(length=32), nullable=False),
        sa.Column("post_id", id_type(), nullable=True),
        sa.Column("deleted_at", id_type(), nullable=False),
        sa.PrimaryKeyConstraint("iri", name=op.f("pk_tombstone")),
    )
    op.create_table(
        "account_key",
        sa.Column("id", id_type(), autoincrement=True, nullable=False),
        sa.Column("account_id", id_type(), nullable=False),
        sa.Column("iri", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("private", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", id_type(), nullable=False),
        sa.Column("revoked_at", id_type(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_account_key_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_key")),
        sa.UniqueConstraint("iri", name=op.f("uq_account_key_iri")),
    )
    op.create_index(op.f("ix_account_key_account_id"), "account_key", ["account_id"], unique=False)
    op.create_table(
        "activity",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("iri", sa.Text(), nullable=False),
        sa.Column("actor_id", id_type(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("object_iri", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["account.id"], name=op.f("fk_activity_actor_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activity")),
        sa.UniqueConstraint("iri", name=op.f("uq_activity_iri")),
    )
    op.create_index(op.f("ix_activity_actor_id"), "activity", ["actor_id"], unique=False)
    op.create_table(
        "block",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("account_id", id_type(), nullable=False),
        sa.Column("target_id", id_type(), nullable=False),
        sa.Column("iri", sa.Text(), nullable=True),
        sa.Column("created_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_block_account_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["target_id"], ["account.id"], name=op.f("fk_block_target_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_block")),
        sa.UniqueConstraint("account_id", "target_id", name=op.f("uq_block_account_id_target_id")),
        sa.UniqueConstraint("iri", name=op.f("uq_block_iri")),
    )
    op.create_index("ix_block_target_id", "block", ["target_id"], unique=False)
    op.create_table(
        "follow",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("follower_id", id_type(), nullable=False),
        sa.Column("target_id", id_type(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("iri", sa.Text(), nullable=True),
        sa.Column("show_boosts", sa.Boolean(), server_default=sa.text("(true)"), nullable=False),
        sa.Column("notify", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("created_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(
            ["follower_id"], ["account.id"], name=op.f("fk_follow_follower_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["target_id"], ["account.id"], name=op.f("fk_follow_target_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_follow")),
        sa.UniqueConstraint("follower_id", "target_id", name=op.f("uq_follow_follower_id_target_id")),
        sa.UniqueConstraint("iri", name=op.f("uq_follow_iri")),
    )
    op.create_index(
        "ix_follow_notify",
        "follow",
        ["target_id"],
        unique=False,
        sqlite_where=sa.text("notify"),
        postgresql_where=sa.text("notify"),
    )
    op.create_index("ix_follow_target_id_id", "follow", ["target_id", "id"], unique=False)
    op.create_table(
        "login",
        sa.Column("account_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), server_default='["employee"]', nullable=False),
        sa.Column("default_visibility", sa.Integer(), server_default="0", nullable=False),
        sa.Column("default_sensitive", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("default_language", sa.String(length=35), nullable=True),
        sa.Column("default_local_only", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("disabled_at", id_type(), nullable=True),
        sa.Column("created_at", id_type(), nullable=False),
        sa.Column("last_sign_in_at", id_type(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_login_account_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_login")),
        sa.UniqueConstraint("email", name=op.f("uq_login_email")),
    )
    op.create_table(
        "mute",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("account_id", id_type(), nullable=False),
        sa.Column("target_id", id_type(), nullable=False),
        sa.Column("notifications", sa.Boolean(), server_default=sa.text("(true)"), nullable=False),
        sa.Column("expires_at", id_type(), nullable=True),
        sa.Column("created_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_mute_account_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["target_id"], ["account.id"], name=op.f("fk_mute_target_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mute")),
        sa.UniqueConstraint("account_id", "target_id", name=op.f("uq_mute_account_id_target_id")),
    )
    op.create_index("ix_mute_target_id", "mute", ["target_id"], unique=False)
    op.create_table(
        "oauth_code",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("app_id", id_type(), nullable=False),
        sa.Column("account_id", id_type(), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("challenge", sa.String(length=128), nullable=True),
        sa.Column("expires_at", id_type(), nullable=False),
        sa.Column("used_at", id_type(), nullable=True),
        sa.Column("token_id", id_type(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_oauth_code_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["app_id"], ["oauth_app.id"], name=op.f("fk_oauth_code_app_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_oauth_code")),
    )
    op.create_table(
        "oauth_token",
        sa.Column("id", id_type(), autoincrement=True, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("app_id", id_type(), nullable=False),
        sa.Column("account_id", id_type(), nullable=True),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", id_type(), nullable=False),
        sa.Column("expires_at", id_type(), nullable=True),
        sa.Column("revoked_at", id_type(), nullable=True),
        sa.Column("last_used_at", id_type(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_oauth_token_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["app_id"], ["oauth_app.id"], name=op.f("fk_oauth_token_app_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_token")),
        sa.UniqueConstraint("hash", name=op.f("uq_oauth_token_hash")),
    )
    op.create_index(op.f("ix_oauth_token_account_id"), "oauth_token", ["account_id"], unique=False)
    op.create_index(op.f("ix_oauth_token_app_id"), "oauth_token", ["app_id"], unique=False)
    op.create_table(
        "post",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("iri", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("author_id", id_type(), nullable=False),
        sa.Column("local", sa.Boolean(), nullable=False),
        sa.Column("boost_of_id", id_type(), nullable=True),
        sa.Column("object_type", sa.String(length=32), server_default="Note", nullable=False),
        sa.Column("content", sa.Text(), server_default="", nullable=False),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.Column("spoiler", sa.Text(), server_default="", nullable=False),
        sa.Column("sensitive", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("language", sa.String(length=35), nullable=True),
        sa.Column("visibility", sa.Integer(), nullable=False),
        sa.Column("local_only", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("in_reply_to_id", id_type(), nullable=True),
        sa.Column("in_reply_to_iri", sa.Text(), nullable=True),
        sa.Column("in_reply_to_account_id", id_type(), nullable=True),
        sa.Column("conversation_id", id_type(), nullable=False),
        sa.Column("app_id", id_type(), nullable=True),
        sa.Column("created_at", id_type(), nullable=False),
        sa.Column("edited_at", id_type(), nullable=True),
        sa.Column("replies_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("boosts_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("favourites_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rev", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["account.id"], name=op.f("fk_post_author_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["boost_of_id"], ["post.id"], name=op.f("fk_post_boost_of_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["in_reply_to_id"], ["post.id"], name=op.f("fk_post_in_reply_to_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_post")),
        sa.UniqueConstraint("iri", name=op.f("uq_post_iri")),
    )
    op.create_index("ix_post_author_id_id", "post", ["author_id", "id"], unique=False)
    op.create_index("ix_post_conversation_id", "post", ["conversation_id"], unique=False)
    op.create_index(
        "ix_post_in_reply_to_id",
        "post",
        ["in_reply_to_id"],
        unique=False,
        sqlite_where=sa.text("in_reply_to_id IS NOT NULL"),
        postgresql_where=sa.text("in_reply_to_id IS NOT NULL"),
    )
    op.create_index(
        "ix_post_in_reply_to_iri",
        "post",
        ["in_reply_to_iri"],
        unique=False,
        sqlite_where=sa.text("in_reply_to_iri IS NOT NULL"),
        postgresql_where=sa.text("in_reply_to_iri IS NOT NULL"),
    )
    op.create_index(
        "ix_post_public",
        "post",
        ["id"],
        unique=False,
        sqlite_where=sa.text("visibility = 0 AND boost_of_id IS NULL"),
        postgresql_where=sa.text("visibility = 0 AND boost_of_id IS NULL"),
    )
    op.create_index(
        "ix_post_public_local",
        "post",
        ["id"],
        unique=False,
        sqlite_where=sa.text("visibility = 0 AND boost_of_id IS NULL AND local"),
        postgresql_where=sa.text("visibility = 0 AND boost_of_id IS NULL AND local"),
    )
    op.create_index(
        "uq_post_boost",
        "post",
        ["boost_of_id", "author_id"],
        unique=True,
        sqlite_where=sa.text("boost_of_id IS NOT NULL"),
        postgresql_where=sa.text("boost_of_id IS NOT NULL"),
    )
    op.create_table(
        "report",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("iri", sa.Text(), nullable=True),
        sa.Column("reporter_id", id_type(), nullable=False),
        sa.Column("target_id", id_type(), nullable=False),
        sa.Column("post_ids", sa.Text(), server_default="[]", nullable=False),
        sa.Column("comment", sa.Text(), server_default="", nullable=False),
        sa.Column("forwarded", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("created_at", id_type(), nullable=False),
        sa.Column("resolved_at", id_type(), nullable=True),
        sa.ForeignKeyConstraint(
            ["reporter_id"], ["account.id"], name=op.f("fk_report_reporter_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["target_id"], ["account.id"], name=op.f("fk_report_target_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report")),
        sa.UniqueConstraint("iri", name=op.f("uq_report_iri")),
    )
    op.create_index(op.f("ix_report_target_id"), "report", ["target_id"], unique=False)
    op.create_table(
        "tag_follow",
        sa.Column("account_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("tag_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("created_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_tag_follow_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["tag_id"], ["tag.id"], name=op.f("fk_tag_follow_tag_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("account_id", "tag_id", name=op.f("pk_tag_follow")),
    )
    op.create_index("ix_tag_follow_tag_id", "tag_follow", ["tag_id"], unique=False)
    op.create_table(
        "web_session",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", id_type(), nullable=False),
        sa.Column("csrf", sa.String(length=64), nullable=False),
        sa.Column("created_at", id_type(), nullable=False),
        sa.Column("expires_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_web_session_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_web_session")),
    )
    op.create_index(op.f("ix_web_session_account_id"), "web_session", ["account_id"], unique=False)
    op.create_table(
        "bookmark",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("account_id", id_type(), nullable=False),
        sa.Column("post_id", id_type(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_bookmark_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_bookmark_post_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bookmark")),
        sa.UniqueConstraint("account_id", "post_id", name=op.f("uq_bookmark_account_id_post_id")),
    )
    op.create_index("ix_bookmark_post_id", "bookmark", ["post_id"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("id", id_type(), autoincrement=True, nullable=False),
        sa.Column("activity_id", id_type(), nullable=False),
        sa.Column("peer_id", id_type(), nullable=False),
        sa.Column("inbox", sa.Text(), nullable=False),
        sa.Column("ordering_key", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", id_type(), nullable=False),
        sa.Column("expires_at", id_type(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("set_aside_at", id_type(), nullable=True),
        sa.ForeignKeyConstraint(
            ["activity_id"], ["activity.id"], name=op.f("fk_delivery_activity_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["peer_id"], ["peer.id"], name=op.f("fk_delivery_peer_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint("activity_id", "inbox", name=op.f("uq_delivery_activity_id_inbox")),
    )
    op.create_index(
        "ix_delivery_next_at",
        "delivery",
        ["next_at"],
        unique=False,
        sqlite_where=sa.text("set_aside_at IS NULL"),
        postgresql_where=sa.text("set_aside_at IS NULL"),
    )
    op.create_index(
        "ix_delivery_peer_id_id",
        "delivery",
        ["peer_id", "id"],
        unique=False,
        sqlite_where=sa.text("set_aside_at IS NULL"),
        postgresql_where=sa.text("set_aside_at IS NULL"),
    )
    op.create_table(
        "favourite",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("account_id", id_type(), nullable=False),
        sa.Column("post_id", id_type(), nullable=False),
        sa.Column("iri", sa.Text(), nullable=True),
        sa.Column("created_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_favourite_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_favourite_post_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_favourite")),
        sa.UniqueConstraint("account_id", "post_id", name=op.f("uq_favourite_account_id_post_id")),
        sa.UniqueConstraint("iri", name=op.f("uq_favourite_iri")),
    )
    op.create_index("ix_favourite_post_id_id", "favourite", ["post_id", "id"], unique=False)
    op.create_table(
        "media",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("account_id", id_type(), nullable=False),
        sa.Column("post_id", id_type(), nullable=True),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("content_type", sa.String(length=127), nullable=False),
        sa.Column("file", sa.Text(), nullable=True),
        sa.Column("preview", sa.Text(), nullable=True),
        sa.Column("remote_url", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("blurhash", sa.String(length=127), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("preview_width", sa.Integer(), nullable=True),
        sa.Column("preview_height", sa.Integer(), nullable=True),
        sa.Column("focus_x", sa.Float(), server_default="0", nullable=False),
        sa.Column("focus_y", sa.Float(), server_default="0", nullable=False),
        sa.Column("size", sa.Integer(), nullable=True),
        sa.Column("created_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_media_account_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_media_post_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media")),
    )
    op.create_index(op.f("ix_media_account_id"), "media", ["account_id"], unique=False)
    op.create_index("ix_media_post_id_position", "media", ["post_id", "position"], unique=False)
    op.create_table(
        "mention",
        sa.Column("post_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("account_id", id_type(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_mention_account_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_mention_post_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("post_id", "account_id", name=op.f("pk_mention")),
    )
    op.create_index("ix_mention_account_id_post_id", "mention", ["account_id", "post_id"], unique=False)
    op.create_table(
        "notification",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("account_id", id_type(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("from_id", id_type(), nullable=False),
        sa.Column("post_id", id_type(), nullable=True),
        sa.Column("report_id", id_type(), nullable=True),
        sa.Column("dedupe", sa.String(length=127), nullable=False),
        sa.Column("created_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_notification_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["from_id"], ["account.id"], name=op.f("fk_notification_from_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_notification_post_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification")),
        sa.UniqueConstraint("account_id", "dedupe", name=op.f("uq_notification_account_id_dedupe")),
    )
    op.create_index("ix_notification_account_id_id", "notification", ["account_id", "id"], unique=False)
    op.create_index(op.f("ix_notification_from_id"), "notification", ["from_id"], unique=False)
    op.create_index(op.f("ix_notification_post_id"), "notification", ["post_id"], unique=False)
    op.create_table(
        "pin",
        sa.Column("account_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("post_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("created_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_pin_account_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_pin_post_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("account_id", "post_id", name=op.f("pk_pin")),
    )
    op.create_index("ix_pin_post_id", "pin", ["post_id"], unique=False)
    op.create_table(
        "poll",
        sa.Column("id", id_type(), autoincrement=False, nullable=False),
        sa.Column("post_id", id_type(), nullable=False),
        sa.Column("multiple", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("expires_at", id_type(), nullable=True),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("voters_count", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_poll_post_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_poll")),
        sa.UniqueConstraint("post_id", name=op.f("uq_poll_post_id")),
    )
    op.create_table(
        "post_edit",
        sa.Column("id", id_type(), autoincrement=True, nullable=False),
        sa.Column("post_id", id_type(), nullable=False),
        sa.Column("created_at", id_type(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("spoiler", sa.Text(), nullable=False),
        sa.Column("sensitive", sa.Boolean(), nullable=False),
        sa.Column("media", sa.Text(), server_default="[]", nullable=False),
        sa.Column("poll_options", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_post_edit_post_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_post_edit")),
    )
    op.create_index(op.f("ix_post_edit_post_id"), "post_edit", ["post_id"], unique=False)
    op.create_table(
        "post_link",
        sa.Column("post_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_post_link_post_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("post_id", "position", name=op.f("pk_post_link")),
    )
    op.create_index("ix_post_link_url", "post_link", ["url"], unique=False)
    op.create_table(
        "post_tag",
        sa.Column("tag_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("post_id", id_type(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_post_tag_post_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tag_id"], ["tag.id"], name=op.f("fk_post_tag_tag_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tag_id", "post_id", name=op.f("pk_post_tag")),
    )
    op.create_index("ix_post_tag_post_id", "post_tag", ["post_id"], unique=False)
    op.create_table(
        "poll_vote",
        sa.Column("poll_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("account_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("choice", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("iri", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_poll_vote_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"], name=op.f("fk_poll_vote_poll_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("poll_id", "account_id", "choice", name=op.f("pk_poll_vote")),
    )
    for statement in SEARCH[op.get_context().dialect.name]:
        op.execute(statement)
