"""What people do with a post besides answering it. Boosts are posts (see schema/posts.py)."""

from sqlalchemy import Column, ForeignKey, Index, Table, Text, UniqueConstraint

from node.schema.meta import Id, Millis, metadata

favourite = Table(
    "favourite",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),  # orders and pages; from node.ids
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("post_id", Id, ForeignKey("post.id", ondelete="CASCADE"), nullable=False),
    Column("iri", Text, unique=True),  # of the Like
    Column("created_at", Millis, nullable=False),
    UniqueConstraint("account_id", "post_id"),
    Index("ix_favourite_post_id_id", "post_id", "id"),
)

bookmark = Table(
    "bookmark",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("post_id", Id, ForeignKey("post.id", ondelete="CASCADE"), nullable=False),
    UniqueConstraint("account_id", "post_id"),
    Index("ix_bookmark_post_id", "post_id"),
)

pin = Table(
    "pin",
    metadata,
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("post_id", Id, ForeignKey("post.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("created_at", Millis, nullable=False),
    Index("ix_pin_post_id", "post_id"),
)
