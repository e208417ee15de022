"""Direct conversations: for each person of this node, the threads of direct posts that they are part of.

Kept up to date where posts come, change, join threads and go; only direct posts cost anything. A row names the newest of its
posts that its person wanted to have (`last_post_id`), by which conversations are paged. Whether that post may be seen
is asked when they are shown, by the one predicate.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import Any, cast

from sqlalchemy import Row, Select, bindparam, delete, func, insert, or_, select, update

from activitypub.audience import Visibility
from node import db, sight
from node.accounts.lookup import me
from node.errors import NotFound
from node.ids import Millis, PostId
from node.paging import Page
from node.runtime import Tx
from node.schema import account, direct_conversation, login, mention, post
from node.schema.meta import Id
from node.sight import NOW, Sight, page_values, paged, some
from node.visibility import unwanted_by, visible_to

INDEX_JOB = "direct.index"
"""Kind of the job that enters the direct posts which were here before conversations were."""
BATCH = 200

_TALK = direct_conversation
_OF = bindparam("of", type_=Id)
_RECEIVERS = (
    select(login.c.account_id)
    .where(
        db.among(login.c.account_id, "ids"),
        or_(
            login.c.account_id == bindparam("author", type_=Id),
            ~unwanted_by(login.c.account_id, cast("Millis", NOW), bindparam("author", type_=Id)),
        ),
    )
    .order_by(login.c.account_id)
)
_KNOWN = select(_TALK).where(
    _TALK.c.conversation_id == bindparam("thread", type_=Id), db.among(_TALK.c.account_id, "ids")
)
_INSERT = insert(_TALK)
_CHANGE = (
    update(_TALK)
    .where(_TALK.c.id == _OF)
    .values(
        participants=bindparam("people"),
        last_post_id=bindparam("last", type_=Id),
        unread=bindparam("is_unread"),
        updated_at=bindparam("at", type_=Id),
    )
)
_DELETE = delete(_TALK).where(_TALK.c.id == _OF)
_ENDING_WITH = select(_TALK).where(_TALK.c.last_post_id == bindparam("post", type_=Id))
_NEWEST = select(func.max(post.c.id)).where(
    post.c.conversation_id == bindparam("thread", type_=Id),
    post.c.visibility == Visibility.DIRECT,
    post.c.boost_of_id.is_(None),
    post.c.id != bindparam("but", type_=Id),
    or_(
        post.c.author_id == bindparam("who", type_=Id),
        some(mention, mention.c.post_id == post.c.id, mention.c.account_id == bindparam("who", type_=Id)),
    ),
)
_IN_THREADS = select(_TALK).where(db.among(_TALK.c.conversation_id, "threads")).order_by(_TALK.c.id)
_REDIRECT = update(_TALK).where(_TALK.c.id == _OF).values(conversation_id=bindparam("thread", type_=Id))
_READ = update(_TALK).where(_TALK.c.id == _OF).values(unread=False)
_OLD = (
    select(post.c.id, post.c.conversation_id, post.c.author_id)
    .where(
        post.c.visibility == Visibility.DIRECT, post.c.boost_of_id.is_(None), post.c.id > bindparam("after", type_=Id)
    )
    .order_by(post.c.id)
    .limit(BATCH)
)
_MENTIONS = select(mention.c.post_id, mention.c.account_id).where(db.among(mention.c.post_id, "ids"))


def heard(
    tx: Tx,
    post_id: int,
    conversation_id: int,
    author_id: int,
    mention_ids: Iterable[int],
    *,
    told: Collection[int] = (),
    quiet: bool = False,
) -> None:
    """A direct post is here, or mentions more people. Idempotent.

    `told` are those for whom it is news and so unread. Whoever has muted or blocked the author does not get it.
    `quiet`: streams say nothing.
    """
    people = list(dict.fromkeys([author_id, *mention_ids]))
    receivers = tx.scalars(_RECEIVERS, {"ids": people, "author": author_id, "now": tx.now})
    asked = {"thread": conversation_id, "ids": receivers}
    known = {row.account_id: row for row in tx.rows(_KNOWN, asked)} if receivers else {}
    changed = []
    for who in receivers:
        row = known.get(who)
        others = sorted({*people, *(row.participants if row else ())} - {who})
        unread = who in told or (who != author_id and row is not None and row.unread)
        if row is not None:
            _change(tx, row.id, others, max(row.last_post_id or 0, post_id), unread)
        changed.append(_new(tx, who, conversation_id, others, post_id, unread) if row is None else row.id)
    if not quiet:
        _tell(tx, post_id, author_id, changed)


def ended(tx: Tx, post_id: int, author_id: int) -> None:
    """A direct post is about to go: conversations that end with it end with the one before, or are over."""
    changed = []
    for row in tx.rows(_ENDING_WITH, {"post": post_id}):
        asked = {"thread": row.conversation_id, "but": post_id, "who": row.account_id}
        last = tx.scalar(_NEWEST, asked)
        if last is None:
            tx.execute(_DELETE, {"of": row.id})
            continue
        _change(tx, row.id, row.participants, last, row.unread)
        changed.append(row.id)
    _tell(tx, post_id, author_id, changed)


def joined(tx: Tx, old: Collection[int], new: int) -> None:
    """Threads became part of the thread `new` (a late parent): of two conversations of one person is made one."""
    kept: dict[int, Row[Any]] = {}
    rows = sorted(tx.rows(_IN_THREADS, {"threads": [*old, new]}), key=lambda row: row.conversation_id != new)
    for row in rows:
        first = kept.setdefault(row.account_id, row)
        if first is row:
            if row.conversation_id != new:
                tx.execute(_REDIRECT, {"of": row.id, "thread": new})
            continue
        others = sorted({*first.participants, *row.participants})
        tx.execute(_DELETE, {"of": row.id})
        last = max(first.last_post_id or 0, row.last_post_id or 0) or None
        _change(tx, first.id, others, last, first.unread or row.unread)
        kept[row.account_id] = _row(tx, first.id)


def index(tx: Tx, after: int) -> int | None:
    """Enter direct posts of before, quietly. The id to go on after, None at the end."""
    rows = tx.rows(_OLD, {"after": after})
    called: dict[int, list[int]] = {row.id: [] for row in rows}
    for one in tx.rows(_MENTIONS, {"ids": list(called)}) if rows else ():
        called[one.post_id].append(one.account_id)
    for row in rows:
        heard(tx, row.id, row.conversation_id, row.author_id, called[row.id], quiet=True)
    return int(rows[-1].id) if len(rows) == BATCH else None


# --- reading


def page(tx: Tx, page: Page) -> list[Row[Any]]:
    """The viewer's conversations, the one last written to first: rows of `direct_conversation`."""
    values = page_values(page) | {"of": me(tx)}
    return page.newest_first(sight.rows(tx, _page, values, page.min_id is not None))


