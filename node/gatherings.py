"""Events that people come to (FEP-8a8e): a post with a plan, and who takes part.

Whoever may see the post may come, unless its author lets people in one by one (`restricted`), has them sign up elsewhere
(`external`), or there is no place left. Of a peer's event its author decides: a Join is sent, and the answer counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, Select, bindparam, delete, func, or_, select, update

from node import attending, db, notifications, plans, posts, sight
from node.accounts.lookup import me
from node.attending import ACCEPTED, ASKED
from node.copies import seen_by
from node.errors import Invalid, NotFound
from node.ids import PostId
from node.paging import Page
from node.plans import Plan
from node.posts import Changes, Draft
from node.runtime import Tx
from node.schema import account, attendance, gathering, post
from node.schema.meta import Id
from node.sight import Sight
from node.viewer import Kind, remote

_G, _A = gathering.c, attendance.c
_OF = bindparam("of", type_=Id)
_WHO = bindparam("who", type_=Id)
_EVENT = (gathering, post.c.author_id, post.c.local, post.c.local_only, post.c.url, post.c.iri, post.c.content)
_MINE = select(attendance).where(_A.post_id == _OF, _A.account_id == _WHO)
_STATES = select(_A.post_id, _A.state).where(db.among(_A.post_id, "ids"), _A.account_id == _WHO)
_BY_ID = select(*_EVENT).join(post, post.c.id == _G.post_id).where(_G.post_id == _OF)
_DROP = delete(attendance).where(_A.id == _OF)
_ACCEPT = update(attendance).where(_A.id == _OF).values(state=ACCEPTED)
_TAKEN = select(func.count()).select_from(attendance).where(_A.post_id == _OF, _A.state == ACCEPTED)
_EDITED = update(post).where(post.c.id == _OF).values(edited_at=bindparam("at", type_=Id), rev=post.c.rev + 1)


@dataclass(frozen=True, slots=True)
class Gathering:
    """An event as the viewer sees it. `state` is whether they come: ASKED, ACCEPTED or None."""

    id: PostId
    plan: Plan
    author_id: int
    url: str
    iri: str
    content: str
    is_local: bool
    local_only: bool
    is_mine: bool
    state: str | None

    def is_over(self, now: int) -> bool:
        event = self.plan.event
        return (event.starts_at if event.ends_at is None else event.ends_at) < now

    def may_join(self, now: int) -> bool:
        return not (self.is_mine or self.state or self.is_over(now) or _closed(self.plan))


# --- by its author


def create(tx: Tx, plan: Plan, draft: Draft) -> PostId:
    """Publish an event; the draft holds its description and who may see it. Raises as `posts.publish`, and Invalid."""
    agreed = plans.agreed(plan, tx.now, is_new=True)
    return posts.publish(tx, replace(draft, plan=agreed))


def edit(tx: Tx, post_id: int, plan: Plan, text: str | None = None) -> None:
    """Change one's own event; whoever comes still does. NotFound for those of others."""
    row = posts.source(tx, post_id)
    stored = plans.of_posts(tx, [post_id]).get(post_id)
    if stored is None:
        raise NotFound
    agreed = plans.agreed(plan, tx.now, is_new=False)
    agreed = Plan(agreed.title, replace(agreed.event, guests=stored.event.guests))
    plans.lay(tx, post_id, agreed)
    posts.edit(tx, post_id, Changes(text=text))
    changed = tx.scalar(select(post.c.rev).where(post.c.id == _OF), {"of": post_id}) != row.rev
    if not changed and agreed != stored:  # nothing that the content says, such as the number of places
        tx.execute(_EDITED, {"of": post_id, "at": tx.now})
        tx.outgoing.post_updated(tx, post_id)


def cancel(tx: Tx, post_id: int) -> None:
    """Call one's own event off: everybody sees that, and nobody can join any more."""
    posts.source(tx, post_id)
    plan = get(tx, post_id).plan
    edit(tx, post_id, Plan(plan.title, replace(plan.event, status="cancelled")))


def decide(tx: Tx, post_id: int, account_id: int, *, accept: bool) -> None:
    """Let somebody in who asked, or keep or turn them out. NotFound for others' events, and for who never asked."""
    posts.source(tx, post_id)
    row, event = tx.first(_MINE, {"of": post_id, "who": account_id}), tx.first(_BY_ID, {"of": post_id})
    if row is None or event is None:
        raise NotFound
    if accept and row.state == ASKED:
        _refuse_full(tx, event)
        tx.execute(_ACCEPT, {"of": row.id})
        notifications.withdraw(tx, event.author_id, attending.NOTICES[ASKED], account_id, post_id=event.post_id)
        tx.outgoing.guest_answered(tx, row.id, accepted=True)
        attending.recount(tx, event)
    elif not accept:
        tx.outgoing.guest_answered(tx, row.id, accepted=False)
        attending.drop(tx, event, row)


# --- by its guests


def join(tx: Tx, post_id: int) -> str:
    """Come to an event that the viewer may see: ACCEPTED, or ASKED as long as its author has not answered.

    Idempotent. NotFound for what may not be seen, Invalid for what is over, full, called off or not joined here.
    """
    row = _seen(tx, post_id)
    known = tx.first(_MINE, {"of": row.post_id, "who": me(tx)})
    if known is not None:
        return str(known.state)
    if row.author_id == me(tx):
        raise Invalid("It is your own event.")
    _refuse_closed(tx, row)
    state = ACCEPTED if row.local and row.join_mode == "free" else ASKED
    attendance_id = attending.add(tx, row, me(tx), state, None)
    if not row.local:
        tx.outgoing.joined(tx, attendance_id)
    return state


