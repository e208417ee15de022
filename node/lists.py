"""Lists: people whom somebody follows and reads by themselves.

A list is its owner's alone: to everybody else it is NotFound. Its timeline is `timelines.people_list`. Members of an
exclusive list are kept out of the owner's home; that is said on the follow (`off_home`), where the home timeline looks.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, bindparam, delete, exists, func, insert, select, update

from node import accounts, db
from node.accounts.finding import acct
from node.accounts.lookup import me
from node.errors import Conflict, Invalid, NotFound
from node.ids import AccountId
from node.paging import Page
from node.runtime import Tx
from node.schema import account, follow, people_list, people_list_member
from node.schema.meta import Id

MAX_LISTS = 50
MAX_TITLE = 256
"""Both as in Mastodon."""
REPLIES = ("followed", "list", "none")
"""Whose posts may be answered by what a list shows besides answers to oneself and to the viewer: of anybody whom the viewer
follows, of members, of nobody."""

_OF = bindparam("of", type_=Id)
_LIST = bindparam("list", type_=Id)
_MINE = select(people_list).where(people_list.c.account_id == _OF).order_by(people_list.c.id)
_COUNT = select(func.count()).select_from(people_list).where(people_list.c.account_id == _OF)
_ONE = select(people_list).where(people_list.c.id == _LIST, people_list.c.account_id == _OF)
_WITH = (
    select(people_list)
    .join(people_list_member, people_list_member.c.list_id == people_list.c.id)
    .where(people_list.c.account_id == _OF, people_list_member.c.account_id == bindparam("member", type_=Id))
    .order_by(people_list.c.id)
)
_INSERT = insert(people_list)
_DELETE = delete(people_list).where(people_list.c.id == _LIST)
_MEMBERS = (
    select(people_list_member.c.id.label("cursor"), people_list_member.c.account_id)
    .join(account, account.c.id == people_list_member.c.account_id)
    .where(people_list_member.c.list_id == _LIST, account.c.gone_at.is_(None), account.c.suspended_at.is_(None))
)
_ALL_MEMBERS = _MEMBERS.order_by(people_list_member.c.id.desc())
_IDS_OF_MEMBERS = select(people_list_member.c.account_id).where(people_list_member.c.list_id == _LIST)
_HELD = select(people_list_member.c.account_id).where(
    people_list_member.c.list_id == _LIST, db.among(people_list_member.c.account_id, "ids")
)
_FOLLOWED = select(follow.c.target_id).where(
    follow.c.follower_id == _OF, follow.c.state == "accepted", db.among(follow.c.target_id, "ids")
)
_ADD = insert(people_list_member)
_REMOVE = delete(people_list_member).where(
    people_list_member.c.list_id == _LIST, db.among(people_list_member.c.account_id, "ids")
)
_UNFOLLOWED = delete(people_list_member).where(
    people_list_member.c.account_id == bindparam("member", type_=Id),
    people_list_member.c.list_id.in_(select(people_list.c.id).where(people_list.c.account_id == _OF)),
)
_APART = (
    exists()
    .where(
        people_list.c.account_id == follow.c.follower_id,
        people_list.c.exclusive.is_(True),
        people_list_member.c.list_id == people_list.c.id,
        people_list_member.c.account_id == follow.c.target_id,
    )
    .correlate(follow)
)
_SET_APART = (
    update(follow)
    .where(follow.c.follower_id == _OF, db.among(follow.c.target_id, "ids"), follow.c.off_home != _APART)
    .values(off_home=_APART)
)
_OWNER = account.alias()
_LINES = (
    select(people_list, _OWNER.c.username, _OWNER.c.domain)
    .join(_OWNER, _OWNER.c.id == people_list.c.account_id)
    .where(people_list.c.id > bindparam("after", type_=Id))
    .order_by(people_list.c.id)
    .limit(500)
)
_NAMES = (
    select(people_list_member.c.list_id, account.c.username, account.c.domain)
    .join(account, account.c.id == people_list_member.c.account_id)
    .where(db.among(people_list_member.c.list_id, "ids"))
    .order_by(people_list_member.c.id)
)


def own(tx: Tx) -> Sequence[Row[Any]]:
    """The viewer's lists, as rows of `people_list`, the oldest first."""
    return tx.rows(_MINE, {"of": me(tx)})


def get(tx: Tx, list_id: int) -> Row[Any]:
    """One of the viewer's lists; NotFound otherwise."""
    row = tx.first(_ONE, {"list": list_id, "of": me(tx)})
    if row is None:
        raise NotFound
    return row


def containing(tx: Tx, account_id: int) -> Sequence[Row[Any]]:
    """Those of the viewer's lists that somebody is in. NotFound if there is no such account."""
    accounts.get(tx, account_id)
    return tx.rows(_WITH, {"of": me(tx), "member": account_id})


