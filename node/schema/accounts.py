"""People and other actors, local and remote; sign-in data of local people; keys."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, text

from node.schema.meta import Id, Json, Millis, metadata

account = Table(
    "account",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("username", String(255), nullable=False),
    Column("domain", String(255)),  # NULL: of this node
    Column("handle", String(520), nullable=False, unique=True),  # casefolded "name" or "name@domain": what is looked up
    Column("iri", Text, nullable=False, unique=True),
    Column("url", Text, nullable=False),
    Column("actor_type", String(32), nullable=False, server_default="Person"),
    Column("inbox", Text, nullable=False, server_default=""),
    Column("shared_inbox", Text),
    Column("outbox", Text),
    Column("followers_iri", Text),
    Column("following_iri", Text),
    Column("featured_iri", Text),
    Column("featured_tags_iri", Text),
    Column("featured_at", Millis),  # remote: when the two collections were last read
    Column("display_name", Text, nullable=False, server_default=""),
    Column("note", Text, nullable=False, server_default=""),  # sanitised HTML
    Column("note_source", Text, nullable=False, server_default=""),  # what a local person wrote
    Column("fields", Json, nullable=False, server_default="[]"),  # [{"name", "value" (HTML), "source", "verified_at"}]
    Column("avatar", Text),  # local: file name in the media folder; remote: URL
    Column("header", Text),
    Column("locked", Boolean, nullable=False, server_default=text("false")),
    Column("bot", Boolean, nullable=False, server_default=text("false")),
    Column("discoverable", Boolean, nullable=False, server_default=text("true")),
    Column("indexable", Boolean, nullable=False, server_default=text("true")),
    Column("title", Text),
    Column("department", Text),
    Column("manager_iri", Text),
    Column("executive", Boolean, nullable=False, server_default=text("false")),
    Column("away_until", Millis),
    Column("also_known_as", Json, nullable=False, server_default="[]"),
    Column("moved_to_iri", Text),
    Column("followers_count", Integer, nullable=False, server_default="0"),
    Column("following_count", Integer, nullable=False, server_default="0"),
    Column("posts_count", Integer, nullable=False, server_default="0"),
    Column("last_post_at", Millis),
    Column("created_at", Millis, nullable=False),
    Column("updated_at", Millis, nullable=False),
    Column("fetched_at", Millis),  # remote: when the actor document was last read
    Column("suspended_at", Millis),
    Column("gone_at", Millis),  # the account was deleted; the row stays so that nothing revives it
    Column("rev", Integer, nullable=False, server_default="0"),  # rises with everything that its JSON shows
    # Finds a remote account by its host; local ones are few among them.
    Index("ix_account_domain", "domain"),
    Index(
        "ix_account_suspended_at",
        "id",
        sqlite_where=text("suspended_at IS NOT NULL"),
        postgresql_where=text("suspended_at IS NOT NULL"),
    ),
)

login = Table(
    "login",
    metadata,
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("email", String(320), nullable=False, unique=True),  # casefolded
    Column("password_hash", Text, nullable=False),  # argon2id
    Column("roles", Json, nullable=False, server_default='["employee"]'),
    Column("default_visibility", Integer, nullable=False, server_default="0"),
    Column("default_sensitive", Boolean, nullable=False, server_default=text("false")),
    Column("default_language", String(35)),
    Column("default_local_only", Boolean, nullable=False, server_default=text("false")),
    Column("default_quote_policy", Integer),  # node.quotes.Policy as bits; NULL: everybody
    Column("disabled_at", Millis),
    Column("created_at", Millis, nullable=False),
    Column("last_sign_in_at", Millis),
    Column("filters_rev", Integer, nullable=False, server_default="0"),  # rises with every change; 0: never any filter
)

account_key = Table(
    "account_key",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("iri", Text, nullable=False, unique=True),
    Column("kind", String(16), nullable=False),  # rsa | ed25519
    Column("public", Text, nullable=False),  # PEM (rsa) or multibase (ed25519)
    Column("private", LargeBinary),  # local keys only: sealed with the node's secret
    Column("created_at", Millis, nullable=False),
    Column("revoked_at", Millis),
)
