"""Following: asking, answering, ending."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, or_, select, update

from node import accounts, lists, notifications
from node.accounts.lookup import me
from node.errors import Forbidden, NotFound
from node.runtime import Tx
from node.schema import account
from node.schema import follow as follow_table
from node.social import endorsing, rights


class FollowState(StrEnum):
    PENDING = "pending"
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class Follow:
    id: int
    follower_id: int
    target_id: int
    state: FollowState

    @property
    def pending(self) -> bool:
        return self.state is FollowState.PENDING


_PAIR = select(follow_table).where(
    follow_table.c.follower_id == bindparam("follower"), follow_table.c.target_id == bindparam("target")
)
_PAIR_OR_IRI = select(follow_table).where(
    or_(
        (follow_table.c.follower_id == bindparam("follower")) & (follow_table.c.target_id == bindparam("target")),
        follow_table.c.iri == bindparam("of_iri"),
    )
)
_INSERT = insert(follow_table)
_DELETE = delete(follow_table).where(follow_table.c.id == bindparam("of"))
_ACCEPT = update(follow_table).where(follow_table.c.id == bindparam("of")).values(state=FollowState.ACCEPTED.value)
_COUNT_FOLLOWING = (
    update(account)
    .where(account.c.id == bindparam("of"))
    .values(following_count=account.c.following_count + bindparam("delta"), rev=account.c.rev + 1)
)
_COUNT_FOLLOWERS = (
    update(account)
    .where(account.c.id == bindparam("of"))
    .values(followers_count=account.c.followers_count + bindparam("delta"), rev=account.c.rev + 1)
)


# --- What the viewer does ----------------------------------------------------------------------------------------


def follow(tx: Tx, target_id: int, *, boosts: bool | None = None, notify: bool | None = None) -> FollowState:
    """Follow somebody, or change how: None leaves the two choices as they are (boosts shown, no notifications).

    A person of this node accepts at once unless locked; one of a peer answers later. Forbidden for oneself, where
    there is a block either way, and for accounts that moved away or are no people.
    """
    follower = accounts.get(tx, me(tx))
    target = accounts.get(tx, target_id)
    existing = tx.first(_PAIR, {"follower": follower.id, "target": target.id})
    if existing is not None:
        return _choose(tx, existing, boosts, notify)
    if not _may_follow(tx, follower, target):
        raise Forbidden
    if not tx.node.company.reaches(target.domain):
        raise Forbidden("That person's department is not one of the company's any more")
    row = _new(tx, follower, target, None) | {"show_boosts": boosts is not False, "notify": notify is True}
    if target.domain is not None:
        row["iri"] = tx.urls.activity(follower.iri, "follow", row["id"])
    made = _store(tx, row)
    if target.domain is not None:
        tx.outgoing.follow_asked(tx, made.id)
    return made.state


def unfollow(tx: Tx, target_id: int) -> None:
    """Stop following, or take a request back. Does nothing where there is none; NotFound if there is no such account."""
    existing = tx.first(_PAIR, {"follower": me(tx), "target": target_id})
    if existing is None:
        accounts.get(tx, target_id)
        return
    withdraw_own(tx, existing, remote=_is_remote(tx, target_id))


def accept_request(tx: Tx, follower_id: int) -> None:
    """Let somebody follow the viewer. NotFound without a request of theirs."""
    request = _request(tx, follower_id)
    if _is_remote(tx, follower_id):
        tx.outgoing.follow_answered(tx, request.id, accepted=True)
    _accepted(tx, request)
    notifications.withdraw(tx, request.target_id, "follow_request", follower_id)
    notifications.notify(tx, request.target_id, "follow", follower_id)


def reject_request(tx: Tx, follower_id: int) -> None:
    refuse(tx, _request(tx, follower_id), remote=_is_remote(tx, follower_id))


def remove_follower(tx: Tx, follower_id: int) -> None:
    """Make somebody no longer follow the viewer. They may ask again; who must not is to be blocked."""
    existing = tx.first(_PAIR, {"follower": follower_id, "target": me(tx)})
    if existing is None:
        accounts.get(tx, follower_id)
        return
    refuse(tx, existing, remote=_is_remote(tx, follower_id))


# --- What peers tell ---------------------------------------------------------------------------------------------


def record_follow(tx: Tx, follower_id: int, target_id: int, *, iri: str | None = None) -> Follow:
    """A follow of a local account by a remote one; pending if that is locked. Tells the person followed, answers nothing.

    A repeated Follow returns what is stored, with its newest IRI, and tells nobody again. NotFound for a target that is
    suspended or gone, Forbidden for a follower that is, and where there is a block.
    """
    target = accounts.get(tx, target_id)
    follower = accounts.get(tx, follower_id)
    if target.suspended_at is not None:
        raise NotFound
    if follower.suspended_at is not None or not _may_follow(tx, follower, target):
        raise Forbidden
    pair = {"follower": follower_id, "target": target_id, "of_iri": iri}
    rows = tx.rows(_PAIR_OR_IRI, pair)
    existing = next((row for row in rows if row.follower_id == follower_id and row.target_id == target_id), None)
    if iri is not None and any(row.iri == iri and row is not existing for row in rows):
        iri = None  # the id of another follow: this one goes without
    if existing is None:
        return _store(tx, _new(tx, follower, target, iri))
    if iri is not None and existing.iri != iri:
        tx.execute(update(follow_table).where(follow_table.c.id == existing.id).values(iri=iri))
    return _follow(existing)


def record_unfollow(tx: Tx, follower_id: int, target_id: int) -> bool:
    """A remote follower withdrew (Undo of a Follow). False if there was nothing to end."""
    existing = tx.first(_PAIR, {"follower": follower_id, "target": target_id})
    if existing is None:
        return False
    _end(tx, existing)
    return True


def record_accept(tx: Tx, follower_id: int, target_id: int) -> bool:
    """The remote target accepted what a local person asked. False if there is no such request."""
    existing = tx.first(_PAIR, {"follower": follower_id, "target": target_id})
    if existing is None:
        return False
    if existing.state != FollowState.ACCEPTED:
        _accepted(tx, existing)
    return True


def record_reject(tx: Tx, follower_id: int, target_id: int) -> bool:
    """The remote target refused, or removed a follower it had accepted before."""
    return record_unfollow(tx, follower_id, target_id)


# --- Parts, used by blocks too -----------------------------------------------------------------------------------


def sever(tx: Tx, one: int, other: int) -> list[Row[Any]]:
    """The follows between two accounts, either way; whoever asks ends each of them."""
    either = or_(
        (follow_table.c.follower_id == one) & (follow_table.c.target_id == other),
        (follow_table.c.follower_id == other) & (follow_table.c.target_id == one),
    )
    return list(tx.rows(select(follow_table).where(either)))


def withdraw_own(tx: Tx, row: Row[Any], *, remote: bool) -> None:
    """End a follow from the follower's side."""
    if remote:
        tx.outgoing.unfollowed(tx, row.id)
    _end(tx, row)


