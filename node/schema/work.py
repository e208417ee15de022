"""Notifications, the event log that streams read, background jobs, and facts about this database."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint, text

from node.schema.meta import Id, Json, Millis, metadata

notification = Table(
    "notification",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(32), nullable=False),  # node.notifications.KINDS
    Column("from_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("post_id", Id, ForeignKey("post.id", ondelete="CASCADE"), index=True),
    Column("report_id", Id),
    Column("dedupe", String(127), nullable=False),  # one notification per (account, kind, from, thing)
    Column("group_key", String(127)),  # NULL: it stands alone (node.grouping)
    Column("created_at", Millis, nullable=False),
    UniqueConstraint("account_id", "dedupe"),
    Index("ix_notification_account_id_id", "account_id", "id"),
    Index(
        "ix_notification_group",
        "account_id",
        "group_key",
        "id",
        sqlite_where=text("group_key IS NOT NULL"),
        postgresql_where=text("group_key IS NOT NULL"),
    ),
)

event = Table(
    "event",
    metadata,
    # The arrival sequence: streams and cursors go by it, so that late and imported posts are neither lost nor misplaced.
    Column("id", Id, primary_key=True, autoincrement=True),
    # update | status.update | delete | notification | conversation | filters_changed | kill
    Column("kind", String(32), nullable=False),
    Column("post_id", Id),
    Column("account_id", Id),  # notification: whose; others: the author
    Column("data", Json),
    Column("at", Millis, nullable=False, index=True),
    sqlite_autoincrement=True,  # ids of pruned events are never used again
)

job = Table(
    "job",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("kind", String(64), nullable=False),
    Column("payload", Json, nullable=False),
    Column("dedupe", String(255), unique=True),  # NULL: as many as wanted
    Column("run_at", Millis, nullable=False),
    Column("lease_until", Millis),
    Column("lease_holder", Id),  # number of the process (PostgreSQL), see node.presence
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("last_error", Text),
    Column("failed_at", Millis),  # given up; kept for the administrator
    Index(
        "ix_job_run_at",
        "run_at",
        sqlite_where=text("failed_at IS NULL"),
        postgresql_where=text("failed_at IS NULL"),
    ),
)

meta = Table(
    "meta",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