def get(tx: Tx, conversation_id: int) -> Row[Any]:
    """One of the viewer's, by the id of its row. NotFound otherwise."""
    row = sight.first(tx, _one, {"of": me(tx), "id": conversation_id})
    if row is None:
        raise NotFound
    return row


def read(tx: Tx, conversation_id: int) -> int:
    tx.execute(_READ, {"of": get(tx, conversation_id).id})
    return conversation_id


def remove(tx: Tx, conversation_id: int) -> None:
    """Take it off the list. The posts stay; the next one brings the conversation back."""
    tx.execute(_DELETE, {"of": get(tx, conversation_id).id})


def posts(tx: Tx, page: Page) -> list[PostId]:
    """Direct posts of all the viewer's conversations, as one timeline."""
    values = page_values(page) | {"of": me(tx)}
    rows = sight.rows(tx, _posts, values, page.min_id is not None)
    return page.newest_first([PostId(row.id) for row in rows])


def shown_to_owners(tx: Tx, ids: Sequence[int], owners: Collection[int]) -> Sequence[Row[Any]]:
    """Those of these conversations that belong to `owners` and whose last post they may see (streams)."""
    return tx.rows(_for_owners(), {"ids": ids, "owners": list(owners), "now": tx.now})


def _page(eyes: Sight, ascending: bool) -> Select[Any]:
    return paged(_own(eyes), _TALK.c.last_post_id, ascending)


def _one(eyes: Sight) -> Select[Any]:
    return _own(eyes).where(_TALK.c.id == bindparam("id", type_=Id))


def _own(eyes: Sight) -> Select[Any]:
    return (
        select(_TALK).join(post, post.c.id == _TALK.c.last_post_id).where(_TALK.c.account_id == _OF, eyes.visible(post))
    )


def _posts(eyes: Sight, ascending: bool) -> Select[Any]:
    mine = some(mention, mention.c.post_id == post.c.id, mention.c.account_id == _OF)
    statement = (
        select(post.c.id)
        .join(_TALK, _TALK.c.conversation_id == post.c.conversation_id)
        .where(
            _TALK.c.account_id == _OF,
            post.c.visibility == Visibility.DIRECT,
            or_(post.c.author_id == _OF, mine & ~eyes.unwanted(post.c.author_id)),
            eyes.visible(post),
        )
    )
    return paged(statement, post.c.id, ascending)


@cache
def _for_owners() -> Select[Any]:
    owner = account.alias("owner")
    return (
        select(_TALK)
        .join(post, post.c.id == _TALK.c.last_post_id)
        .join(owner, owner.c.id == _TALK.c.account_id)
        .where(
            db.among(_TALK.c.id, "ids"),
            db.among(_TALK.c.account_id, "owners"),
            owner.c.suspended_at.is_(None),
            visible_to(_TALK.c.account_id, post),
        )
        .order_by(_TALK.c.id)
    )


# --- writing


def _row(tx: Tx, id_: int) -> Row[Any]:
    row = tx.first(select(_TALK).where(_TALK.c.id == id_))
    if row is None:
        raise NotFound
    return row


def _new(tx: Tx, who: int, conversation_id: int, others: list[int], post_id: int, unread: bool) -> int:
    id_ = tx.new_id()
    row = {
        "id": id_,
        "account_id": who,
        "conversation_id": conversation_id,
        "participants": others,
        "last_post_id": post_id,
        "unread": unread,
        "updated_at": tx.now,
    }
    tx.execute(_INSERT, row)
    return id_


def _change(tx: Tx, id_: int, others: list[int], last: int | None, unread: bool) -> None:
    tx.execute(_CHANGE, {"of": id_, "people": others, "last": last, "is_unread": unread, "at": tx.now})


def _tell(tx: Tx, post_id: int, author_id: int, ids: Sequence[int]) -> None:
    if ids:
        tx.emit("conversation", post_id=post_id, account_id=author_id, data={"ids": list(ids)})
