"""Images that people attach, and pointers to those of remote posts."""

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, String, Table, Text, text

from node.schema.meta import Id, Json, Millis, metadata

media = Table(
    "media",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("account_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("post_id", Id, ForeignKey("post.id", ondelete="CASCADE")),  # NULL: uploaded, not yet attached
    Column("position", Integer, nullable=False, server_default="0"),
    Column("kind", String(16), nullable=False),  # image | gifv | video | audio | unknown
    Column("content_type", String(127), nullable=False),
    Column("file", Text),  # local: unguessable name in the media folder
    Column("preview", Text),
    Column("remote_url", Text),
    Column("description", Text, nullable=False, server_default=""),
    Column("blurhash", String(127)),
    Column("width", Integer),
    Column("height", Integer),
    Column("preview_width", Integer),
    Column("preview_height", Integer),
    Column("focus_x", Float, nullable=False, server_default="0"),
    Column("focus_y", Float, nullable=False, server_default="0"),
    Column("size", Integer),  # bytes
    Column("state", String(16), nullable=False, server_default="ready"),  # processing | ready | failed
    Column("upload", Text),  # the file as it was sent, while it is processed
    Column("duration", Integer),  # ms, of sound and film
    Column("details", Json),  # of sound and film: frame_rate, fps, bitrate, audio_encode …; of the failed: error
    Column("scheduled_id", Id),  # of the scheduled post that it waits for
    Column("created_at", Millis, nullable=False),
    Index("ix_media_post_id_position", "post_id", "position"),
    Index(
        "ix_media_scheduled_id",
        "scheduled_id",
        sqlite_where=text("scheduled_id IS NOT NULL"),
        postgresql_where=text("scheduled_id IS NOT NULL"),
    ),
)
