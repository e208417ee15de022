"""`filtered` of a Status: what its reader's filters find, laid over bytes that are the same for everybody.

As in Mastodon every filter that matches is told, with its contexts: the client knows where it shows the post, and hides or
warns there.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Row

from node import filtering, filters
from node.filtering import Filter, Match
from node.runtime import Tx
from web.mastodon import shapes
from web.mastodon.kept import Kept
from web.mastodon.shapes import Json


class Shown(NamedTuple):
    """What the filters of one reader found in one post."""

    shown: bytes
    """A JSON list of FilterResult."""
    hides_notifications: bool


Found = dict[tuple[int, int], Shown]
"""(account id, post id) -> what was found. Posts in which nothing was are left out."""


class Overlay:
    """People's filters and the words of posts, kept by revision. Thread-safe."""

    def __init__(self, people: int, posts: int) -> None:
        self._filters: Kept[tuple[Filter, ...]] = Kept(people)
        self._words: Kept[str] = Kept(posts)

    def found(
        self, tx: Tx, revisions: Mapping[int, int], posts: Sequence[tuple[int, int]], words: Callable[[int], str]
    ) -> Found:
        """Of (post id, rev) for each of these people (account id -> filters_rev)."""
        by_person = self._of(tx, {who: rev for who, rev in revisions.items() if rev})
        if not any(by_person.values()):
            return {}
        texts = self._texts(posts, words)
        found: Found = {}
        for who, theirs in by_person.items():
            for post_id, text in texts.items():
                matched = filtering.matches(theirs, post_id, text, tx.now)
                if matched:
                    hides = any(one.filter.hides_notifications for one in matched)
                    found[who, post_id] = Shown(msgspec.json.encode([_result(one, post_id) for one in matched]), hides)
        return found

    def _of(self, tx: Tx, revisions: Mapping[int, int]) -> dict[int, tuple[Filter, ...]]:
        found, missing = self._filters.find(revisions.items())
        if missing:
            loaded = filtering.of(tx, missing)
            for who in missing:
                found[who] = loaded.get(who, ())
                self._filters.keep(who, revisions[who], found[who])
        return found

    def _texts(self, posts: Iterable[tuple[int, int]], words: Callable[[int], str]) -> dict[int, str]:
        revisions = dict(posts)
        found, missing = self._words.find(revisions.items())
        for post_id in missing:
            found[post_id] = words(post_id)
            self._words.keep(post_id, revisions[post_id], found[post_id])
        return found


def _result(match: Match, post_id: int) -> Json:
    """FilterResult."""
    return {
        "filter": entity(match.filter),
        "keyword_matches": list(match.keywords),
        "status_matches": [str(post_id)] if match.by_post else [],
    }


def entity(row: Filter | Row[Any]) -> Json:
    """Filter, without its keywords and posts."""
    return {
        "id": str(row.id),
        "title": row.title,
        "context": filters.names(row.contexts),
        "expires_at": shapes.moment_or_none(row.expires_at),
        "filter_action": row.action,
    }
