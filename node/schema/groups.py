"""Groups of departments and projects. A group is an account of the type Group; its members are its followers."""

from sqlalchemy import Boolean, Column, ForeignKey, String, Table, Text, text

from node.schema.meta import Id, Millis, metadata

group_profile = Table(
    "group_profile",
    metadata,
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("posting", String(16), nullable=False, server_default="members"),  # members | moderators
    Column("hidden", Boolean, nullable=False, server_default=text("false")),  # from the list of groups
    Column("moderators_iri", Text),  # remote: the collection of its moderators
    Column("created_by_id", Id, ForeignKey("account.id", ondelete="SET NULL")),
    Column("created_at", Millis, nullable=False),
)

group_moderator = Table(
    "group_moderator",
    metadata,
    Column("group_id", Id, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("created_at", Millis, nullable=False),
)

group_ban = Table(
    "group_ban",
    metadata,
    Column("group_id", Id, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("created_at", Millis, nullable=False),
)
