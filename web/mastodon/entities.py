"""The one renderer of the client API (design, decision 9): ids in, JSON as bytes out.

What does not depend on the reader is rendered once for each (post, revision) and (account, revision) and kept as bytes;
counts and what the reader did with a post are laid over it. The cost of a page is a fixed number of statements:

    faces of the posts, and of those they boost      1 or 2
    what the reader did with them                    1
    posts not rendered yet                           4: the posts, their media, mentions and tags
    accounts not rendered yet                        1
    polls, if there are any                          1 or 2

It does not ask who may see what: whoever chose the ids did.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Row

from node.errors import NotFound
from node.html import to_text
from node.reacting import KIND as REACTION
from node.runtime import Tx
from node.schema import report
from node.social import Relationship
from node.urls import Urls
from node.viewer import Kind
from web.mastodon import emoji, loading, quoted, shapes
from web.mastodon.filtered import Found, Overlay
from web.mastodon.kept import Kept
from web.mastodon.loading import Face, Marks
from web.mastodon.shapes import Json

_encode = msgspec.json.encode

POSTS_KEPT = 20_000
ACCOUNTS_KEPT = 5_000
"""A post takes some 1.5 KB, an account 1 KB."""

_NULL = b"null"
_SWITCH = (b"false", b"true")
_FLAGS = tuple(
    b',"favourited":%b,"reblogged":%b,"bookmarked":%b,"pinned":%b,"muted":%b,"filtered":'
    % tuple(_SWITCH[bits >> place & 1] for place in range(5))
    for bits in range(32)
)
"""The end of a Status, by the bits of loading.Marks, but for what filters found."""
_UNFILTERED = tuple(flags + b"[]}" for flags in _FLAGS)
_NO_FLAGS = b"}"
_COUNTS = b',"replies_count":%d,"reblogs_count":%d,"favourites_count":%d'
_QUOTES = b',"quotes_count":%d,"quote_approval":'
_PARENT = b',"in_reply_to_id":"%d","in_reply_to_account_id":%b'
_NO_PARENT = b',"in_reply_to_id":null,"in_reply_to_account_id":null'


class Written(NamedTuple):
    """A post as far as it is the same for everybody."""

    body: bytes
    """A JSON object without its closing brace."""
    application: bytes
    """The client that it was written with: only its author is told."""


@dataclass(frozen=True, slots=True)
class Posts:
    """Posts loaded for any number of readers."""

    faces: dict[int, Face]
    written: dict[int, Written]
    authors: dict[int, bytes]
    polls: dict[int, Row[Any]]
    votes: dict[tuple[int, int], list[int]]
    now: int
    reactions: emoji.Reactions
    in_polls: dict[int, list[Json]]
    """Custom emoji of the answers, by post."""

    quotes: quoted.Quotes
    found: Found = field(default_factory=dict)
    """What filters found, see `filtered`."""

    def status(self, post_id: int, viewer: int | None, marks: Marks) -> bytes:
        """The Status as `viewer` sees it; None is somebody without an account."""
        return b"".join(self._pieces(post_id, viewer, marks))

    def _pieces(self, post_id: int, viewer: int | None, marks: Marks, *, is_quoted: bool = False) -> list[bytes]:
        face = self.faces[post_id]
        author, boosted, answered = face.author_id, face.boost_of_id, face.in_reply_to_id
        body, application = self.written[post_id]
        pieces = [
            body,
            _COUNTS % (face.replies_count, face.boosts_count, face.favourites_count),
            _NO_PARENT if answered is None else _PARENT % (answered, _id(face.in_reply_to_account_id)),
            _QUOTES % face.quotes_count,
            self.quotes.approval(face if boosted is None else self.faces[boosted], viewer),
            b',"quote":',
            *self._quote(face, viewer, marks, is_quoted),
            b',"application":',
            application if viewer == author else _NULL,
            b',"reactions":',
            self.reactions.of(post_id, viewer),
            b',"account":',
            self.authors[author],
        ]
        if boosted is None:
            pieces += (b',"reblog":null,"poll":', self._poll(post_id, viewer, author) if self.polls else _NULL)
        else:
            pieces += (b',"poll":null,"reblog":', *self._pieces(boosted, viewer, marks))
        pieces.append(_NO_FLAGS if viewer is None else self._flags((viewer, boosted or post_id), marks))
        return pieces

    def _flags(self, key: tuple[int, int], marks: Marks) -> bytes:
        bits, found = marks.get(key, 0), self.found.get(key)
        return _UNFILTERED[bits] if found is None else b"%b%b}" % (_FLAGS[bits], found.shown)

    def _quote(self, face: Face, viewer: int | None, marks: Marks, is_shallow: bool) -> Sequence[bytes]:
        """Quote, or inside of what is quoted ShallowQuote."""
        shown = self.quotes.of(face, viewer)
        if shown is None:
            return (_NULL,)
        state, quoted_id = shown
        if is_shallow:
            return (_encode({"state": state, "quoted_status_id": None if quoted_id is None else str(quoted_id)}),)
        if quoted_id is None:
            return (_encode({"state": state, "quoted_status": None}),)
        head = b'{"state":%b,"quoted_status":' % _encode(state)
        return (head, *self._pieces(quoted_id, viewer, marks, is_quoted=True), b"}")

    def _poll(self, post_id: int, viewer: int | None, author_id: int) -> bytes:
        row = self.polls.get(post_id)
        if row is None:
            return _NULL
        own = None if viewer is None else self.votes.get((viewer, row.id), [])
        emojis = {"emojis": self.in_polls.get(post_id, [])}
        return _encode(shapes.poll(row, self.now, own, is_author=viewer == author_id) | emojis)

    def is_hidden(self, viewer: int | None, post_id: int | None) -> bool:
        """Whether a filter of the viewer hides notifications about a post."""
        if viewer is None or post_id not in self.faces:
            return False
        found = self.found.get((viewer, self.faces[post_id].boost_of_id or post_id))
        return found is not None and found.hides_notifications

    def words(self, post_id: int) -> str:
        """What filters look at, casefolded: the text, its warning, answers of a poll, descriptions of media."""
        shape = msgspec.json.decode(self.written[post_id].body + b"}")
        poll = self.polls.get(post_id)
        described = [one["description"] or "" for one in shape["media_attachments"]]
        parts = [shape["spoiler_text"], to_text(shape["content"]), *described, *([] if poll is None else _titles(poll))]
        return "\n".join(parts).casefold()

    @property
    def originals(self) -> list[int]:
        """What people can have done something with: the posts, not the boosts of them."""
        return [id_ for id_, face in self.faces.items() if face.boost_of_id is None]


class Renderer:
    """Renders for all readers of one node. Thread-safe: it works on the database's threads."""

    def __init__(self, urls: Urls, *, posts_kept: int = POSTS_KEPT, accounts_kept: int = ACCOUNTS_KEPT) -> None:
        self.urls = urls
        self._posts: Kept[Written] = Kept(posts_kept)
        self._accounts: Kept[bytes] = Kept(accounts_kept)
        self._filters = Overlay(accounts_kept, posts_kept)

    def forgetful(self) -> "Renderer":
        """One that keeps nothing, for transactions that write: what they see may never be committed."""
        return Renderer(self.urls, posts_kept=0, accounts_kept=0)

    # --- posts

    def statuses(self, tx: Tx, ids: Sequence[int]) -> list[bytes]:
        """Status of each post, in this order, as `tx.viewer` sees it. Ids of no post are left out."""
        viewer = reader(tx)
        who = [] if viewer is None else [viewer]
        found = self.load(tx, ids, who)
        self.filter(tx, found, own_filters(tx))
        marks = loading.marks(tx, who, found.originals)
        return [found.status(id_, viewer, marks) for id_ in ids if id_ in found.faces]

    def status(self, tx: Tx, post_id: int) -> bytes:
        """One Status; NotFound if the post is gone by now."""
        return _only(self.statuses(tx, [post_id]))

    def load(self, tx: Tx, ids: Sequence[int], who: Sequence[int] = ()) -> Posts:
        """These posts for the readers `who`, who are asked about their votes only."""
        faces = loading.faces(tx, ids)
        found_quotes = quoted.load(tx, faces, list(who))
        written = self._written(tx, faces)
        authors = self._authors(tx, {face.author_id: face.author_rev for face in faces.values()})
        polls = loading.polls(tx, [id_ for id_, face in faces.items() if face.object_type == "Question"])
        votes = loading.votes(tx, who, [row.id for row in polls.values()])
        reacted = emoji.reactions(tx, [id_ for id_, face in faces.items() if face.reactions_count > 0], who, self.urls)
        in_polls = emoji.of_posts(tx, {id_: _titles(row) for id_, row in polls.items()}, self.urls)
        return Posts(faces, written, authors, polls, votes, tx.now, reacted, in_polls, found_quotes)

    def filter(self, tx: Tx, posts: Posts, revisions: Mapping[int, int]) -> None:
        """Lay over posts what the filters of people find in them; `revisions`: account id -> filters_rev.

        No statement for who never had a filter, one for all of whom the newest are not kept.
        """
        if any(revisions.values()):
            originals = [(id_, posts.faces[id_].rev) for id_ in posts.originals]
            posts.found.update(self._filters.found(tx, revisions, originals, posts.words))

    def _written(self, tx: Tx, faces: dict[int, Face]) -> dict[int, Written]:
        found, missing = self._posts.find((id_, face.rev) for id_, face in faces.items())
        if not missing:
            return found
        media = loading.attachments(tx, missing)
        mentions, tags = loading.mentions(tx, missing), loading.tags(tx, missing)
        rows = loading.posts(tx, missing)
        emojis = emoji.of_posts(tx, {row.id: (row.content, row.spoiler) for row in rows}, self.urls)
        for row in rows:
            shape = shapes.post(row, media.get(row.id, ()), mentions.get(row.id, ()), tags.get(row.id, ()), self.urls)
            shape["emojis"] = emojis.get(row.id, [])
            app = _NULL if row.app_name is None else _encode({"name": row.app_name, "website": row.app_website})
            found[row.id] = Written(_encode(shape)[:-1], app)
            self._posts.keep(row.id, row.rev, found[row.id])
        return found

    # --- accounts

    def accounts(self, tx: Tx, ids: Sequence[int]) -> list[bytes]:
        """Account of each, in this order. Ids of no account, or one that is gone, are left out."""
        found = self._accounts_by_id(tx, ids)
        return [found[id_] for id_ in ids if id_ in found]

    def _accounts_by_id(self, tx: Tx, ids: Sequence[int]) -> dict[int, bytes]:
        return self._authors(tx, loading.account_revisions(tx, list(dict.fromkeys(ids))))

    def accounts_by_id(self, tx: Tx, ids: Sequence[int]) -> dict[int, bytes]:
        """Account of each that is there."""
        return self._accounts_by_id(tx, ids)

    def account(self, tx: Tx, account_id: int) -> bytes:
        """One Account; NotFound if it is gone by now."""
        return _only(self.accounts(tx, [account_id]))

    def credentials(self, tx: Tx, row: Row[Any], login: Row[Any], requests: int) -> bytes:
        """CredentialAccount of the viewer; `row` is of the account, `requests` how many wait for an answer."""
        more = {"source": shapes.source(row, login, requests), "role": shapes.role(login.roles)}
        return joined(self.account(tx, row.id), more)

    def _authors(self, tx: Tx, revisions: dict[int, int]) -> dict[int, bytes]:
        found, missing = self._accounts.find(revisions.items())
        if not missing:
            return found
        rows = loading.accounts(tx, missing)
        moved = loading.accounts_at(tx, [row.moved_to_iri for row in rows if row.moved_to_iri])
        emojis = emoji.of_accounts(tx, rows, self.urls)
        for row in rows:
            target = moved.get(row.moved_to_iri) if row.moved_to_iri else None
            shape = shapes.account(row, self.urls, None if target is None else shapes.account(target, self.urls))
            shape["emojis"] = emojis[row.id]
            found[row.id] = _encode(shape)
            self._accounts.keep(row.id, row.rev, found[row.id])
        return found

    def relationships(self, found: Iterable[Relationship]) -> bytes:
        return _encode([shapes.relationship(one) for one in found])

    # --- what is made of both

    def notifications(self, tx: Tx, rows: Sequence[Row[Any]], *, reaction_as: str = "favourite") -> list[bytes]:
        """Notification of each row of `notification`, all of them the viewer's."""
        viewer = reader(tx)
        who = [] if viewer is None else [viewer]
        return self.notifications_of(
            tx, rows, lambda _row: viewer, who, reaction_as=reaction_as, revisions=own_filters(tx)
        )

    def notifications_of(
        self,
        tx: Tx,
        rows: Sequence[Row[Any]],
        viewer_of: Callable[[Row[Any]], int | None],
        who: Sequence[int],
        *,
        reaction_as: str = "favourite",
        revisions: Mapping[int, int] | None = None,
        pushed: bool = False,
    ) -> list[bytes]:
        """The same for several readers `who`; `viewer_of` tells whose a row is. Few clients know the kind of reactions.

        `revisions` as of `filter`. What is `pushed` is empty where a filter that hides notifications matches.
        """
        posts = self.load(tx, list({row.post_id for row in rows if row.post_id is not None}), who)
        self.filter(tx, posts, revisions or {})
        marks = loading.marks(tx, who, posts.originals)
        senders = self._accounts_by_id(tx, [row.from_id for row in rows])
        reports = self.reports(tx, [row.report_id for row in rows if row.report_id is not None])
        reacted = emoji.told(tx, rows, self.urls)
        shown = []
        for row in rows:
            if pushed and posts.is_hidden(viewer_of(row), row.post_id):
                shown.append(b"")
                continue
            head = {"id": str(row.id), "type": row.kind, "created_at": shapes.moment(row.created_at)}
            if row.kind == REACTION:
                head |= {"type": reaction_as} | reacted.get(row.id, {})
            parts = [_encode(head | {"group_key": row.group_key or f"ungrouped-{row.id}"})[:-1]]
            parts.append(b',"account":' + senders.get(row.from_id, _NULL))
            if row.post_id in posts.faces:
                parts.append(b',"status":' + posts.status(row.post_id, viewer_of(row), marks))
            if row.report_id in reports:
                parts.append(b',"report":' + reports[row.report_id])
            shown.append(b"".join(parts) + b"}")
        return shown

    def reports(self, tx: Tx, ids: Sequence[int]) -> dict[int, bytes]:
        """Report of each that is there."""
        if not ids:
            return {}
        rows = tx.rows(report.select().where(report.c.id.in_(ids)))
        targets = self._accounts_by_id(tx, [row.target_id for row in rows])
        return {row.id: report_entity(row, targets.get(row.target_id, _NULL)) for row in rows}

    def attachment(self, row: Row[Any]) -> bytes:
        return _encode(shapes.attachment(row, self.urls))


