"""A batch of imported posts, stored in one transaction and a fixed number of statements.

What is imported is history: nobody is notified, streams stay silent, and nothing is delivered, since peers import their
own part. What is there already stays as it is; boosts and favourites that it lacks are added.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BindParameter, bindparam, case, insert, or_, select, update

from activitypub.audience import Visibility
from node import contents, directs, search, tags, takebacks
from node.contents import MAX_LINKS, NewPost
from node.ids import PostId
from node.importing.people import Addresses
from node.importing.posts import Endorsed, Ready, stable_id
from node.runtime import Tx
from node.schema import account, favourite, imported, mention, post, post_link, post_tag, tombstone
from node.schema.meta import Id
from node.text import normalise_tag
from node.threads import is_counted, is_counted_as_reply

_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_KNOWN_REFS = (
    select(imported.c.ref, imported.c.post_id, post.c.id, post.c.iri, post.c.author_id, post.c.conversation_id)
    .join_from(imported, post, post.c.id == imported.c.post_id, isouter=True)
    .where(imported.c.ref.in_(bindparam("refs", expanding=True)))
)
_KNOWN_IRIS = select(post.c.id, post.c.iri, post.c.author_id, post.c.conversation_id).where(
    post.c.iri.in_(bindparam("iris", expanding=True))
)
_BURIED = select(tombstone.c.iri).where(tombstone.c.iri.in_(bindparam("iris", expanding=True)))
_TAKEN = select(post.c.id).where(post.c.id.in_(_IDS))
_TAKEN_FAVOURITES = select(favourite.c.id).where(favourite.c.id.in_(_IDS))
_BOOSTED = select(post.c.boost_of_id, post.c.author_id).where(post.c.boost_of_id.in_(_IDS))
_FAVOURITED = select(favourite.c.post_id, favourite.c.account_id).where(favourite.c.post_id.in_(_IDS))
_INSERT_REF = insert(imported)
_INSERT_TAG = insert(post_tag)
_INSERT_LINK = insert(post_link)
_INSERT_MENTION = insert(mention)
_INSERT_FAVOURITE = insert(favourite)
_OF = bindparam("of", type_=Id)
_ADD_COUNTS = (
    update(post)
    .where(post.c.id == _OF)
    .values(
        boosts_count=post.c.boosts_count + bindparam("boosts"),
        favourites_count=post.c.favourites_count + bindparam("favourites"),
        replies_count=post.c.replies_count + bindparam("replies"),
    )
)
_AT = bindparam("at", type_=Id)
_COUNT_POSTS = (
    update(account)
    .where(account.c.id == _OF)
    .values(
        posts_count=account.c.posts_count + bindparam("posts"),
        last_post_at=case(
            (or_(account.c.last_post_at.is_(None), account.c.last_post_at < _AT), _AT), else_=account.c.last_post_at
        ),
        rev=account.c.rev + 1,
    )
)


@dataclass
class Stored:
    """What a batch came to."""

    posts: int = 0
    remote_posts: int = 0
    boosts: int = 0
    favourites: int = 0
    there_already: int = 0

    def add(self, other: "Stored") -> None:
        for name in ("posts", "remote_posts", "boosts", "favourites", "there_already"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(frozen=True, slots=True)
class _Known:
    """A post that is there; `post_id` is 0 for one that was deleted since."""

    post_id: int
    iri: str
    author_id: int
    conversation_id: int


@dataclass
class _Rows:
    """What a batch inserts, table by table, and how counts change."""

    posts: list[NewPost] = field(default_factory=list)
    boosts: list[NewPost] = field(default_factory=list)
    refs: list[dict[str, Any]] = field(default_factory=list)
    mentions: list[dict[str, Any]] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)
    favourites: list[dict[str, Any]] = field(default_factory=list)
    entries: list[tuple[PostId, str]] = field(default_factory=list)
    names: dict[int, tuple[str, ...]] = field(default_factory=dict)
    counts: defaultdict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    written: Counter[int] = field(default_factory=Counter)
    last_at: dict[int, int] = field(default_factory=dict)

    def count_post(self, author_id: int, at: int) -> None:
        self.written[author_id] += 1
        self.last_at[author_id] = max(at, self.last_at.get(author_id, 0))


def store(tx: Tx, batch: Sequence[Ready], addresses: Addresses) -> Stored:
    """Store what is not there yet of a batch, in a fixed number of statements."""
    done, rows = Stored(), _Rows()
    known = _known(tx, batch)
    parents = {one.line.in_reply_to for one in batch if one.line.in_reply_to is not None} - known.keys()
    above = known | _by_ref(tx, parents)
    taken = _taken(tx, batch)
    endorsed: list[tuple[Ready, _Known]] = []
    for one in batch:
        there = known.get(one.line.id)
        if there is None:
            there = known[one.line.id] = above[one.line.id] = _lay(tx, rows, one, above, taken, addresses)
            done.posts += one.author.domain is None
            done.remote_posts += one.author.domain is not None
        else:
            done.there_already += not one.again
        if there.post_id:
            endorsed.append((one, there))
    _endorse(tx, rows, endorsed, taken, addresses)
    done.boosts, done.favourites = len(rows.boosts), len(rows.favourites)
    _write(tx, rows)
    for new in rows.posts:
        if new.visibility == Visibility.DIRECT:
            called = [row["account_id"] for row in rows.mentions if row["post_id"] == new.id]
            directs.heard(tx, new.id, new.conversation_id, new.author_id, called, quiet=True)
    return done


def _known(tx: Tx, batch: Sequence[Ready]) -> dict[str, _Known]:
    """Posts of the batch that are there, by reference or by address, and those that were there and were deleted."""
    known = _by_ref(tx, {one.line.id for one in batch})
    iris = {one.iri: one.line.id for one in batch if one.line.id not in known}
    if iris:
        asked = {"iris": list(iris)}
        for row in tx.rows(_KNOWN_IRIS, asked):
            known[iris[row.iri]] = _Known(row.id, row.iri, row.author_id, row.conversation_id)
        for iri in tx.scalars(_BURIED, asked):
            known[iris[iri]] = _Known(0, iri, 0, 0)
    return known


def _by_ref(tx: Tx, refs: Any) -> dict[str, _Known]:
    if not refs:
        return {}
    return {
        row.ref: _Known(row.id or 0, row.iri or "", row.author_id or 0, row.conversation_id or 0)
        for row in tx.rows(_KNOWN_REFS, {"refs": sorted(refs)})
    }


def _taken(tx: Tx, batch: Sequence[Ready]) -> set[int]:
    """Ids that the batch would like to use and that something else has."""
    wanted = [one.post_id for one in batch]
    wanted += [_endorsement_id("boost", one, by) for one in batch for by in one.boosts]
    liked = [_endorsement_id("favourite", one, by) for one in batch for by in one.favourites]
    taken = set(tx.scalars(_TAKEN, {"ids": wanted}))
    if liked:
        taken.update(tx.scalars(_TAKEN_FAVOURITES, {"ids": liked}))
    return taken


def _endorsement_id(kind: str, one: Ready, by: Endorsed) -> int:
    """Sorts behind the post's id, also when it carries the same second."""
    return stable_id(max(by.at, one.line.at + 1000), kind, one.line.id, by.person.username)


