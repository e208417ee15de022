"""What peers may read of us: actors, posts and collections, each as the signer of the request may see it (R20, R33).

Everything takes the signer as `tx.viewer` and passes the one visibility predicate. What a viewer may not see is NotFound;
what was deleted is Gone, with its tombstone.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, func, literal_column, select, text

from activitypub import build
from activitypub.audience import Visibility
from activitypub.collections import Cursor, keyset_page, paged
from activitypub.vocabulary import PUBLIC_SPELLINGS, Iri, host, is_iri
from node.errors import NotFound
from node.federation import render
from node.runtime import Tx
from node.schema import account, activity, follow, pin, post, post_tag, tag, tombstone
from node.viewer import Kind, Viewer
from node.visibility import visible

Doc = dict[str, Any]

PAGE = 40
"""Items of one page."""

_LOCAL = select(account).where(account.c.handle == bindparam("handle"), account.c.domain.is_(None))
_TOMBSTONE = select(tombstone).where(tombstone.c.iri == bindparam("iri"))
_ACTIVITY = (
    select(activity.c.body, activity.c.kind, activity.c.object_iri, account.c.iri.label("actor_iri"))
    .join(account, account.c.id == activity.c.actor_id)
    .where(activity.c.iri == bindparam("iri"), account.c.suspended_at.is_(None))
)
# As the partial indexes have it: SQLite compares the words of the condition.
_PUBLIC_HERE = and_(post.c.visibility == literal_column("0"), text("post.local"))
_PUBLIC_POSTS = and_(_PUBLIC_HERE, post.c.boost_of_id.is_(None))
_PUBLIC_BOOSTS = and_(_PUBLIC_HERE, post.c.boost_of_id.is_not(None))
_TAG = select(tag.c.id, tag.c.name).where(tag.c.name == bindparam("name"))


class Gone(Exception):
    """It was deleted. `document` is the tombstone to answer a 410 with."""

    def __init__(self, document: Doc) -> None:
        super().__init__("deleted")
        self.document = document


# --- actors ------------------------------------------------------------------


def local(tx: Tx, username: str) -> Row[Any]:
    """The account of a local user name. NotFound if there is none or it is suspended, Gone if it was deleted."""
    row = tx.first(_LOCAL, {"handle": username.casefold()})
    if row is None:
        raise NotFound
    if row.gone_at is not None:
        raise Gone(build.tombstone(row.iri, former_type=row.actor_type, deleted=row.gone_at))
    if row.suspended_at is not None:
        raise NotFound
    return row


def actor(tx: Tx, account_id: int) -> Doc:
    """The actor document. Its keys must be there: `Network.ensure_keys` makes them."""
    return render.actor(tx, account_id)


# --- posts -------------------------------------------------------------------


def note(tx: Tx, username: str, post_id: int) -> Doc:
    """A local post as its Note. NotFound for boosts, which are activities only."""
    _seen(tx, username, post_id)
    return render.note(tx, post_id)


def post_activity(tx: Tx, username: str, post_id: int) -> Doc:
    """The Create or Announce of a local post."""
    _seen(tx, username, post_id)
    return render.activity(tx, post_id)


def _seen(tx: Tx, username: str, post_id: int) -> Row[Any]:
    author = local(tx, username)
    found = tx.first(
        select(post.c.id, post.c.iri, post.c.in_reply_to_iri, post.c.boost_of_id).where(
            post.c.id == post_id, post.c.author_id == author.id, _published(), visible(tx.viewer)
        )
    )
    if found is None:
        iri = tx.urls.post(author.username, post_id)
        dead = tx.first(_TOMBSTONE, {"iri": iri})
        if dead is not None:
            raise Gone(build.tombstone(Iri(iri), former_type=dead.former_type, deleted=dead.deleted_at))
        raise NotFound
    return found


def _published() -> ColumnElement[bool]:
    """Ours, and meant for others than the department."""
    return and_(post.c.local.is_(True), post.c.local_only.is_(False))


def other_activity(tx: Tx, iri: str) -> bytes:
    """An activity without a post of its own (a Follow, a Like), while it is stored, for those it names.

    An Update of a post carries all of it: it is for those who may see the post by now.
    """
    row = tx.first(_ACTIVITY, {"iri": iri})
    if row is None or not _names(msgspec.json.decode(row.body), tx.viewer, _signer_iri(tx)):
        raise NotFound
    if row.kind == "Update" and row.object_iri != row.actor_iri and not _is_seen(tx, row.object_iri):
        raise NotFound
    return bytes(row.body)


def _is_seen(tx: Tx, iri: str) -> bool:
    return tx.first(select(post.c.id).where(post.c.iri == iri, _published(), visible(tx.viewer))) is not None


def _signer_iri(tx: Tx) -> str | None:
    if tx.viewer.account_id is None:
        return None
    iri: str | None = tx.scalar(select(account.c.iri).where(account.c.id == tx.viewer.account_id))
    return iri


def _names(doc: Mapping[str, Any], viewer: Viewer, signer: str | None) -> bool:
    """A person must be named; a peer's own actor stands for all its people."""
    named = [*doc.get("to", ()), *doc.get("cc", ())]
    if isinstance(doc.get("object"), str):
        named.append(doc["object"])
    if PUBLIC_SPELLINGS.intersection(named):
        return True
    if viewer.kind is Kind.REMOTE:
        return signer in named
    return viewer.kind is Kind.PEER and any(is_iri(one) and host(one) == viewer.domain for one in named)


