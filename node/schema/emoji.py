"""Custom emoji: the node's own, and those of peers as far as their posts and names use them."""

from sqlalchemy import Boolean, Column, Index, String, Table, Text, UniqueConstraint, text

from node.schema.meta import Id, Millis, metadata

emoji = Table(
    "emoji",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("domain", String(255), nullable=False, server_default=""),  # host[:port] of the peer; "": of this node
    Column("shortcode", String(127), nullable=False),  # without the colons, case as written
    Column("iri", Text, unique=True),
    Column("image_url", Text),  # of a peer's: where the image is
    Column("file", Text),  # file name in the media folder; NULL: not fetched yet
    Column("still", Text),  # file name of the image that does not move
    Column("category", String(255)),
    Column("hidden", Boolean, nullable=False, server_default=text("false")),  # usable, but in no picker
    Column("disabled_at", Millis),  # by the administrator: shown and taken no more
    Column("wanted", Boolean, nullable=False, server_default=text("false")),  # of a peer's: the image is to be fetched
    Column("failed_at", Millis),  # when the image was tried last, in vain
    Column("created_at", Millis, nullable=False),
    Column("updated_at", Millis, nullable=False),
    UniqueConstraint("domain", "shortcode"),
    Index("ix_emoji_shortcode", "shortcode"),
)
