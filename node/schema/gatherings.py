"""Events that people come to (FEP-8a8e). They are called gatherings, since `event` is the log that streams read."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from node.schema.meta import Id, Millis, metadata

gathering = Table(
    "gathering",
    metadata,
    Column("post_id", Id, ForeignKey("post.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("title", Text, nullable=False),
    Column("starts_at", Millis, nullable=False),
    Column("ends_at", Millis),
    Column("timezone", String(64)),  # IANA name, as its author said
    Column("place", Text, nullable=False, server_default=""),
    Column("link", Text),  # where to take part online
    Column("join_mode", String(16), nullable=False, server_default="free"),  # free | restricted | external | invite
    Column("status", String(16), nullable=False, server_default="confirmed"),  # confirmed | tentative | cancelled
    Column("capacity", Integer),
    Column("guests_count", Integer, nullable=False, server_default="0"),
    Index("ix_gathering_starts_at", "starts_at"),
)

attendance = Table(
    "attendance",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),  # orders and pages guests; from node.ids
    Column("post_id", Id, ForeignKey("post.id", ondelete="CASCADE"), nullable=False),
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("state", String(16), nullable=False),  # asked | accepted
    Column("iri", Text, unique=True),  # of the Join
    Column("created_at", Millis, nullable=False),
    UniqueConstraint("post_id", "account_id"),
)