def _free_id(tx: Tx, wanted: int, at: int, taken: set[int]) -> int:
    id_ = wanted
    while id_ in taken:
        id_ = tx.new_id(at)
    taken.add(id_)
    return id_


def _lay(tx: Tx, rows: _Rows, one: Ready, above: dict[str, _Known], taken: set[int], addresses: Addresses) -> _Known:
    """Rows of a new post."""
    line, urls = one.line, addresses.of(one.author.domain)
    post_id = PostId(_free_id(tx, one.post_id, line.at, taken))
    iri = one.iri if post_id == one.post_id else urls.post(one.author.username, post_id)
    parent = above.get(line.in_reply_to) if line.in_reply_to is not None else None
    if parent is not None and not parent.post_id:
        parent = None
    made = _Known(post_id, iri, one.author.account_id, parent.conversation_id if parent else post_id)
    rows.posts.append(_post(one, post_id, made, urls.post_page(one.author.username, post_id), parent))
    rows.refs.append({"ref": line.id, "post_id": post_id})
    rows.names[post_id] = one.names
    rows.entries.append((post_id, one.entry))
    rows.mentions += [{"post_id": post_id, "account_id": account_id} for account_id in one.mention_ids]
    links = list(dict.fromkeys((*one.written.links, *line.links)))[:MAX_LINKS]
    rows.links += [{"post_id": post_id, "position": n, "url": url} for n, url in enumerate(links)]
    if is_counted(one.visibility):
        rows.count_post(one.author.account_id, line.at)
    if parent is not None and is_counted_as_reply(one.visibility):
        rows.counts[parent.post_id]["replies"] += 1
    return made


