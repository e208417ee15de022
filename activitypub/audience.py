"""Who a post is for: between Mastodon's four visibilities and the `to` and `cc` of the wire."""

from collections.abc import Iterable, Sequence
from enum import IntEnum

from activitypub.vocabulary import PUBLIC, PUBLIC_SPELLINGS, Iri


class Visibility(IntEnum):
    """From wide to narrow, so that a smaller number is a wider audience."""

    PUBLIC = 0
    UNLISTED = 1
    FOLLOWERS = 2
    DIRECT = 3


def visibility(to: Iterable[str], cc: Iterable[str], followers: Iri | None) -> Visibility:
    """The visibility that `to` and `cc` come to; `followers` is the author's collection, None if it has none.

    Whatever else is named, a list or the followers of somebody else, is read as the narrowest: direct.
    """
    primary, secondary = set(to), set(cc)
    if primary & PUBLIC_SPELLINGS:
        return Visibility.PUBLIC
    if secondary & PUBLIC_SPELLINGS:
        return Visibility.UNLISTED
    if followers is not None and followers in primary | secondary:
        return Visibility.FOLLOWERS
    return Visibility.DIRECT


def addressing(
    visibility: Visibility, followers: Iri, mentioned: Sequence[Iri] = ()
) -> tuple[tuple[Iri, ...], tuple[Iri, ...]]:
    """(to, cc) as Mastodon writes them, the people mentioned included."""
    people = tuple(dict.fromkeys(mentioned))
    match visibility:
        case Visibility.PUBLIC:
            return (PUBLIC,), (followers, *people)
        case Visibility.UNLISTED:
            return (followers,), (PUBLIC, *people)
        case Visibility.FOLLOWERS:
            return (followers,), people
        case Visibility.DIRECT:
            return people, ()
