"""Who may quote a post, as its author says it. Pure: asks no database."""

from collections.abc import Iterable
from enum import Enum, IntFlag
from typing import Final

from activitypub.audience import Visibility
from activitypub.documents import QuotePolicy
from activitypub.vocabulary import PUBLIC, Iri


class Policy(IntFlag):
    """Whose quotes are accepted by themselves, and whose after the author has looked at them. Stored as it is."""

    PUBLIC = 1
    FOLLOWERS = 2
    FOLLOWING = 4
    OTHERS = 8
    """People named one by one, which is more than is kept of it."""
    MANUAL_PUBLIC = 16
    MANUAL_FOLLOWERS = 32
    MANUAL_FOLLOWING = 64
    MANUAL_OTHERS = 128


class Answer(Enum):
    """What somebody who wants to quote a post has to expect."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"
    DENIED = "denied"
    UNKNOWN = "unknown"


NOBODY: Final = Policy(0)
NAMES: Final = {"public": Policy.PUBLIC, "followers": Policy.FOLLOWERS, "nobody": NOBODY}
"""What a person of this node can choose, by the names of the client API."""

_WORDS = ("public", "followers", "following", "unsupported_policy")
_MANUAL = 4
"""Places that the manual half is shifted by."""


def effective(stored: int | None, *, local: bool, visibility: int) -> Policy:
    """What is in force. Posts that are not for everybody are quoted by their author alone.

    Ours that are older than quotes are for everybody; a peer's author who never said so has not agreed to anything.
    """
    if visibility > Visibility.UNLISTED:
        return NOBODY
    if stored is None:
        return Policy.PUBLIC if local else NOBODY
    return Policy(stored)


def answer(policy: Policy, *, follows: bool, followed: bool) -> Answer:
    """For somebody else than the author; `follows` the author, is `followed` by them."""
    for shift, found in ((0, Answer.AUTOMATIC), (_MANUAL, Answer.MANUAL)):
        half = Policy(policy >> shift & 15)
        named = (half & Policy.FOLLOWERS and follows) or (half & Policy.FOLLOWING and followed)
        if half & Policy.PUBLIC or named:
            return found
    return Answer.UNKNOWN if policy & (Policy.OTHERS | Policy.MANUAL_OTHERS) else Answer.DENIED


def lists(policy: Policy) -> tuple[list[str], list[str]]:
    """(automatic, manual) in the words of the client API."""
    automatic, manual = (
        [word for place, word in enumerate(_WORDS) if policy >> shift & 1 << place] for shift in (0, _MANUAL)
    )
    return automatic, manual


def name_of(stored: int | None) -> str:
    """The name of a person's default; None is what nobody has chosen yet."""
    return next((name for name, policy in NAMES.items() if policy == stored), "public")


def from_wire(said: QuotePolicy | None, *, author: str, followers: str | None, following: str | None) -> Policy | None:
    """What a peer's author says, by their own collections; None if they say nothing."""
    if said is None:
        return None
    meaning = {PUBLIC: Policy.PUBLIC, followers: Policy.FOLLOWERS, following: Policy.FOLLOWING, author: NOBODY}
    return _half(said.automatic, meaning) | Policy(_half(said.manual, meaning) << _MANUAL)


def to_wire(policy: Policy, *, author: str, followers: str) -> QuotePolicy:
    """As we say it of ours, which are never looked at one by one. The author alone is named where nobody else may."""
    named = [PUBLIC] if policy & Policy.PUBLIC else [Iri(followers)] if policy & Policy.FOLLOWERS else [Iri(author)]
    return QuotePolicy(automatic=tuple(named))


def _half(named: Iterable[str], meaning: dict[str | None, Policy]) -> Policy:
    found = NOBODY
    for one in named:
        found |= meaning.get(one, Policy.OTHERS)
    return found