# --- collections -------------------------------------------------------------


def outbox(tx: Tx, username: str, cursor: Cursor | None) -> Doc:
    """Posts and boosts of a person, newest first. The total counts what everybody in the company may see."""
    author = local(tx, username)
    collection = Iri(tx.urls.outbox(author.username))
    mine = and_(post.c.author_id == author.id, _published())
    if cursor is None:
        open_to_all = and_(mine, post.c.visibility <= Visibility.UNLISTED)
        return paged(collection, total=_count(tx, select(func.count()).select_from(post).where(open_to_all)))
    ids = tx.scalars(_page(select(post.c.id).where(mine, visible(tx.viewer)), post.c.id, cursor))
    found = render.activities(tx, ids)
    rows: list[tuple[int, Any]] = [(id_, found[id_]) for id_ in _newest_first(ids, cursor) if id_ in found]
    return keyset_page(collection, rows, cursor=cursor, limit=PAGE)


def followers(tx: Tx, username: str, cursor: Cursor | None) -> Doc:
    row = local(tx, username)
    return _people(
        tx,
        Iri(tx.urls.followers(row.username)),
        follow.c.target_id == row.id,
        follow.c.follower_id,
        row.followers_count,
        cursor,
    )


def following(tx: Tx, username: str, cursor: Cursor | None) -> Doc:
    row = local(tx, username)
    return _people(
        tx,
        Iri(tx.urls.following(row.username)),
        follow.c.follower_id == row.id,
        follow.c.target_id,
        row.following_count,
        cursor,
    )


def _people(
    tx: Tx,
    collection: Iri,
    whose: ColumnElement[bool],
    other: ColumnElement[int],
    total: int,
    cursor: Cursor | None,
) -> Doc:
    if cursor is None:
        return paged(collection, total=total)
    statement = (
        select(follow.c.id, account.c.iri)
        .join(account, account.c.id == other)
        .where(whose, follow.c.state == "accepted", account.c.gone_at.is_(None), account.c.suspended_at.is_(None))
    )
    rows: list[tuple[int, Any]] = [(row.id, Iri(row.iri)) for row in tx.rows(_page(statement, follow.c.id, cursor))]
    return keyset_page(collection, _newest_first(rows, cursor), cursor=cursor, limit=PAGE)


def featured(tx: Tx, username: str) -> Doc:
    """What a person has pinned, newest pin first: few, so in one piece."""
    author = local(tx, username)
    ids = tx.scalars(
        select(post.c.id)
        .join(pin, and_(pin.c.post_id == post.c.id, pin.c.account_id == author.id))
        .where(_published(), visible(tx.viewer))
        .order_by(pin.c.created_at.desc())
    )
    found = render.notes(tx, ids)
    items = [found[id_] for id_ in ids if id_ in found]
    return build.ordered_collection(Iri(tx.urls.featured(author.username)), total=len(items), items=items)


def replies(tx: Tx, username: str, post_id: int, cursor: Cursor | None) -> Doc:
    """Answers to a local post that the reader may see, by IRI: the author's own first on the first page (R61)."""
    parent = _seen(tx, username, post_id)
    collection = Iri(tx.urls.replies(parent.iri))
    answers = and_(post.c.in_reply_to_id == post_id, post.c.local_only.is_(False), post.c.boost_of_id.is_(None))
    statement = select(post.c.id, post.c.iri).where(answers, visible(tx.viewer))
    if cursor is None:
        first = keyset_page(collection, _reply_rows(tx, statement, Cursor()), cursor=Cursor(), limit=PAGE)
        return build.ordered_collection(collection, first=first)
    return keyset_page(collection, _reply_rows(tx, statement, cursor), cursor=cursor, limit=PAGE)


