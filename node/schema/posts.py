"""Posts of this node and copies of others'. A boost is a row of its own with `boost_of_id`, as it stands in timelines."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from node.schema.meta import Id, Json, Millis, metadata

REF_LENGTH = 255
"""Characters of an id in an imported file."""

post = Table(
    "post",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("iri", Text, nullable=False, unique=True),
    Column("url", Text),
    Column("author_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("local", Boolean, nullable=False),
    Column("boost_of_id", Id, ForeignKey("post.id", ondelete="CASCADE")),
    Column("object_type", String(32), nullable=False, server_default="Note"),
    Column("content", Text, nullable=False, server_default=""),  # sanitised HTML
    Column("text", Text, nullable=False, server_default=""),  # local: as written; remote: empty
    Column("spoiler", Text, nullable=False, server_default=""),
    Column("sensitive", Boolean, nullable=False, server_default=text("false")),
    Column("language", String(35)),
    Column("visibility", Integer, nullable=False),  # activitypub.audience.Visibility
    Column("local_only", Boolean, nullable=False, server_default=text("false")),  # audience "department"
    Column("in_reply_to_id", Id, ForeignKey("post.id", ondelete="SET NULL")),
    Column("in_reply_to_iri", Text),  # kept when the parent is not here
    Column("in_reply_to_account_id", Id),
    Column("conversation_id", Id, nullable=False),  # id of the oldest post of the thread that is known here
    Column("context_iri", Text),  # remote: the collection of the conversation, when the post names one (FEP-7888)
    Column("app_id", Id),  # the client it was written with (local)
    Column("created_at", Millis, nullable=False),
    Column("edited_at", Millis),
    Column("replies_count", Integer, nullable=False, server_default="0"),
    Column("boosts_count", Integer, nullable=False, server_default="0"),
    Column("favourites_count", Integer, nullable=False, server_default="0"),
    Column("reactions_count", Integer, nullable=False, server_default="0"),  # rows of `reaction`
    Column("quotes_count", Integer, nullable=False, server_default="0"),  # accepted ones
    Column("quote_policy", Integer),  # node.quotes.Policy as bits; NULL: its author never said
    Column("group_id", Id),  # the group that it was written to
    Column(
        "rev", Integer, nullable=False, server_default="0"
    ),  # rises when its own text, media or poll changes; not with counts
    Index("ix_post_author_id_id", "author_id", "id"),
    Index(
        "ix_post_in_reply_to_id",
        "in_reply_to_id",
        sqlite_where=text("in_reply_to_id IS NOT NULL"),
        postgresql_where=text("in_reply_to_id IS NOT NULL"),
    ),
    Index(
        "ix_post_in_reply_to_iri",
        "in_reply_to_iri",
        sqlite_where=text("in_reply_to_iri IS NOT NULL"),
        postgresql_where=text("in_reply_to_iri IS NOT NULL"),
    ),
    Index("ix_post_conversation_id", "conversation_id"),
    # What the public timelines walk: newest first, boosts and everything narrower left out.
    Index(
        "ix_post_public",
        "id",
        sqlite_where=text("visibility = 0 AND boost_of_id IS NULL"),
        postgresql_where=text("visibility = 0 AND boost_of_id IS NULL"),
    ),
    Index(
        "ix_post_public_local",
        "id",
        sqlite_where=text("visibility = 0 AND boost_of_id IS NULL AND local"),
        postgresql_where=text("visibility = 0 AND boost_of_id IS NULL AND local"),
    ),
    Index(
        "ix_post_public_local_boost",
        "id",
        sqlite_where=text("visibility = 0 AND boost_of_id IS NOT NULL AND local"),
        postgresql_where=text("visibility = 0 AND boost_of_id IS NOT NULL AND local"),
    ),
    # What of ours was edited since some time.
    Index(
        "ix_post_edited_at",
        "edited_at",
        sqlite_where=text("edited_at IS NOT NULL AND local"),
        postgresql_where=text("edited_at IS NOT NULL AND local"),
    ),
    Index(
        "ix_post_group_id",
        "group_id",
        "id",
        sqlite_where=text("group_id IS NOT NULL"),
        postgresql_where=text("group_id IS NOT NULL"),
    ),
    # One boost of a post per person, also when two requests race.
    Index(
        "uq_post_boost",
        "boost_of_id",
        "author_id",
        unique=True,
        sqlite_where=text("boost_of_id IS NOT NULL"),
        postgresql_where=text("boost_of_id IS NOT NULL"),
    ),
)

post_edit = Table(
    "post_edit",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("post_id", Id, ForeignKey("post.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Millis, nullable=False),
    Column("content", Text, nullable=False),
    Column("spoiler", Text, nullable=False),
    Column("sensitive", Boolean, nullable=False),
    Column("media", Json, nullable=False, server_default="[]"),  # media ids, in order
    Column("poll_options", Json),
)

mention = Table(
    "mention",
    metadata,
    Column("post_id", Id, ForeignKey("post.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Index("ix_mention_account_id_post_id", "account_id", "post_id"),
)

tag = Table(
    "tag",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("name", String(255), nullable=False, unique=True),  # NFKC, casefolded
    Column("display", String(255), nullable=False),  # as first written
    Column("created_at", Millis, nullable=False),
)

post_tag = Table(
    "post_tag",
    metadata,
    Column("tag_id", Id, ForeignKey("tag.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("post_id", Id, ForeignKey("post.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Index("ix_post_tag_post_id", "post_id"),
)

post_link = Table(
    "post_link",
    metadata,
    Column("post_id", Id, ForeignKey("post.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("url", Text, nullable=False),
    Index("ix_post_link_url", "url"),
)

poll = Table(
    "poll",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),  # = post id
    Column("post_id", Id, ForeignKey("post.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("multiple", Boolean, nullable=False, server_default=text("false")),
    Column("expires_at", Millis),
    Column("options", Json, nullable=False),  # [{"title": str, "votes": int | None}]
    Column("voters_count", Integer),
    Column("hide_totals", Boolean, nullable=False, server_default=text("false")),  # until it is over
    Column("told_at", Millis),  # when the author and the voters were told that it is over
)

poll_vote = Table(
    "poll_vote",
    metadata,
    Column("poll_id", Id, ForeignKey("poll.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("choice", Integer, primary_key=True, autoincrement=False),
    Column("iri", Text),
    Index("ix_poll_vote_account_id", "account_id"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("account_id", Id, primary_key=True, autoincrement=False),
    Column("key", String(64), primary_key=True),  # SHA-256 of what the client sent, hex
    Column("post_id", Id, nullable=False),
    Column("created_at", Millis, nullable=False, index=True),
)

imported = Table(
    "imported",
    metadata,
    Column(
        "ref", String(REF_LENGTH), primary_key=True
    ),  # the id that the post, account or endorsement has in the imported file
    Column("post_id", Id, nullable=False),
    UniqueConstraint("post_id"),
)

takeback = Table(
    "takeback",
    metadata,
    Column("post_id", Id, ForeignKey("post.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),  # imported
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("kind", String(9), primary_key=True),  # "boost" or "favourite"
    Index("ix_takeback_account_id", "account_id"),
)