def refuse(tx: Tx, row: Row[Any], *, remote: bool) -> None:
    """End a follow, or refuse a request, from the side of the one who is followed."""
    if remote:
        tx.outgoing.follow_answered(tx, row.id, accepted=False)
    _end(tx, row)


def _end(tx: Tx, row: Row[Any]) -> None:
    tx.execute(_DELETE, {"of": row.id})
    lists.unfollowed(tx, row.follower_id, row.target_id)
    endorsing.unfollowed(tx, row.follower_id, row.target_id)
    if row.state == FollowState.ACCEPTED:
        _count(tx, row.follower_id, row.target_id, -1)
    for kind in ("follow", "follow_request"):
        notifications.withdraw(tx, row.target_id, kind, row.follower_id)


def _may_follow(tx: Tx, follower: Row[Any], target: Row[Any]) -> bool:
    if follower.id == target.id or target.actor_type == "Application" or target.moved_to_iri is not None:
        return False
    return not rights.block_between(tx, follower.id, target.id)


def _choose(tx: Tx, row: Row[Any], boosts: bool | None, notify: bool | None) -> FollowState:
    chosen = {"show_boosts": boosts, "notify": notify}
    changed = {name: value for name, value in chosen.items() if value is not None and getattr(row, name) != value}
    if changed:
        tx.execute(update(follow_table).where(follow_table.c.id == row.id).values(**changed))
    return FollowState(row.state)


def _new(tx: Tx, follower: Row[Any], target: Row[Any], iri: str | None) -> dict[str, Any]:
    waits = target.locked or target.domain is not None
    return {
        "id": tx.new_id(),
        "follower_id": follower.id,
        "target_id": target.id,
        "state": (FollowState.PENDING if waits else FollowState.ACCEPTED).value,
        "iri": iri,
        "created_at": tx.now,
    }


def _store(tx: Tx, row: dict[str, Any]) -> Follow:
    tx.execute(_INSERT, row)
    made = Follow(row["id"], row["follower_id"], row["target_id"], FollowState(row["state"]))
    if not made.pending:
        _count(tx, made.follower_id, made.target_id, +1)
    notifications.notify(tx, made.target_id, "follow_request" if made.pending else "follow", made.follower_id)
    return made


def _accepted(tx: Tx, row: Row[Any]) -> None:
    tx.execute(_ACCEPT, {"of": row.id})
    _count(tx, row.follower_id, row.target_id, +1)


def _count(tx: Tx, follower_id: int, target_id: int, delta: int) -> None:
    tx.execute(_COUNT_FOLLOWING, {"of": follower_id, "delta": delta})
    tx.execute(_COUNT_FOLLOWERS, {"of": target_id, "delta": delta})


def _request(tx: Tx, follower_id: int) -> Row[Any]:
    row = tx.first(_PAIR, {"follower": follower_id, "target": me(tx)})
    if row is None or row.state != FollowState.PENDING:
        raise NotFound
    return row


def _is_remote(tx: Tx, account_id: int) -> bool:
    return tx.scalar(select(account.c.domain).where(account.c.id == account_id)) is not None


def _follow(row: Row[Any]) -> Follow:
    return Follow(row.id, row.follower_id, row.target_id, FollowState(row.state))