def own_filters(tx: Tx) -> dict[int, int]:
    """The viewer's filters_rev, as `Renderer.filter` wants it."""
    viewer = reader(tx)
    return {} if viewer is None else {viewer: tx.viewer.filters_rev}


def reader(tx: Tx) -> int | None:
    """The person for whom is rendered, if it is one."""
    return tx.viewer.account_id if tx.viewer.kind is Kind.PERSON else None


def _only(found: list[bytes]) -> bytes:
    if not found:
        raise NotFound()
    return found[0]


def array(items: Sequence[bytes]) -> bytes:
    """A JSON list of what is JSON already."""
    return b"[%b]" % b",".join(items)


def joined(body: bytes, more: Json) -> bytes:
    """A JSON object with more fields at its end."""
    return b"%b,%b" % (body[:-1], _encode(more)[1:])


def composed(parts: dict[str, bytes]) -> bytes:
    """A JSON object whose values are JSON already. The names need no escaping."""
    return b"{%b}" % b",".join(b'"%b":%b' % (name.encode(), value) for name, value in parts.items())


def report_entity(row: Row[Any], target: bytes) -> bytes:
    """Report of a row of `report`; `target` is the Account it is about."""
    shape = {
        "id": str(row.id),
        "action_taken": row.resolved_at is not None,
        "action_taken_at": shapes.moment_or_none(row.resolved_at),
        "category": row.category,
        "comment": row.comment,
        "forwarded": row.forwarded,
        "created_at": shapes.moment(row.created_at),
        "status_ids": [str(id_) for id_ in row.post_ids],
        "collection_ids": [],
        "rule_ids": [str(id_) for id_ in row.rule_ids],
    }
    return b'%b,"target_account":%b}' % (_encode(shape)[:-1], target)


def _titles(row: Row[Any]) -> list[str]:
    return [option["title"] for option in row.options]


def _id(id_: int | None) -> bytes:
    return _NULL if id_ is None else b'"%d"' % id_
