"""Writing: the compose box, answers, edits. What cannot be published comes back with everything that was written."""

import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response

from activitypub.audience import Visibility
from activitypub.errors import ProtocolError
from node import accounts, posts, text
from node.errors import Invalid, NodeError
from node.runtime import Tx
from node.schema import media
from web.identity import spend
from web.pages import answers, questioned, shown, uploads, visit
from web.pages.questioned import Written
from web.pages.shown import REACH, Shown
from web.pages.visit import Person
from web.params import Params, path_id, read
from web.params import query as params_of
from web.parts import parts_of

_MOST_LOOKED_UP = 10
"""People of other departments, not known here yet, whom one post may call."""


class Kept(NamedTuple):
    """A picture that is stored already, for a form that comes back."""

    id: int
    preview: str
    description: str


class Choice(NamedTuple):
    value: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """The state of a compose form."""

    action: str = "/posts"
    text: str = ""
    spoiler: str = ""
    visibility: Visibility = Visibility.PUBLIC
    local_only: bool = False
    answers: Shown | None = None
    quotes: Shown | None = None
    back: str = "/"
    kept: Sequence[Kept] = ()
    error: str = ""
    key: str = ""
    """Makes a form that is sent twice one post."""
    is_edit: bool = False
    question: Written = questioned.UNWRITTEN
    limit: int

    @property
    def choices(self) -> list[Choice]:
        """An answer reaches no further than what it answers."""
        widest = self.answers.visibility if self.answers else Visibility.PUBLIC
        return [Choice(one.name.lower(), REACH[one][1]) for one in Visibility if one >= widest]

    @property
    def chosen(self) -> str:
        return self.visibility.name.lower()

    @property
    def stays(self) -> bool:
        """Whether the post must stay in the department, whatever is asked."""
        return any(one is not None and one.local_only for one in (self.answers, self.quotes))

    @property
    def pictures(self) -> range:
        return range(1, uploads.PICTURES + 1 - len(self.kept))


def empty(tx: Tx, *, back: str = "/", about: Shown | None = None) -> Box | None:
    """A fresh box with the person's own defaults; for an answer, with the people it goes to. None for visitors."""
    if tx.viewer.account_id is None:
        return None
    defaults = accounts.login_of(tx, tx.viewer.account_id)
    visibility, local_only = Visibility(defaults.default_visibility), bool(defaults.default_local_only)
    if about is not None:
        visibility, local_only = max(visibility, about.visibility), local_only or about.local_only
    return Box(
        text=_greeting(about, tx.viewer.account_id) if about else "",
        spoiler=about.spoiler if about else "",
        visibility=visibility,
        local_only=local_only,
        answers=about,
        back=back,
        key=secrets.token_urlsafe(16),
        limit=tx.settings.posts.max_characters,
    )


def _greeting(about: Shown, me: int) -> str:
    people = [about.author, *about.mentioned]
    handles = dict.fromkeys(one.handle for one in people if one.id != me)
    return "".join(f"@{handle} " for handle in handles)


async def compose(request: Request) -> Response:
    """A page of its own to write on; `?text=` fills it, as a bookmarklet does."""
    wanted = request.query_params.get("text", "")[:10_000]
    quoted = params_of(request).id("quote")
    frame, box = await visit.look(request, lambda tx: empty(tx) if quoted is None else _quoting(tx, quoted))
    assert box is not None
    return answers.page(request, "compose.html", frame, box=replace(box, text=wanted))


def _quoting(tx: Tx, post_id: int) -> Box | None:
    """A box for a post that quotes another. Raises NotFound for what the person may not see."""
    row = posts.get(tx, post_id)
    about = shown.posts(tx, [row.boost_of_id or row.id])[0]
    box = empty(tx, back=about.path)
    return None if box is None else replace(box, quotes=about, local_only=box.local_only or about.local_only)


async def publish(request: Request) -> Response:
    form = await read(request, uploads=True)
    person = await visit.signed_in(request, form)
    parts = parts_of(request)
    kept: list[int] = []
    try:
        kept = await uploads.described(request, form, person)
        kept += await uploads.pictures(request, form, person)
        draft = _draft(form, kept)
        await _meet(request, draft.text)
        spend(request, "posts", person.account_id, parts.settings.limits.posts_per_account)
        reading = posts.read(draft.text, draft.spoiler, parts.settings)
        post_id = await parts.node.write_as(person.viewer, posts.publish, draft, reading)
    except Invalid as error:
        return await _again(request, form, person, kept, str(error))
    return answers.to(f"{answers.local(form.text('back')).partition('#')[0]}#post-{post_id}")