def _post(one: Ready, post_id: PostId, made: _Known, url: str, parent: _Known | None) -> NewPost:
    line = one.line
    return NewPost(
        id=post_id,
        iri=made.iri,
        url=url,
        author_id=made.author_id,
        local=one.author.domain is None,
        content=one.content,
        text=line.text if one.author.domain is None else "",
        spoiler=line.spoiler,
        sensitive=line.sensitive or bool(line.spoiler),
        language=line.language,
        visibility=one.visibility,
        local_only=line.local_only,
        in_reply_to_id=parent.post_id if parent else None,
        in_reply_to_iri=parent.iri if parent else None,
        in_reply_to_account_id=parent.author_id if parent else None,
        conversation_id=made.conversation_id,
        created_at=line.at,
    )


def _endorse(
    tx: Tx, rows: _Rows, endorsed: Sequence[tuple[Ready, _Known]], taken: set[int], addresses: Addresses
) -> None:
    """Boosts and favourites that are not there yet, and were not taken back."""
    new = {row.id for row in rows.posts}
    old = sorted({there.post_id for _, there in endorsed} - new)
    boosted = {tuple(row) for row in tx.rows(_BOOSTED, {"ids": old})} if old else set()
    liked = {tuple(row) for row in tx.rows(_FAVOURITED, {"ids": old})} if old else set()
    taken_back = takebacks.of_posts(tx, old)
    for one, there in endorsed:
        for by in one.boosts:
            pair = there.post_id, by.person.account_id
            if pair not in boosted and (takebacks.BOOST, *pair) not in taken_back:
                rows.boosts.append(_boost(tx, one, there, by, taken, addresses))
                rows.count_post(by.person.account_id, by.at)
                rows.counts[there.post_id]["boosts"] += 1
        for by in one.favourites:
            pair = there.post_id, by.person.account_id
            if pair not in liked and (takebacks.FAVOURITE, *pair) not in taken_back:
                rows.favourites.append(_favourite_row(tx, one, there, by, taken, addresses))
                rows.counts[there.post_id]["favourites"] += 1


def _boost(tx: Tx, one: Ready, there: _Known, by: Endorsed, taken: set[int], addresses: Addresses) -> NewPost:
    boost_id = PostId(_free_id(tx, _endorsement_id("boost", one, by), by.at, taken))
    urls = addresses.of(by.person.domain)
    return NewPost(
        id=boost_id,
        iri=urls.post(by.person.username, boost_id),
        url=urls.post_page(by.person.username, boost_id),
        author_id=by.person.account_id,
        local=by.person.domain is None,
        boost_of_id=there.post_id,
        visibility=one.visibility,
        local_only=one.line.local_only,
        conversation_id=boost_id,
        created_at=by.at,
    )


def _favourite_row(
    tx: Tx, one: Ready, there: _Known, by: Endorsed, taken: set[int], addresses: Addresses
) -> dict[str, Any]:
    """Of a peer's person, with the id that the Like has there: an Undo of it will be understood."""
    favourite_id = _free_id(tx, _endorsement_id("favourite", one, by), by.at, taken)
    urls = addresses.of(by.person.domain)
    like = urls.activity(urls.actor(by.person.username), "Like", favourite_id)
    return {
        "id": favourite_id,
        "account_id": by.person.account_id,
        "post_id": there.post_id,
        "iri": None if by.person.domain is None else like,
        "created_at": by.at,
    }


def _write(tx: Tx, rows: _Rows) -> None:
    tag_ids = tags.ensure(tx, dict.fromkeys(name for names in rows.names.values() for name in names))
    tagged = {
        (tag_ids[normal], post_id)
        for post_id, names in rows.names.items()
        for name in names
        if (normal := normalise_tag(name)) in tag_ids
    }
    counts = [
        {"of": id_, "boosts": count["boosts"], "favourites": count["favourites"], "replies": count["replies"]}
        for id_, count in rows.counts.items()
    ]
    written = [{"of": id_, "posts": number, "at": rows.last_at[id_]} for id_, number in rows.written.items()]
    if rows.posts or rows.boosts:
        contents.store(tx, rows.posts + rows.boosts)
    for statement, values in (
        (_INSERT_REF, rows.refs),
        (_INSERT_TAG, [{"tag_id": tag_id, "post_id": post_id} for tag_id, post_id in sorted(tagged)]),
        (_INSERT_LINK, rows.links),
        (_INSERT_MENTION, rows.mentions),
        (_INSERT_FAVOURITE, rows.favourites),
        (_ADD_COUNTS, counts),
        (_COUNT_POSTS, written),
    ):
        if values:
            tx.execute(statement, values)
    search.index(tx, rows.entries)
