"""What people make to read by: lists of people, threads of which they want no
notifications; the direct conversations that each has; filters."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint, text

from node.schema.meta import Id, Json, Millis, metadata

people_list = Table(
    "people_list",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),  # from node.ids: no list is ever taken for a later one
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("replies_policy", String(16), nullable=False, server_default="list"),  # followed | list | none
    Column("exclusive", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", Millis, nullable=False),
)

people_list_member = Table(
    "people_list_member",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),  # orders and pages; from node.ids
    Column("list_id", Id, ForeignKey("people_list.id", ondelete="CASCADE"), nullable=False),
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    UniqueConstraint("list_id", "account_id"),
    Index("ix_people_list_member_list_id_id", "list_id", "id"),
    Index("ix_people_list_member_account_id", "account_id"),
)

conversation_mute = Table(
    "conversation_mute",
    metadata,
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("conversation_id", Id, primary_key=True, autoincrement=False),  # post.conversation_id; moves with it
    Column("created_at", Millis, nullable=False),
    Index("ix_conversation_mute_conversation_id", "conversation_id"),
)

direct_conversation = Table(  # direct posts of one thread, as one person has them
    "direct_conversation",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),  # from node.ids
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("conversation_id", Id, nullable=False),  # post.conversation_id; moves with it
    Column("participants", Json, nullable=False, server_default="[]"),  # account ids, without account_id
    Column("last_post_id", Id, ForeignKey("post.id", ondelete="SET NULL"), index=True),  # pages; NULL: not shown
    Column("unread", Boolean, nullable=False, server_default=text("false")),
    Column("updated_at", Millis, nullable=False),
    UniqueConstraint("account_id", "conversation_id"),
    Index("ix_direct_conversation_account_id_last_post_id", "account_id", "last_post_id"),
    Index("ix_direct_conversation_conversation_id", "conversation_id"),
)

word_filter = Table(
    "word_filter",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("contexts", Integer, nullable=False),  # bits: home 1, notifications 2, public 4, thread 8, account 16
    Column("action", String(8), nullable=False, server_default="warn"),  # warn | hide | blur
    Column("expires_at", Millis),
    Column("created_at", Millis, nullable=False),
)

filter_keyword = Table(
    "filter_keyword",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("filter_id", Id, ForeignKey("word_filter.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("keyword", Text, nullable=False),
    Column("whole_word", Boolean, nullable=False, server_default=text("true")),
)

filter_post = Table(
    "filter_post",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("filter_id", Id, ForeignKey("word_filter.id", ondelete="CASCADE"), nullable=False),
    Column("post_id", Id, ForeignKey("post.id", ondelete="CASCADE"), nullable=False, index=True),
    UniqueConstraint("filter_id", "post_id"),
)