def create(tx: Tx, title: str, *, replies: str = "list", exclusive: bool = False) -> int:
    """Make a list of nobody. Raises Invalid for a title or policy that cannot be, Conflict above MAX_LISTS."""
    owner = me(tx)
    _check(title, replies)
    if tx.scalar(_COUNT, {"of": owner}) >= MAX_LISTS:
        raise Conflict("You have reached the maximum number of lists")
    list_id = tx.new_id()
    row = {
        "id": list_id,
        "account_id": owner,
        "title": title,
        "replies_policy": replies,
        "exclusive": exclusive,
        "created_at": tx.now,
    }
    tx.execute(_INSERT, row)
    return list_id


def change(
    tx: Tx, list_id: int, *, title: str | None = None, replies: str | None = None, exclusive: bool | None = None
) -> int:
    """What is None stays as it is."""
    row = get(tx, list_id)
    chosen = {"title": title, "replies_policy": replies, "exclusive": exclusive}
    values = {name: value for name, value in chosen.items() if value is not None}
    _check(str(values.get("title", row.title)), str(values.get("replies_policy", row.replies_policy)))
    if values:
        tx.execute(update(people_list).where(people_list.c.id == row.id).values(**values))
    if values.get("exclusive", row.exclusive) != row.exclusive:
        _set_apart(tx, row.account_id, tx.scalars(_IDS_OF_MEMBERS, {"list": row.id}))
    return int(row.id)


def remove(tx: Tx, list_id: int) -> None:
    """Delete a list; whom it held is followed as before."""
    row = get(tx, list_id)
    members = tx.scalars(_IDS_OF_MEMBERS, {"list": row.id})
    tx.execute(_DELETE, {"list": row.id})
    if row.exclusive:
        _set_apart(tx, row.account_id, members)


def members(tx: Tx, list_id: int, page: Page | None) -> list[tuple[int, int]]:
    """(cursor, account id) of those in a list, who came last first; all of them if `page` is None."""
    values = {"list": get(tx, list_id).id}
    if page is None:
        return [(row.cursor, row.account_id) for row in tx.rows(_ALL_MEMBERS, values)]
    rows = page.newest_first(tx.rows(page.apply(_MEMBERS, people_list_member.c.id), values))
    return [(row.cursor, row.account_id) for row in rows]


def add(tx: Tx, list_id: int, account_ids: Sequence[int]) -> None:
    """Put people into a list: all of them or none. NotFound unless the viewer follows each (or is it); Conflict for whom it
    holds already."""
    row = get(tx, list_id)
    wanted = list(dict.fromkeys(account_ids))
    asked = {"list": row.id, "of": row.account_id, "ids": wanted}
    if {*tx.scalars(_FOLLOWED, asked), row.account_id} < {*wanted, row.account_id}:
        raise NotFound
    if tx.scalars(_HELD, asked):
        raise Conflict("Account has already been taken")
    if not wanted:
        return
    tx.execute(_ADD, [{"id": tx.new_id(), "list_id": row.id, "account_id": one} for one in wanted])
    if row.exclusive:
        _set_apart(tx, row.account_id, wanted)


def take_out(tx: Tx, list_id: int, account_ids: Sequence[int]) -> None:
    """Of people who are not in the list nothing is said."""
    row = get(tx, list_id)
    tx.execute(_REMOVE, {"list": row.id, "ids": list(account_ids)})
    if row.exclusive:
        _set_apart(tx, row.account_id, account_ids)


def unfollowed(tx: Tx, follower_id: int, target_id: int) -> None:
    """A follow ended, by whomever: whom one does not follow is in none of one's lists."""
    tx.execute(_UNFOLLOWED, {"of": follower_id, "member": target_id})


def lines(tx: Tx, after: int) -> tuple[list[dict[str, Any]], int, set[str]]:
    """A page of `lists.jsonl` (see node.exporting)."""
    rows = tx.rows(_LINES, {"after": after})
    held: dict[int, list[str]] = {row.id: [] for row in rows}
    for one in tx.rows(_NAMES, {"ids": list(held)}) if rows else ():
        held[one.list_id].append(acct(one))
    made = [
        {
            "owner": acct(row),
            "title": row.title,
            "replies_policy": row.replies_policy,
            "exclusive": row.exclusive,
            "members": held[row.id],
        }
        for row in rows
    ]
    return made, rows[-1].id if rows else after, set()


def _check(title: str, replies: str) -> None:
    if replies not in REPLIES:
        raise Invalid(f"'{replies}' is not a valid replies_policy", "replies_policy")
    if not title.strip():
        raise Invalid("Title can't be blank", "title")
    if len(title) > MAX_TITLE:
        raise Invalid(f"Title is too long (maximum is {MAX_TITLE} characters)", "title")


def _set_apart(tx: Tx, owner: AccountId | int, account_ids: Sequence[int]) -> None:
    """Say on the follows whether these people are in an exclusive list of the owner's."""
    if account_ids:
        tx.execute(_SET_APART, {"of": owner, "ids": list(account_ids)})
