"""What people do with a post besides answering it. Boosts are posts (see schema/posts.py)."""

from sqlalchemy import Column, ForeignKey, Index, String, Table, Text, UniqueConstraint

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

reaction = Table(
    "reaction",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),  # orders and pages; from node.ids
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("post_id", Id, ForeignKey("post.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(255), nullable=False),  # one emoji, or ":shortcode:" of a custom one
    Column("emoji_id", Id, ForeignKey("emoji.id", ondelete="CASCADE"), index=True),  # the custom one
    Column("iri", Text, unique=True),  # of the EmojiReact
    Column("created_at", Millis, nullable=False),
    UniqueConstraint("account_id", "post_id", "name"),
    Index("ix_reaction_post_id_id", "post_id", "id"),
)

quote = Table(
    "quote",
    metadata,
    Column("post_id", Id, ForeignKey("post.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),  # quotes
    Column("quoted_id", Id, ForeignKey("post.id", ondelete="SET NULL")),
    Column("quoted_iri", Text, nullable=False, index=True),  # kept when the quoted post is not here
    Column("state", String(16), nullable=False),  # node.quotes.State
    Column("request_iri", Text, unique=True),  # of the QuoteRequest
    Column("stamp_iri", Text, unique=True),  # of the QuoteAuthorization, at the quoted author's node
    Column("created_at", Millis, nullable=False),
    Index("ix_quote_quoted_id_post_id", "quoted_id", "post_id"),
)
