"""The company: its roster, who asked for which tags, and what was read of peers' history."""

from sqlalchemy import Boolean, Column, ForeignKey, Integer, LargeBinary, String, Table, Text, UniqueConstraint, text

from node.schema.meta import Id, Millis, metadata

roster = Table(
    "roster",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),  # the signed document, as it was received
    Column("signed_by", String(64), nullable=False),  # the company key (multibase)
    Column("stored_at", Millis, nullable=False),
    Column("source", String(255), nullable=False),  # host[:port] that it came from, or "file"
)

tag_subscriber = Table(
    "tag_subscriber",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("peer_id", Id, ForeignKey("peer.id", ondelete="CASCADE"), nullable=False),
    Column("tag_id", Id, ForeignKey("tag.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("inbox", Text, nullable=False),
    Column("iri", Text, unique=True),  # of the Follow
    Column("created_at", Millis, nullable=False),
    UniqueConstraint("peer_id", "tag_id"),
)

tag_subscription = Table(
    "tag_subscription",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("peer_id", Id, ForeignKey("peer.id", ondelete="CASCADE"), nullable=False),
    Column("tag_id", Id, ForeignKey("tag.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("state", String(16), nullable=False),  # asked | accepted
    Column("iri", Text, unique=True),  # of the Follow
    Column("created_at", Millis, nullable=False),
    UniqueConstraint("peer_id", "tag_id"),
)

peer_history = Table(
    "peer_history",
    metadata,
    Column("peer_id", Id, ForeignKey("peer.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("next_iri", Text),  # page to read next; NULL: from the start, or done
    Column("until", Millis),  # how far back is wanted
    Column("missed", Boolean, nullable=False, server_default=text("false")),  # all that was for us, after a restore
    Column("taken", Integer, nullable=False, server_default="0"),
    Column("done", Boolean, nullable=False, server_default=text("false")),
    Column("updated_at", Millis, nullable=False),
)