def _draft(form: Params, media_ids: Sequence[int]) -> posts.Draft:
    return posts.Draft(
        text=_lines(form.text("text")),
        spoiler=form.text("spoiler"),
        sensitive=True if form.flag("sensitive") else None,
        visibility=_visibility(form.text("visibility")),
        # A browser sends a checkbox only when it is ticked: where there was one, absence means no.
        local_only=form.flag("local_only"),
        in_reply_to_id=form.id("in_reply_to"),
        quoted_id=form.id("quoted"),
        media_ids=media_ids,
        poll=questioned.asked(form),
        idempotency_key=form.text("key", max_len=200) or None,
    )


def _visibility(name: str) -> Visibility | None:
    if not name:
        return None
    try:
        return Visibility[name.upper()]
    except KeyError as error:
        raise Invalid("This is not a way to be seen.", "visibility") from error


def _lines(written: str) -> str:
    """Browsers send line ends as CRLF."""
    return written.replace("\r\n", "\n")


async def _meet(request: Request, written: str) -> None:
    """Get to know people of other departments whom the text mentions. Those who cannot be found stay plain text."""
    parts = parts_of(request)
    mentions = text.analyse(text.marker_local_only(written)[0], local_domain=parts.urls.domain).mentions
    if not mentions:
        return
    unknown = await parts.node.read(accounts.unknown_handles, mentions)
    for username, domain in unknown[:_MOST_LOOKED_UP]:
        with contextlib.suppress(NodeError, ProtocolError):
            await parts.network.resolve_handle(f"{username}@{domain}")


async def _again(request: Request, form: Params, person: Person, kept: Sequence[int], error: str) -> Response:
    """The form as it was, with what is wrong about it (422)."""

    def filled(tx: Tx) -> Box:
        parent_id = form.id("in_reply_to")
        about = shown.posts(tx, [posts.get(tx, parent_id).id])[0] if parent_id is not None else None
        quoted = form.id("quoted")
        quotes = shown.posts(tx, [posts.get(tx, quoted).id])[0] if quoted is not None else None
        box = empty(tx, back=answers.local(form.text("back")), about=about)
        assert box is not None
        return replace(box, quotes=quotes)

    node = parts_of(request).node
    box = await node.read_as(person.viewer, filled)
    pictures = await node.read_as(person.viewer, _kept, kept)
    with contextlib.suppress(Invalid):
        box = replace(box, visibility=_visibility(form.text("visibility")) or box.visibility)
    box = replace(
        box,
        text=_lines(form.text("text")),
        spoiler=form.text("spoiler"),
        local_only=form.flag("local_only"),
        question=questioned.written(form),
        kept=pictures,
        error=_plain(error),
        key=form.text("key", max_len=200),
    )
    frame = await _frame(request, person)
    return answers.page(request, "compose.html", frame, status=422, box=box)


async def _frame(request: Request, person: Person) -> visit.Frame:
    frame, _ = await visit.look(request, lambda tx: None)
    return frame


def _plain(error: str) -> str:
    return error.removeprefix("Validation failed: ")


def _kept(tx: Tx, media_ids: Sequence[int]) -> list[Kept]:
    if not media_ids:
        return []
    mine = (media.c.account_id == tx.viewer.account_id) & media.c.id.in_(list(media_ids))
    rows = tx.rows(select(media).where(mine, media.c.post_id.is_(None)).order_by(media.c.id))
    return [Kept(row.id, f"/media/{row.preview or row.file}", row.description) for row in rows]


# --- edits


async def edit(request: Request) -> Response:
    """The text of one's own post, to be changed. Its pictures and who can see it stay as they are."""
    post_id = path_id(request)
    frame, box = await visit.look(request, _own, post_id)
    return answers.page(request, "compose.html", frame, box=box)


def _own(tx: Tx, post_id: int) -> Box:
    row = posts.source(tx, post_id)
    post = shown.posts(tx, [row.id])[0]
    return Box(
        action=f"/posts/{row.id}/edit",
        text=row.text,
        spoiler=row.spoiler,
        visibility=post.visibility,
        local_only=post.local_only,
        back=post.path,
        is_edit=True,
        limit=tx.settings.posts.max_characters,
    )


async def change(request: Request) -> Response:
    post_id = path_id(request)
    form = await read(request, uploads=True)
    person = await visit.signed_in(request, form)
    written: dict[str, Any] = {"text": _lines(form.text("text")), "spoiler": form.text("spoiler")}
    node = parts_of(request).node
    try:
        await _meet(request, written["text"])
        await node.write_as(person.viewer, posts.edit, post_id, posts.Changes(**written))
    except Invalid as error:
        box = await node.read_as(person.viewer, _own, post_id)
        box = replace(box, **written, error=_plain(str(error)))
        return answers.page(request, "compose.html", await _frame(request, person), status=422, box=box)
    return answers.back(form)
