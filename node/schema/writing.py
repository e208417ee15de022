"""What people have written and not published yet."""

from sqlalchemy import Column, ForeignKey, Index, String, Table, Text, UniqueConstraint

from node.schema.meta import Id, Json, Millis, metadata

scheduled_post = Table(
    "scheduled_post",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("draft", Json, nullable=False),  # a node.drafts.Draft
    Column("scheduled_at", Millis, nullable=False),
    Column("idempotency_key", String(64)),  # SHA-256, hex
    Column("failed_at", Millis),  # it could not be published, and is kept so that nothing is lost
    Column("last_error", Text),
    Column("created_at", Millis, nullable=False),
    UniqueConstraint("account_id", "idempotency_key"),
    Index("ix_scheduled_post_account_id_id", "account_id", "id"),
)
