"""What the features tell the federation layer, which they may not import.

Each call stores the activity and its deliveries in the caller's transaction. The implementation is
`node.federation.outgoing`; `node.assembly` puts it into the Node. Every method looks at what is stored and sends nothing
for department posts, remote objects or audiences without a peer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Row

if TYPE_CHECKING:
    from node.contents import NewPost
    from node.quotes import Quoted
    from node.runtime import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A post of one of our people as it was just stored, with what its author knows: nothing of it is read again."""

    post: "NewPost"
    author_iri: str
    followers_iri: str
    mentioned: Sequence[Row[Any]]
    """Rows of `account`."""
    answered_id: int | None = None
    """The author of the parent, if that is somebody of a peer's."""
    tags: Sequence[Row[Any]] = ()
    """Rows (id, name, display)."""
    has_media: bool = False
    quote: "Quoted | None" = None


class Outgoing(Protocol):
    def post_created(self, tx: "Tx", post_id: int, known: Published | None = None) -> None:
        """Create, or Announce when the post is a boost. Call when the post is stored whole (mentions, tags, media).

        `known` is what its author has just stored: then the post is not read again.
        """
        ...

    def post_updated(self, tx: "Tx", post_id: int) -> None: ...

    def post_deleted(self, tx: "Tx", post_id: int) -> None:
        """Delete with a Tombstone, or Undo of an Announce. Call BEFORE the rows are removed."""
        ...

    def quote_revoked(self, tx: "Tx", post_id: int) -> None:
        """One of ours no longer agrees to being quoted by this post: Delete of the stamp. When the state is stored."""
        ...

    def favourited(self, tx: "Tx", favourite_id: int) -> None: ...

    def unfavourited(self, tx: "Tx", favourite_id: int) -> None:
        """Call before the row is removed."""
        ...

    def voted(self, tx: "Tx", poll_id: int, account_id: int, choices: Sequence[int]) -> None:
        """A local person voted in a peer's poll. Call when the votes are stored: they get their ids here."""
        ...

    def poll_tallied(self, tx: "Tx", post_id: int) -> None:
        """The numbers of a local poll changed, or it ended."""
        ...

    def reacted(self, tx: "Tx", reaction_id: int) -> None: ...

    def unreacted(self, tx: "Tx", reaction_id: int) -> None:
        """Call before the row is removed."""
        ...

    def follow_asked(self, tx: "Tx", follow_id: int) -> None:
        """A local person asks to follow a remote account."""
        ...

    def unfollowed(self, tx: "Tx", follow_id: int) -> None:
        """Call before the row is removed."""
        ...

    def follow_answered(self, tx: "Tx", follow_id: int, *, accepted: bool) -> None:
        """A local person takes or refuses a remote follower (also: removes one later). Before the row is removed."""
        ...

    def blocked(self, tx: "Tx", block_id: int) -> None: ...

    def unblocked(self, tx: "Tx", block_id: int) -> None:
        """Call before the row is removed."""
        ...

    def tag_follows_changed(self, tx: "Tx", tag_id: int) -> None:
        """Somebody here follows a tag, or no longer does."""
        ...

    def post_pinned(self, tx: "Tx", post_id: int, *, added: bool) -> None:
        """A local person pins a post of theirs, or no longer does."""
        ...

    def tag_featured(self, tx: "Tx", account_id: int, tag_id: int, *, added: bool) -> None:
        """A local person shows a tag on their profile, or no longer does."""
        ...

    def group_passes_on(self, tx: "Tx", group_id: int, post_id: int, what: str) -> None:
        """The Create, Update or Delete (`what`) of a local person's post, to the members of its group elsewhere.

        Nothing for groups of peers. Of a Delete: before the rows are removed.
        """
        ...

    def group_removes(self, tx: "Tx", group_id: int, post_id: int, moderator_id: int | None) -> None:
        """A moderator (None: the node) takes a post out of a local group. Call before the group's boost is removed."""
        ...

    def joined(self, tx: "Tx", attendance_id: int) -> None:
        """A local person wants to come to a peer's event."""
        ...

    def left(self, tx: "Tx", attendance_id: int) -> None:
        """Call before the row is removed."""
        ...

    def guest_answered(self, tx: "Tx", attendance_id: int, *, accepted: bool) -> None:
        """A local person lets somebody in to their event, or turns them away. Before the row is removed."""
        ...

    def profile_changed(self, tx: "Tx", account_id: int) -> None: ...

    def account_deleted(self, tx: "Tx", account_id: int) -> None:
        """Call before the row is marked as gone."""
        ...

    def reported(self, tx: "Tx", report_id: int) -> None:
        """Forward a report to the department of the reported account (Flag, by the node's actor)."""
        ...
