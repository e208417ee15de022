"""Peers, what came in from them, and what is on its way to them."""

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from node.schema.meta import Id, Millis, metadata

peer = Table(
    "peer",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("domain", String(255), nullable=False, unique=True),  # host[:port]
    Column("state", String(16), nullable=False, server_default="active"),  # active | draining | blocked | gone
    Column("software", String(127)),
    Column("flavour", String(16)),  # signature flavour that it took last: cavage | rfc9421
    Column(
        "lease_token", Id, nullable=False, server_default="0"
    ),  # rises with every lease; results of an older one are void
    Column("lease_until", Millis),
    Column("lease_holder", Id),  # number of the process (PostgreSQL), see node.presence
    Column("failures", Integer, nullable=False, server_default="0"),  # in a row
    Column("failing_since", Millis),  # when the first of them was
    Column("last_status", Integer),  # what it answered last to a delivery; NULL if that did not reach it
    Column("next_attempt_at", Millis),  # breaker: nothing is sent before
    Column("paused_at", Millis),  # by the administrator: what is for it waits
    Column("ramp_from", Millis),  # when it came back after an outage: the release rate rises from then on
    Column("certificate", Text),  # its node's working keys, signed with the identity key that the roster pins (JSON)
    Column("last_error", Text),
    Column("last_sent_at", Millis),
    Column("last_received_at", Millis),
    Column("created_at", Millis, nullable=False),
)

activity = Table(
    "activity",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("iri", Text, nullable=False, unique=True),
    Column("actor_id", Id, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(32), nullable=False),  # activity type
    Column("object_iri", Text),
    Column("body", LargeBinary, nullable=False),  # serialised once; every delivery sends these bytes
    Column("created_at", Millis, nullable=False),
    # What is still on its way about one object, for an edit or a deletion of it.
    Index("ix_activity_actor_id_object_iri", "actor_id", "object_iri"),
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("activity_id", Id, ForeignKey("activity.id", ondelete="CASCADE"), nullable=False),
    Column("peer_id", Id, ForeignKey("peer.id", ondelete="CASCADE"), nullable=False),
    Column("inbox", Text, nullable=False),
    Column("ordering_key", Text, nullable=False),  # deliveries to one peer with the same key go one after the other
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_at", Millis, nullable=False),
    Column("expires_at", Millis, nullable=False),
    Column("last_error", Text),
    Column("set_aside_at", Millis),  # given up; kept for the administrator
    UniqueConstraint("activity_id", "inbox"),
    Index(
        "ix_delivery_peer_id_id",
        "peer_id",
        "id",
        sqlite_where=text("set_aside_at IS NULL"),
        postgresql_where=text("set_aside_at IS NULL"),
    ),
    # Finds what is due, and what is put off, among very many of one peer.
    Index(
        "ix_delivery_peer_id_next_at",
        "peer_id",
        "next_at",
        sqlite_where=text("set_aside_at IS NULL"),
        postgresql_where=text("set_aside_at IS NULL"),
    ),
)

inbox_item = Table(
    "inbox_item",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("signer_iri", Text, nullable=False),
    Column("activity_iri", Text, nullable=False),  # its id, or "sha256:…" of the body when it has none
    Column("peer", String(255), nullable=False),  # host[:port] of the signer: items of one peer are processed in order
    Column("body", LargeBinary),  # NULL once processed; the row stays, so that the same activity is not taken twice
    Column("received_at", Millis, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_at", Millis),  # NULL once processed or refused
    Column("outcome", Text),  # done | refused: … | failed: …
    UniqueConstraint("signer_iri", "activity_iri"),
    Index(
        "ix_inbox_item_next_at",
        "next_at",
        "id",
        sqlite_where=text("next_at IS NOT NULL"),
        postgresql_where=text("next_at IS NOT NULL"),
    ),
    # Counts what waits of one peer without reading the rest.
    Index(
        "ix_inbox_item_peer_id",
        "peer",
        "id",
        sqlite_where=text("next_at IS NOT NULL"),
        postgresql_where=text("next_at IS NOT NULL"),
    ),
    Index("ix_inbox_item_received_at", "received_at"),
)

tombstone = Table(
    "tombstone",
    metadata,
    Column("iri", Text, primary_key=True),
    Column("author_iri", Text, nullable=False),
    Column("former_type", String(32), nullable=False),
    Column("post_id", Id),  # local posts: so that the page answers 410, not 404
    Column("deleted_at", Millis, nullable=False),
)

# What was taken back of ours, for peers that lose it with a backup. A narrow post's deletion is one row for each peer that
# was told; no other may learn that there was something.
retraction = Table(
    "retraction",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),  # from node.ids: by the time of it
    Column("peer_id", Id, ForeignKey("peer.id", ondelete="CASCADE"), index=True),  # NULL: every chosen peer
    Column("body", LargeBinary, nullable=False),  # the Delete or Undo as it was sent
)

thread_lookup = Table(
    "thread_lookup",
    metadata,
    Column("conversation_id", Id, primary_key=True, autoincrement=False),
    Column("at", Millis, nullable=False, index=True),  # when it was asked for last, by whichever process
)
