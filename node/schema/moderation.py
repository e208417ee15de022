"""Reports, the rules they may be about, and the audit log."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, text

from node.schema.meta import Id, Json, Millis, metadata

report = Table(
    "report",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("iri", Text, unique=True),  # of the Flag, when it came from a peer
    Column("reporter_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("target_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("post_ids", Json, nullable=False, server_default="[]"),
    Column("comment", Text, nullable=False, server_default=""),
    Column("forwarded", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", Millis, nullable=False),
    Column("resolved_at", Millis),
    Column("category", String(16), nullable=False, server_default="other"),  # spam | legal | violation | other
    Column("rule_ids", Json, nullable=False, server_default="[]"),
)

rule = Table(
    "rule",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("position", Integer, nullable=False),  # the lowest is shown first
    Column("text", Text, nullable=False),
    Column("hint", Text, nullable=False, server_default=""),
    Column("deleted_at", Millis),  # the row stays: reports go on naming it
    Column("created_at", Millis, nullable=False),
)

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("at", Millis, nullable=False),
    Column("actor", Text, nullable=False),  # handle of a person, or "cli", or a peer's host
    Column("action", String(64), nullable=False),
    Column("target", Text, nullable=False),
    Column("detail", Json, nullable=False, server_default="{}"),
    Index("ix_audit_entry_at", "at"),
)
