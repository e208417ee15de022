"""What people are told, and how far they have read it."""

from sqlalchemy import Column, ForeignKey, Integer, String, Table

from node.schema.meta import Id, Millis, metadata

marker = Table(
    "marker",
    metadata,
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("timeline", String(16), primary_key=True),  # home | notifications
    Column("last_read_id", Id, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),  # how often it was set
    Column("updated_at", Millis, nullable=False),
)
