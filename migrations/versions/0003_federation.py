"""The company and its federation: roster, tag subscriptions, peers' history and certificates.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def id_type() -> sa.types.TypeEngine[int]:  # a SQLite rowid must be INTEGER; it holds 64 bits
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "roster",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("signed_by", sa.String(length=64), nullable=False),
        sa.Column("stored_at", id_type(), nullable=False),
        sa.Column("source", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_roster")),
    )
    op.create_table(
        "peer_history",
        sa.Column("peer_id", id_type(), autoincrement=False, nullable=False),
        sa.Column("next_iri", sa.Text(), nullable=True),
        sa.Column("until", id_type(), nullable=True),
        sa.Column("taken", sa.Integer(), server_default="0", nullable=False),
        sa.Column("done", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("updated_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(["peer_id"], ["peer.id"], name=op.f("fk_peer_history_peer_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("peer_id", name=op.f("pk_peer_history")),
    )
    op.create_table(
        "tag_subscriber",
        sa.Column("id", id_type(), autoincrement=True, nullable=False),
        sa.Column("peer_id", id_type(), nullable=False),
        sa.Column("tag_id", id_type(), nullable=False),
        sa.Column("inbox", sa.Text(), nullable=False),
        sa.Column("iri", sa.Text(), nullable=True),
        sa.Column("created_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(["peer_id"], ["peer.id"], name=op.f("fk_tag_subscriber_peer_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tag_id"], ["tag.id"], name=op.f("fk_tag_subscriber_tag_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tag_subscriber")),
        sa.UniqueConstraint("iri", name=op.f("uq_tag_subscriber_iri")),
        sa.UniqueConstraint("peer_id", "tag_id", name=op.f("uq_tag_subscriber_peer_id_tag_id")),
    )
    op.create_index(op.f("ix_tag_subscriber_tag_id"), "tag_subscriber", ["tag_id"], unique=False)
    op.create_table(
        "tag_subscription",
        sa.Column("id", id_type(), autoincrement=True, nullable=False),
        sa.Column("peer_id", id_type(), nullable=False),
        sa.Column("tag_id", id_type(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("iri", sa.Text(), nullable=True),
        sa.Column("created_at", id_type(), nullable=False),
        sa.ForeignKeyConstraint(["peer_id"], ["peer.id"], name=op.f("fk_tag_subscription_peer_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tag_id"], ["tag.id"], name=op.f("fk_tag_subscription_tag_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tag_subscription")),
        sa.UniqueConstraint("iri", name=op.f("uq_tag_subscription_iri")),
        sa.UniqueConstraint("peer_id", "tag_id", name=op.f("uq_tag_subscription_peer_id_tag_id")),
    )
    op.create_index(op.f("ix_tag_subscription_tag_id"), "tag_subscription", ["tag_id"], unique=False)
    op.create_index("ix_activity_actor_id_object_iri", "activity", ["actor_id", "object_iri"], unique=False)
    op.drop_index(op.f("ix_activity_actor_id"), table_name="activity")
    op.drop_index(op.f("ix_delivery_next_at"), table_name="delivery", sqlite_where=sa.text("set_aside_at IS NULL"))
    op.create_index(
        "ix_delivery_peer_id_next_at",
        "delivery",
        ["peer_id", "next_at"],
        unique=False,
        sqlite_where=sa.text("set_aside_at IS NULL"),
        postgresql_where=sa.text("set_aside_at IS NULL"),
    )
    op.add_column("peer", sa.Column("failing_since", id_type(), nullable=True))
    op.add_column("peer", sa.Column("last_status", sa.Integer(), nullable=True))
    op.add_column("peer", sa.Column("paused_at", id_type(), nullable=True))
    op.add_column("peer", sa.Column("ramp_from", id_type(), nullable=True))
    op.add_column("peer", sa.Column("certificate", sa.Text(), nullable=True))
    op.add_column("post", sa.Column("context_iri", sa.Text(), nullable=True))
    op.create_index(
        "ix_post_public_local_boost",
        "post",
        ["id"],
        unique=False,
        sqlite_where=sa.text("visibility = 0 AND boost_of_id IS NOT NULL AND local"),
        postgresql_where=sa.text("visibility = 0 AND boost_of_id IS NOT NULL AND local"),
    )
