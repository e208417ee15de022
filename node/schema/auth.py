"""OAuth apps, codes and tokens; sessions of the pages. Secrets are stored as SHA-256 only (they are 256 random bits)."""

from sqlalchemy import Column, ForeignKey, String, Table, Text

from node.schema.meta import Id, Json, Millis, metadata

oauth_app = Table(
    "oauth_app",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("client_id", String(64), nullable=False, unique=True),
    Column("secret_hash", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("website", Text),
    Column("redirect_uris", Json, nullable=False),
    Column("scopes", Text, nullable=False),  # space separated
    Column("created_at", Millis, nullable=False),
)

oauth_token = Table(
    "oauth_token",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("app_id", Id, ForeignKey("oauth_app.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), index=True),  # NULL: the app itself
    Column("scopes", Text, nullable=False),
    Column("created_at", Millis, nullable=False),
    Column("expires_at", Millis),
    Column("revoked_at", Millis),
    Column("last_used_at", Millis),
)

oauth_code = Table(
    "oauth_code",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("app_id", Id, ForeignKey("oauth_app.id", ondelete="CASCADE"), nullable=False),
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("challenge", String(128)),  # PKCE S256
    Column("expires_at", Millis, nullable=False),
    Column("used_at", Millis),
    Column("token_id", Id),  # revoked when the code turns up a second time
)

web_session = Table(
    "web_session",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("csrf", String(64), nullable=False),
    Column("created_at", Millis, nullable=False),
    Column("expires_at", Millis, nullable=False),
)
