"""Who follows, blocks and mutes whom; which tags a person follows and shows on their profile."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, String, Table, Text, UniqueConstraint, text

from node.schema.meta import Id, Millis, metadata

follow = Table(
    "follow",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),  # orders and pages followers; from node.ids
    Column("follower_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("target_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("state", String(16), nullable=False),  # pending | accepted
    Column("iri", Text, unique=True),  # of the Follow activity
    Column("show_boosts", Boolean, nullable=False, server_default=text("true")),
    Column("notify", Boolean, nullable=False, server_default=text("false")),
    Column("off_home", Boolean, nullable=False, server_default=text("false")),  # in an exclusive list of the follower's
    Column("created_at", Millis, nullable=False),
    UniqueConstraint("follower_id", "target_id"),
    Index("ix_follow_target_id_id", "target_id", "id"),
    # Few ask to be notified of every post; publishing looks them up each time.
    Index("ix_follow_notify", "target_id", sqlite_where=text("notify"), postgresql_where=text("notify")),
)

block = Table(
    "block",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("target_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("iri", Text, unique=True),
    Column("created_at", Millis, nullable=False),
    UniqueConstraint("account_id", "target_id"),
    Index("ix_block_target_id", "target_id"),
)

mute = Table(
    "mute",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("target_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("notifications", Boolean, nullable=False, server_default=text("true")),
    Column("expires_at", Millis),
    Column("created_at", Millis, nullable=False),
    UniqueConstraint("account_id", "target_id"),
    Index("ix_mute_target_id", "target_id"),
)

account_note = Table(  # what somebody wrote on somebody else, for themselves
    "account_note",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),  # from node.ids
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("target_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("note", Text, nullable=False),
    Column("updated_at", Millis, nullable=False),
    UniqueConstraint("account_id", "target_id"),
)

featured_person = Table(  # whom somebody recommends on their profile
    "featured_person",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),  # from node.ids
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("target_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Millis, nullable=False),
    UniqueConstraint("account_id", "target_id"),
)

suggestion_dismissal = Table(  # whom somebody does not want to be told of
    "suggestion_dismissal",
    metadata,
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("target_id", Id, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("created_at", Millis, nullable=False),
    Index("ix_suggestion_dismissal_target_id", "target_id"),
)

tag_follow = Table(
    "tag_follow",
    metadata,
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("tag_id", Id, ForeignKey("tag.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("created_at", Millis, nullable=False),
    Index("ix_tag_follow_tag_id", "tag_id"),
)

featured_tag = Table(
    "featured_tag",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),  # in the client API; from node.ids
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("tag_id", Id, ForeignKey("tag.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Millis, nullable=False),
    UniqueConstraint("account_id", "tag_id"),
)