def leave(tx: Tx, post_id: int) -> None:
    """Not come after all; also from an event that may not be seen any more. Idempotent."""
    row, mine = tx.first(_BY_ID, {"of": post_id}), tx.first(_MINE, {"of": post_id, "who": me(tx)})
    if row is None or mine is None:
        _seen(tx, post_id)
        return
    if not row.local:
        tx.outgoing.left(tx, mine.id)
    attending.drop(tx, row, mine)


# --- what peers say; the caller knows that they may


def record_join(tx: Tx, account_id: int, domain: str, post_id: int, iri: str) -> str | None:
    """A peer's person wants to come to an event of ours: ASKED, ACCEPTED, or None for no.

    NotFound for an event that they may not see: not even a no tells them of it.
    """
    row = tx.first(_BY_ID, {"of": post_id})
    if row is None or not row.local or seen_by(tx, remote(account_id, domain), post_id) is None:
        raise NotFound
    known = tx.first(_MINE, {"of": post_id, "who": account_id})
    if known is not None:
        return str(known.state)
    try:
        _refuse_closed(tx, row)
    except Invalid:
        return None
    state = ACCEPTED if row.join_mode == "free" else ASKED
    attending.add(tx, row, account_id, state, iri)
    return state


def record_leave(tx: Tx, account_id: int, post_id: int) -> None:
    mine, row = tx.first(_MINE, {"of": post_id, "who": account_id}), tx.first(_BY_ID, {"of": post_id})
    if mine is not None and row is not None and row.local:
        attending.drop(tx, row, mine)


def record_answer(tx: Tx, attendance_id: int, *, accepted: bool) -> None:
    """The author of a peer's event lets one of ours in, or does not, or no longer."""
    tx.execute(_ACCEPT if accepted else _DROP, {"of": attendance_id})


# --- shown


def get(tx: Tx, post_id: int) -> Gathering:
    """NotFound for what is no event, or may not be seen."""
    return _shown(tx, [_seen(tx, post_id)])[0]


def coming(tx: Tx, *, limit: int, offset: int = 0) -> list[Gathering]:
    """Events that are not over, of this department and of others, as far as the viewer may see them; the next first."""
    return _shown(tx, sight.rows(tx, _coming, {"limit": limit, "offset": offset}))


def guests(tx: Tx, post_id: int, page: Page, state: str = ACCEPTED) -> list[tuple[int, int]]:
    """(cursor, account id), the last first. Who ASKED is for the author alone: NotFound for everybody else."""
    if state == ASKED:
        posts.source(tx, post_id)
    row = _seen(tx, post_id)
    statement = (
        select(_A.id, _A.account_id)
        .join(account, account.c.id == _A.account_id)
        .where(_A.post_id == row.post_id, _A.state == state)
        .where(account.c.gone_at.is_(None), account.c.suspended_at.is_(None))
    )
    return page.newest_first([(one.id, one.account_id) for one in tx.rows(page.apply(statement, _A.id))])


def _shown(tx: Tx, rows: Sequence[Row[Any]]) -> list[Gathering]:
    own = tx.viewer.account_id if tx.viewer.kind is Kind.PERSON else None
    mine = {"ids": [row.post_id for row in rows], "who": own}
    states = {row.post_id: row.state for row in tx.rows(_STATES, mine)} if rows and own is not None else {}
    return [
        Gathering(
            id=PostId(row.post_id),
            plan=plans.of_row(row),
            author_id=row.author_id,
            url=row.url or row.iri,
            iri=row.iri,
            content=plans.undressed(row.content),
            is_local=bool(row.local),
            local_only=bool(row.local_only),
            is_mine=row.author_id == own,
            state=states.get(row.post_id),
        )
        for row in rows
    ]


def _seen(tx: Tx, post_id: int) -> Row[Any]:
    row = sight.first(tx, _one, {"of": post_id})
    if row is None:
        raise NotFound
    return row


def _one(eyes: Sight) -> Select[Any]:
    return select(*_EVENT).join(post, post.c.id == _G.post_id).where(_G.post_id == _OF, eyes.visible(post))


def _coming(eyes: Sight) -> Select[Any]:
    not_over = or_(_G.starts_at >= sight.NOW, _G.ends_at >= sight.NOW)
    return (
        select(*_EVENT)
        .join(post, post.c.id == _G.post_id)
        .where(not_over, eyes.visible(post), ~eyes.unwanted(post.c.author_id))
        .order_by(_G.starts_at, _G.post_id)
        .limit(bindparam("limit", type_=Id))
        .offset(bindparam("offset", type_=Id))
    )


# --- parts


def _closed(plan: Plan) -> str:
    """Why nobody can join; "" if one can."""
    if plan.event.status == "cancelled":
        return "This event was called off."
    if plan.event.join_mode == "external":
        return "One does not sign up for this event here, but at its own page."
    if plan.event.join_mode == "invite":
        return "This event is for people who were invited."
    return ""


def _refuse_closed(tx: Tx, row: Row[Any]) -> None:
    plan = plans.of_row(row)
    if reason := _closed(plan):
        raise Invalid(reason)
    if (plan.event.starts_at if plan.event.ends_at is None else plan.event.ends_at) < tx.now:
        raise Invalid("This event is over.")
    if row.local:
        _refuse_full(tx, row)


def _refuse_full(tx: Tx, row: Row[Any]) -> None:
    if row.capacity is not None and tx.scalar(_TAKEN, {"of": row.post_id}) >= row.capacity:
        raise Invalid("There is no place left.")
