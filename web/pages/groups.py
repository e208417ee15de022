"""Groups: those there are, making one, and one group: its people, and for its moderators its settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row
from starlette.requests import Request
from starlette.responses import Response

from node import accounts, groups, social, timelines
from node.errors import Invalid, NodeError, NotFound
from node.groups import GroupChanges, NewGroup
from node.paging import Page
from node.runtime import Tx
from node.social import Relationship
from web.corridor.groups import MADE
from web.identity import spend
from web.pages import answers, people, shown, visit
from web.pages.people import Face
from web.pages.shown import Shown
from web.params import Params, path_id, query, read
from web.parts import parts_of

PER_PAGE = 50
MEMBERS = 40
POSTS = 20

_NOTICES = {"saved": "The group is saved.", "made": "The group is there. Tell people: they join by following it."}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    face: Face
    note: Any
    note_source: str
    posting: str
    hidden: bool
    locked: bool
    members: int
    is_local: bool
    relation: Relationship | None
    is_moderator: bool

    @property
    def path(self) -> str:
        return f"/groups/{self.face.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """All that the page of one group shows. What is for moderators is empty for others."""

    group: Group
    moderators: Sequence[Face] = ()
    members: Sequence[Face] = ()
    older: int | None = None
    requests: Sequence[Face] = ()
    banned: Sequence[Face] = ()
    posts: Sequence[Shown] = ()


# --- looking


async def index(request: Request) -> Response:
    after = query(request).id("after") or 0
    frame, (found, next_) = await visit.look(request, _index, after)
    return answers.page(request, "groups.html", frame, groups=found, next=next_)


def _index(tx: Tx, after: int) -> tuple[list[Group], int | None]:
    rows = groups.listing(tx, limit=PER_PAGE + 1, after_id=after)
    kept = rows[:PER_PAGE]
    return _described(tx, kept), kept[-1].id if len(rows) > PER_PAGE else None


async def one(request: Request) -> Response:
    notice = _NOTICES.get(request.query_params.get("done", ""), "")
    return await _page(request, notice=notice)


async def _page(request: Request, *, notice: str = "", error: str = "", status: int = 200) -> Response:
    frame, whole = await visit.look(request, _whole, path_id(request), query(request).id("max_id"))
    return answers.page(
        request, "group.html", frame, status=status, whole=whole, group=whole.group, notice=notice, error=error
    )


def _whole(tx: Tx, group_id: int, below: int | None) -> Whole:
    row = groups.get(tx, group_id)
    group = _described(tx, [row])[0]
    found = social.followers(tx, group_id, Page(MEMBERS + 1, below))
    members = people.in_order(tx, [id_ for _, id_ in found[:MEMBERS]])
    older = found[MEMBERS - 1][0] if len(found) > MEMBERS else None
    if not group.is_local:
        return Whole(group=group, members=members, older=older)
    moderators = people.in_order(tx, groups.moderators(tx, group_id))
    if not group.is_moderator:
        return Whole(group=group, moderators=moderators, members=members, older=older)
    return Whole(
        group=group,
        moderators=moderators,
        members=members,
        older=older,
        requests=people.in_order(tx, [id_ for _, id_ in groups.requests(tx, group_id, Page(MEMBERS))]),
        banned=people.in_order(tx, groups.banned(tx, group_id)),
        posts=shown.posts(tx, timelines.account(tx, group_id, Page(POSTS))),
    )


def _described(tx: Tx, rows: Sequence[Row[Any]]) -> list[Group]:
    ids = [row.id for row in rows]
    faces = people.faces(tx, ids)
    relations = {one.id: one for one in social.relationships(tx, ids)}
    looked_after = groups.looked_after(tx, ids)
    return [
        Group(
            face=faces[row.id],
            note=shown.linked(row.note),
            note_source=row.note_source,
            posting=row.posting,
            hidden=row.hidden,
            locked=row.locked,
            members=row.followers_count,
            is_local=row.domain is None,
            relation=relations.get(row.id),
            is_moderator=row.domain is None and row.id in looked_after,
        )
        for row in rows
    ]


# --- doing


async def make_form(request: Request) -> Response:
    frame, _ = await visit.look(request, lambda tx: None)
    return answers.page(request, "group_new.html", frame, typed={}, error="")


async def make(request: Request) -> Response:
    form = await read(request)
    person = await visit.signed_in(request, form)
    spend(request, "groups", person.account_id, MADE)
    new = NewGroup(
        username=form.text("username"),
        display_name=form.text("display_name"),
        note=form.text("note"),
        posting=form.text("posting") or "members",
        locked=form.flag("locked"),
        hidden=form.flag("hidden"),
    )
    try:
        group_id = await parts_of(request).node.write_as(person.viewer, groups.create, new)
    except Invalid as error:
        frame, _ = await visit.look(request, lambda tx: None)
        typed = {name: form.text(name) for name in ("username", "display_name", "note")}
        return answers.page(request, "group_new.html", frame, status=422, typed=typed, error=_sentence(error))
    return answers.to(f"/groups/{group_id}?done=made")


async def save(request: Request) -> Response:
    form = await read(request)
    changes = GroupChanges(
        display_name=form.text("display_name"),
        note=form.text("note"),
        posting=form.text("posting"),
        locked=form.flag("locked"),
        hidden=form.flag("hidden"),
    )
    return await _do(request, form, groups.change, changes)


async def add_moderator(request: Request) -> Response:
    form = await read(request)

    def rule(tx: Tx, group_id: int) -> None:
        groups.require_moderator(tx, group_id)
        try:
            row = accounts.by_handle(tx, form.text("handle"))
        except NotFound as error:
            raise Invalid("nobody of that name is known here", "name") from error
        groups.add_moderator(tx, group_id, row.id)

    return await _do(request, form, rule)


async def delete(request: Request) -> Response:
    form = await read(request)

    def rule(tx: Tx, group_id: int) -> None:
        if groups.get(tx, group_id).username != form.text("confirm").strip().removeprefix("@").lower():
            raise Invalid("must be repeated: there is no way back", "the group's name")
        groups.delete(tx, group_id)

    return await _do(request, form, rule, done="/groups")


def _accept(tx: Tx, group_id: int, account_id: int) -> None:
    groups.answer_request(tx, group_id, account_id, accepted=True)


def _refuse(tx: Tx, group_id: int, account_id: int) -> None:
    groups.answer_request(tx, group_id, account_id, accepted=False)


_ON_PEOPLE: Final[dict[str, Callable[[Tx, int, int], None]]] = {
    "accept": _accept,
    "refuse": _refuse,
    "remove": groups.remove_member,
    "ban": groups.ban,
    "unban": groups.unban,
    "unmoderator": groups.remove_moderator,
}


async def on_person(request: Request) -> Response:
    rule = _ON_PEOPLE.get(request.path_params["act"])
    if rule is None:
        raise NotFound()
    return await _do(request, await read(request), rule, path_id(request, "account_id"))


async def remove_post(request: Request) -> Response:
    return await _do(request, await read(request), groups.remove_post, path_id(request, "post_id"))


async def _do(
    request: Request, form: Params, rule: Callable[..., None], *more: Any, done: str | None = None
) -> Response:
    """Run a rule on the group of the path, as whoever sent the form; then back to the group."""
    group_id = path_id(request)
    person = await visit.signed_in(request, form)
    try:
        await parts_of(request).node.write_as(person.viewer, rule, group_id, *more)
    except Invalid as error:
        return await _page(request, error=_sentence(error), status=422)
    return answers.to(done or f"/groups/{group_id}?done=saved")


def _sentence(error: NodeError) -> str:
    field = (getattr(error, "field", None) or "").replace("_", " ")
    words = f"{field} {error}" if field and str(error)[:1].islower() else str(error)
    return words[:1].upper() + words[1:] + "."
