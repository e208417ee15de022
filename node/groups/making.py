"""A new group, what it says of itself, and its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, Select, and_, bindparam, exists, func, insert, or_, select, update
from sqlalchemy import delete as sql_delete

from node import accounts, db
from node.accounts import ProfileChanges
from node.accounts.creation import create_group_actor
from node.errors import Forbidden, Invalid, NotFound
from node.groups import standing
from node.ids import AccountId
from node.runtime import Tx
from node.schema import account, follow, group_ban, group_moderator, group_profile
from node.schema.meta import Id
from node.viewer import Kind

POSTING: Final = ("members", "moderators")
"""Who may write to a group."""

_OF, _WHO = bindparam("of", type_=Id), bindparam("who", type_=Id)
_PROFILE = (
    group_profile.c.posting,
    group_profile.c.hidden,
    group_profile.c.moderators_iri,
    group_profile.c.created_by_id,
)
_GROUPS: Select[Any] = (
    select(account, *_PROFILE)
    .join(group_profile, group_profile.c.account_id == account.c.id)
    .where(account.c.actor_type == "Group", account.c.gone_at.is_(None), account.c.suspended_at.is_(None))
)
_ONE = _GROUPS.where(account.c.id == _OF)
_IS_MEMBER = exists().where(
    follow.c.target_id == account.c.id, follow.c.follower_id == _WHO, follow.c.state == "accepted"
)
_MODERATES = exists().where(group_moderator.c.group_id == account.c.id, group_moderator.c.account_id == _WHO)
_LISTED = or_(group_profile.c.hidden.is_(False), _IS_MEMBER, _MODERATES)
_TRACES = tuple(
    sql_delete(table).where(column == _OF)
    for table, column in (
        (group_moderator, group_moderator.c.group_id),
        (group_ban, group_ban.c.group_id),
        (group_profile, group_profile.c.account_id),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGroup:
    """A group to be. `note` is plain text; in a `locked` group moderators let members in; a `hidden` one is not listed."""

    username: str
    display_name: str = ""
    note: str = ""
    posting: str = "members"
    locked: bool = False
    hidden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupChanges:
    """None leaves a value as it is."""

    display_name: str | None = None
    note: str | None = None
    posting: str | None = None
    locked: bool | None = None
    hidden: bool | None = None


def create(tx: Tx, new: NewGroup, *, moderator_ids: Sequence[int] = ()) -> AccountId:
    """A new group, moderated by whoever makes it and by `moderator_ids`, people of this node.

    Forbidden where `groups.create` leaves it to administrators; Invalid with the field's name for what cannot be.
    """
    maker = _maker(tx)
    posting = _checked_posting(new.posting)
    if not moderator_ids and maker is None:
        raise Invalid("A group needs a moderator", "moderator")
    group_id = create_group_actor(
        tx, new.username, new.display_name or new.username, locked=new.locked, discoverable=not new.hidden
    )
    row = {"account_id": group_id, "posting": posting, "hidden": new.hidden, "created_by_id": maker}
    tx.execute(insert(group_profile), row | {"created_at": tx.now})
    for account_id in dict.fromkeys([*([maker] if maker is not None else []), *moderator_ids]):
        if maker == account_id:
            standing.enrol(tx, group_id, account_id)
        else:
            standing.add_moderator(tx, group_id, account_id)
    if new.note.strip():
        with standing.acting_as(tx, group_id):
            accounts.update_profile(tx, ProfileChanges(note=new.note))
    tx.audit("group.create", f"account:{group_id}", {"handle": new.username})
    return group_id


def get(tx: Tx, group_id: int) -> Row[Any]:
    """A group, ours or a peer's: its account with `posting`, `hidden`, `moderators_iri`. NotFound for everything else."""
    row = tx.first(_ONE, {"of": group_id})
    if row is None:
        raise NotFound
    return row


def listing(tx: Tx, *, limit: int, after_id: int = 0, local: bool = False, mine: bool = False) -> Sequence[Row[Any]]:
    """Groups as `get` gives them, in the order of their ids. Hidden ones are for their members and moderators.

    `mine`: only those of which the viewer is a member.
    """
    conditions = [account.c.id > after_id, _LISTED]
    if local:
        conditions.append(account.c.domain.is_(None))
    if mine:
        conditions.append(_IS_MEMBER)
    statement = _GROUPS.where(and_(*conditions)).order_by(account.c.id).limit(limit)
    return tx.rows(statement, {"who": tx.viewer.account_id})


def local_ids(tx: Tx, *, limit: int, after_id: int = 0) -> list[int]:
    """Ids of this node's groups, hidden ones too, for its administration."""
    mine = select(account.c.id).join(group_profile, group_profile.c.account_id == account.c.id)
    present = (account.c.domain.is_(None), account.c.gone_at.is_(None), account.c.suspended_at.is_(None))
    return tx.scalars(mine.where(account.c.id > after_id, *present).order_by(account.c.id).limit(limit))


def change(tx: Tx, group_id: int, changes: GroupChanges) -> None:
    """For its moderators. Peers are told."""
    standing.require_moderator(tx, group_id)
    profile = {
        "posting": None if changes.posting is None else _checked_posting(changes.posting),
        "hidden": changes.hidden,
    }
    values = {name: value for name, value in profile.items() if value is not None}
    if values:
        tx.execute(update(group_profile).where(group_profile.c.account_id == group_id).values(**values))
    with standing.acting_as(tx, group_id):
        accounts.update_profile(
            tx,
            ProfileChanges(
                display_name=changes.display_name,
                note=changes.note,
                locked=changes.locked,
                discoverable=None if changes.hidden is None else not changes.hidden,
            ),
        )


def delete(tx: Tx, group_id: int) -> None:
    """The end of a group, for its moderators, as of any account: peers are told, its name is never given again.

    What its members wrote is theirs and stays.
    """
    row = standing.require_moderator(tx, group_id)
    with standing.acting_as(tx, group_id):
        accounts.delete_account(tx, group_id)
    for statement in _TRACES:
        tx.execute(statement, {"of": group_id})
    tx.audit("group.delete", f"account:{group_id}", {"handle": row.handle})


def remember(tx: Tx, account_id: int, moderators_iri: str | None) -> None:
    """A peer's group, as its document says it is: where its moderators are listed."""
    values = {"account_id": account_id, "moderators_iri": moderators_iri, "created_at": tx.now}
    if not tx.execute(db.insert_or_ignore(tx.dialect, group_profile, ["account_id"]), values).rowcount:
        known = group_profile.c.account_id == account_id
        changed = func.coalesce(group_profile.c.moderators_iri, "") != (moderators_iri or "")
        tx.execute(update(group_profile).where(known, changed).values(moderators_iri=moderators_iri))


def _maker(tx: Tx) -> int | None:
    """Who makes a group: a person who may, or None for the node itself."""
    viewer = tx.viewer
    if viewer.kind is Kind.SYSTEM:
        return None
    if viewer.kind is not Kind.PERSON or viewer.account_id is None:
        raise Forbidden
    if tx.settings.groups.create == "administrators" and "admin" not in viewer.roles:
        raise Forbidden("Groups are made by the administrators of this node")
    return viewer.account_id


def _checked_posting(posting: str) -> str:
    if posting not in POSTING:
        raise Invalid("must be members or moderators", "posting")
    return posting