def conversation(tx: Tx, username: str, post_id: int, cursor: Cursor | None) -> Doc:
    """Every post of a thread that the reader may see, by IRI: owned by whoever began it, which must be here (FEP-7888)."""
    root = _seen(tx, username, post_id)
    if root.in_reply_to_iri is not None or root.boost_of_id is not None:
        raise NotFound
    collection = Iri(tx.urls.context(root.iri))
    if cursor is None:
        page = paged(collection, total=None)
    else:
        belongs = and_(post.c.conversation_id == root.id, post.c.local_only.is_(False), post.c.boost_of_id.is_(None))
        statement = select(post.c.id, post.c.iri).where(belongs, visible(tx.viewer))
        page = keyset_page(collection, _reply_rows(tx, statement, cursor), cursor=cursor, limit=PAGE)
    return page | {"attributedTo": local(tx, username).iri}


def _reply_rows(tx: Tx, statement: Select[Any], cursor: Cursor) -> list[tuple[int, Any]]:
    rows: list[tuple[int, Any]] = [(row.id, Iri(row.iri)) for row in tx.rows(_page(statement, post.c.id, cursor))]
    return _newest_first(rows, cursor)


def tagged(tx: Tx, name: str, cursor: Cursor | None) -> Doc:
    """Our public posts with a tag: what a peer reads that follows the tag or joins late. NotFound if there are none:
    a tag of the department's posts alone is nobody else's business.
    """
    found = tx.first(_TAG, {"name": name})
    if found is None:
        raise NotFound
    collection = Iri(tx.urls.tag_collection(found.name))
    statement = (
        select(post.c.id)
        .join(post_tag, and_(post_tag.c.post_id == post.c.id, post_tag.c.tag_id == found.id))
        .where(_published(), post.c.visibility == Visibility.PUBLIC, post.c.boost_of_id.is_(None), visible(tx.viewer))
    )
    if tx.first(statement.limit(1)) is None:
        raise NotFound
    if cursor is None:
        return paged(collection, total=None)
    ids = tx.scalars(_page(statement, post.c.id, cursor))
    notes = render.notes(tx, ids)
    rows: list[tuple[int, Any]] = [(id_, notes[id_]) for id_ in _newest_first(ids, cursor) if id_ in notes]
    return keyset_page(collection, rows, cursor=cursor, limit=PAGE)


def history(tx: Tx, cursor: Cursor | None) -> Doc:
    """Public posts and boosts of everybody here, newest first, as the activities that brought them: what a peer reads
    that is new to the company, or lost some days. NotFound for whoever has not signed.
    """
    if tx.viewer.kind not in (Kind.REMOTE, Kind.PEER, Kind.SYSTEM):
        raise NotFound
    collection = Iri(tx.urls.history)
    if cursor is None:
        return paged(collection, total=None)
    ids = [
        id_
        for what in (_PUBLIC_POSTS, _PUBLIC_BOOSTS)
        for id_ in tx.scalars(_page(select(post.c.id).where(what, _published(), visible(tx.viewer)), post.c.id, cursor))
    ]
    ids = sorted(ids, reverse=cursor.after is None)[: PAGE + 1]
    found = render.activities(tx, ids)
    rows: list[tuple[int, Any]] = [(id_, found[id_]) for id_ in _newest_first(ids, cursor) if id_ in found]
    return keyset_page(collection, rows, cursor=cursor, limit=PAGE)


def _page(statement: Select[Any], column: ColumnElement[int], cursor: Cursor) -> Select[Any]:
    """One row more than the page holds, nearest to the cursor."""
    if cursor.after is not None:
        return statement.where(column > cursor.after).order_by(column.asc()).limit(PAGE + 1)
    if cursor.before is not None:
        statement = statement.where(column < cursor.before)
    return statement.order_by(column.desc()).limit(PAGE + 1)


def _newest_first(rows: list[Any], cursor: Cursor) -> list[Any]:
    return rows[::-1] if cursor.after is not None else rows


def _count(tx: Tx, statement: Select[Any]) -> int:
    return int(tx.scalar(statement) or 0)
