"""What a Status says of quotes: `quote`, `quotes_count`, `quote_approval`. Laid over the kept bytes, as it depends on the
viewer. A page on which nothing is quoted, and everything may be quoted by everybody or nobody, costs no statement.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import msgspec

from activitypub.audience import Visibility
from node import quotes
from node.quotes import Answer, Policy, Seen, State
from node.runtime import Tx
from web.mastodon import loading
from web.mastodon.loading import Face

_OF_SOME = Policy.FOLLOWERS | Policy.FOLLOWING | Policy.MANUAL_FOLLOWERS | Policy.MANUAL_FOLLOWING
UNAUTHORIZED, BLOCKED, MUTED = "unauthorized", "blocked_account", "muted_account"


class Shown(NamedTuple):
    """The quote in a post as a viewer gets it; without `post_id` there is nothing to show but the state."""

    state: str
    post_id: int | None


@dataclass(frozen=True, slots=True)
class Quotes:
    """The quotes of a page, for any number of readers."""

    seen: dict[tuple[int | None, int], Seen]
    follows: frozenset[tuple[int, int]]

    def of(self, face: Face, viewer: int | None) -> Shown | None:
        """None for a post that quotes nothing. Nothing of a post is shown to whom the post itself would not be."""
        if face.quote_state is None:
            return None
        if face.quote_state != State.ACCEPTED:
            return Shown(face.quote_state, None)
        if face.quoted_id is None:
            return Shown(State.DELETED, None)
        eyes = self.seen.get((viewer, face.quoted_id))
        if eyes is None:
            return Shown(UNAUTHORIZED, None)
        return Shown(BLOCKED if eyes.blocked else MUTED if eyes.muted else State.ACCEPTED, face.quoted_id)

    def approval(self, face: Face, viewer: int | None) -> bytes:
        """QuoteApproval as JSON."""
        author = face.author_id
        stands = None if viewer is None else viewer == author
        follows, followed = (viewer, author) in self.follows, (author, viewer) in self.follows
        return _approval(face.quote_policy, bool(face.local), face.visibility, stands, follows, followed)


def load(tx: Tx, faces: dict[int, Face], who: list[int]) -> Quotes:
    """What the readers `who` (without any, `tx.viewer`) may see of what these posts quote. Adds the faces of that."""
    wanted = {face.quoted_id for face in faces.values() if face.quoted_id and face.quote_state == State.ACCEPTED}
    missing = sorted(wanted - faces.keys())
    if missing:
        faces.update(loading.faces(tx, missing))
    # What is quoted by what is quoted is only named.
    nested = {faces[id_].quoted_id for id_ in wanted if id_ in faces} if wanted else set()
    seen = quotes.seen(tx, sorted(id_ for id_ in wanted | nested if id_), who)
    authors = {face.author_id for face in faces.values() if (face.quote_policy or 0) & _OF_SOME}
    return Quotes(seen, quotes.relations(tx, who, authors))


@lru_cache(maxsize=4096)
def _approval(
    stored: int | None, local: bool, visibility: int, is_author: bool | None, follows: bool, followed: bool
) -> bytes:
    """Few ever differ, and flags are slow: they took a quarter of a home timeline. `is_author` of nobody is None."""
    policy = quotes.effective(stored, local=local, visibility=visibility)
    if is_author is None or visibility == Visibility.DIRECT:
        expected = Answer.DENIED
    elif is_author:
        expected = Answer.AUTOMATIC
    else:
        expected = quotes.answer(policy, follows=follows, followed=followed)
    automatic, manual = quotes.lists(policy)
    return msgspec.json.encode({"automatic": automatic, "manual": manual, "current_user": expected.value})
