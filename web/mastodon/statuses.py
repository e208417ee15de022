"""Posts.

    POST   /api/v1/statuses                    header Idempotency-Key; scheduled_at; ours: local_only
    GET    /api/v1/statuses?id[]=…             several
    GET    /api/v1/statuses/{id}
    PUT    /api/v1/statuses/{id}
    DELETE /api/v1/statuses/{id}               answers the text as written, so that it can be written again; delete_media
    GET    /api/v1/statuses/{id}/context · /source · /history · /card
    POST   /api/v1/statuses/{id}/translate     403: nothing here translates

Publishing first looks up people of peers whom the text mentions and who are not known here, outside any transaction and
for a few seconds at the most: whoever is not found by then is not mentioned.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Select, select
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from activitypub.audience import Visibility
from node import accounts, db, media, posts, quotes, scheduling, sight, text
from node.errors import Forbidden, Invalid
from node.federation import conversations
from node.posts import Changes, Draft
from node.runtime import Tx
from node.schema import media as media_table
from node.schema import post
from node.sight import Sight
from web import identity as api
from web import params, uploads
from web.mastodon import answers, emoji, lookups, scheduled, shapes
from web.mastodon.entities import Renderer, array, composed, joined
from web.mastodon.media import focus_of
from web.mastodon.polls import asked_poll
from web.mastodon.quotes import asked_policy
from web.mastodon.state import state_of
from web.params import Params
from web.parts import parts_of
from web.responses import JSONBytes

READ = answers.to_read("read:statuses")
WRITE = "write:statuses"
MAX_SEVERAL = 100
_PATH = "/api/v1/statuses"


def routes() -> list[BaseRoute]:
    return [
        Route(_PATH, publish, methods=["POST"]),
        Route(_PATH, several),
        Route(f"{_PATH}/{{id}}", one),
        Route(f"{_PATH}/{{id}}", edit, methods=["PUT"]),
        Route(f"{_PATH}/{{id}}", delete, methods=["DELETE"]),
        Route(f"{_PATH}/{{id}}/context", context),
        Route(f"{_PATH}/{{id}}/source", source),
        Route(f"{_PATH}/{{id}}/history", history),
        Route(f"{_PATH}/{{id}}/card", card),
        Route(f"{_PATH}/{{id}}/translate", translate, methods=["POST"]),
    ]


# --- writing


async def publish(request: Request) -> Response:
    form = await params.read(request)
    draft = _draft(form, request.headers.get("idempotency-key"))
    if not draft.local_only:
        await _learn_mentioned(request, draft.text)
    settings = parts_of(request).settings
    limit = answers.Limit(request, "posts", settings.limits.posts_per_account)
    # Reading is pure work that no transaction should wait for; what is longer is read when it is known who asks.
    is_short = len(draft.text) + len(draft.spoiler) <= settings.posts.max_characters
    reading = posts.read(draft.text, draft.spoiler, settings) if is_short else None
    at = form.moment("scheduled_at")

    def work(tx: Tx) -> int:
        limit.spend(tx.viewer.account_id or 0)
        signed = dataclasses.replace(draft, app_id=tx.viewer.app_id)
        return posts.publish(tx, signed, reading) if at is None else scheduling.schedule(tx, signed, at, reading)

    if at is None:
        return await answers.status_after(request, WRITE, work)
    return await answers.write(request, WRITE, work, scheduled.show)


def _draft(form: Params, key: str | None) -> Draft:
    return Draft(
        text=form.text("status"),
        spoiler=form.text("spoiler_text"),
        sensitive=form.boolean("sensitive", None),
        visibility=asked_visibility(form, "visibility"),
        local_only=form.boolean("local_only", None),
        language=form.text("language") or None,
        in_reply_to_id=form.id("in_reply_to_id"),
        quoted_id=form.id("quoted_status_id"),
        quote_policy=asked_policy(form, "quote_approval_policy"),
        media_ids=form.ids("media_ids"),
        poll=asked_poll(form) or None,
        idempotency_key=key or None,
    )


def asked_visibility(form: Params, name: str) -> Visibility | None:
    """None when it is not said. Raises Invalid for a word that is none."""
    word = form.text(name)
    found = shapes.visibility(word)
    if word and found is None:
        raise Invalid(f"{name} must be one of {', '.join(shapes.VISIBILITIES)}", name)
    return found


async def _learn_mentioned(request: Request, written: str) -> None:
    domain = parts_of(request).settings.node.domain
    if "@" not in written:
        return
    refs = [ref for ref in text.analyse(written, local_domain=domain).mentions if ref.domain is not None]
    if refs:
        unknown = await api.read(request, WRITE, accounts.unknown_handles, refs)
        await lookups.learn_people(request, unknown)


async def edit(request: Request) -> Response:
    post_id = params.path_id(request)
    form = await params.read(request)
    changes = Changes(
        text=form.text_or_none("status"),
        spoiler=form.text_or_none("spoiler_text"),
        sensitive=form.boolean("sensitive", None),
        language=form.text("language") or None,
        media_ids=form.ids("media_ids") if form.has("media_ids") else None,
        poll=asked_poll(form),
    )
    policy = asked_policy(form, "quote_approval_policy")
    described = [_description(one) for one in form.groups("media_attributes")]
    if changes.text is not None:
        await _learn_mentioned(request, changes.text)
    return await answers.status_after(request, WRITE, lambda tx: _edit(tx, post_id, changes, described, policy))


def _edit(
    tx: Tx, post_id: int, changes: Changes, described: Sequence[dict[str, Any]], policy: quotes.Policy | None
) -> int:
    posts.source(tx, post_id)  # one's own, or NotFound before any picture is touched
    for one in described:
        media.update_details(tx, **one)
    posts.edit(tx, post_id, changes)
    if policy is not None:
        quotes.set_policy(tx, post_id, policy)
    return post_id


def _description(one: Params) -> dict[str, Any]:
    media_id = one.id("id")
    if media_id is None:
        raise Invalid("media_attributes need an id", "media_attributes")
    focus = focus_of(one)
    return {"media_id": media_id, "description": one.text_or_none("description"), "focus": focus}


async def delete(request: Request) -> Response:
    post_id, form = params.path_id(request), await params.read(request)
    renderer, with_media = state_of(request).unkept, form.flag("delete_media")
    body, files = await api.write(request, WRITE, _delete, renderer, post_id, with_media)
    await uploads.unlink(request, files)
    return JSONBytes(body)


def _delete(tx: Tx, renderer: Renderer, post_id: int, with_media: bool) -> tuple[bytes, list[str]]:
    """The post as it was, with the text as it was written, so that it can be written again; names of files to remove.

    Without `with_media` what was attached can be attached anew, until housekeeping removes it.
    """
    row = posts.get(tx, post_id)
    body = renderer.status(tx, post_id)
    attached = media.of_posts(tx, [row.id]).get(row.id, []) if with_media else []
    posts.delete(tx, post_id)
    written = row.text if row.author_id == tx.viewer.account_id else ""
    return joined(body, {"text": written}), [name for one in attached for name in media.remove(tx, one.id)]


# --- reading


async def one(request: Request) -> Response:
    return await answers.read(request, READ, lambda tx, renderer: _one(tx, renderer, params.path_id(request)))


def _one(tx: Tx, renderer: Renderer, post_id: int) -> bytes:
    return renderer.status(tx, posts.get(tx, post_id).id)


async def several(request: Request) -> Response:
    asked = params.query(request)
    ids = (asked.ids("id") or asked.ids("ids"))[:MAX_SEVERAL]
    return await answers.read(request, READ, lambda tx, renderer: array(renderer.statuses(tx, _seen(tx, ids))))


def _seen(tx: Tx, ids: Sequence[int]) -> list[int]:
    """Those that the viewer may see, in the order that was asked for."""
    found = {row.id for row in sight.rows(tx, _visible, {"ids": list(ids)})} if ids else set()
    return [id_ for id_ in dict.fromkeys(ids) if id_ in found]


def _visible(eyes: Sight) -> Select[Any]:
    return select(post.c.id).where(db.among(post.c.id, "ids"), eyes.visible(post))


async def context(request: Request) -> Response:
    """What of it never came here is looked up in the background, for whoever asks again."""
    threads: list[posts.Context] = []

    def rule(tx: Tx, renderer: Renderer) -> bytes:
        threads.append(posts.context(tx, params.path_id(request)))
        return _context(tx, renderer, threads[-1])

    answer = await answers.read(request, READ, rule)
    await conversations.opened(parts_of(request).node, threads[-1])
    return answer


def _context(tx: Tx, renderer: Renderer, found: posts.Context) -> bytes:
    shown = renderer.statuses(tx, [*found.ancestors, *found.descendants])
    above = len(found.ancestors)
    return composed({"ancestors": array(shown[:above]), "descendants": array(shown[above:])})


async def source(request: Request) -> Response:
    return await answers.read(request, "read:statuses", lambda tx, _: _source(tx, params.path_id(request)))


def _source(tx: Tx, post_id: int) -> bytes:
    row = posts.source(tx, post_id)
    return msgspec.json.encode({"id": str(row.id), "text": row.text, "spoiler_text": row.spoiler})


async def history(request: Request) -> Response:
    return await answers.read(request, READ, lambda tx, renderer: _history(tx, renderer, params.path_id(request)))


def _history(tx: Tx, renderer: Renderer, post_id: int) -> bytes:
    author = renderer.account(tx, posts.get(tx, post_id).author_id)
    quoted = msgspec.json.decode(renderer.status(tx, post_id), type=_Quoting).quote
    states = posts.history(tx, post_id)
    pictures = _pictures(tx, [id_ for state in states for id_ in state.media_ids])
    texts = {
        post_id: [text for state in states for text in (state.content, state.spoiler, *(state.poll_options or ()))]
    }
    emojis = emoji.of_posts(tx, texts, renderer.urls).get(post_id, [])
    # What a post quotes stays the same through all edits.
    more = {"account": author} if bytes(quoted) == b"null" else {"account": author, "quote": bytes(quoted)}
    return array([_state(renderer, state, more, pictures, emojis) for state in states])


class _Quoting(msgspec.Struct):
    """What of a Status its history takes over."""

    quote: msgspec.Raw = msgspec.Raw(b"null")


def _state(
    renderer: Renderer,
    state: posts.Revision,
    same: dict[str, bytes],
    pictures: dict[int, Any],
    emojis: Sequence[dict[str, Any]],
) -> bytes:
    """StatusEdit."""
    attached = [pictures[id_] for id_ in state.media_ids if id_ in pictures]
    more: dict[str, Any] = {
        "content": state.content,
        "spoiler_text": state.spoiler,
        "sensitive": state.sensitive,
        "created_at": shapes.moment(state.created_at),
        "media_attachments": [shapes.attachment(row, renderer.urls) for row in attached],
        "emojis": emoji.within(emojis, state.content, state.spoiler, *(state.poll_options or ())),
    }
    if state.poll_options is not None:
        more["poll"] = {"options": [{"title": title} for title in state.poll_options]}
    return joined(composed(same), more)


def _pictures(tx: Tx, ids: Sequence[int]) -> dict[int, Any]:
    if not ids:
        return {}
    return {row.id: row for row in tx.rows(select(media_table).where(media_table.c.id.in_(ids)))}


async def translate(request: Request) -> Response:
    """As Mastodon does where no translator is set up."""
    await answers.read(request, READ, lambda tx, _: _no_card(tx, params.path_id(request)))
    raise Forbidden()


async def card(request: Request) -> Response:
    """No post has a preview of its links yet."""
    return await answers.read(request, READ, lambda tx, _: _no_card(tx, params.path_id(request)))


def _no_card(tx: Tx, post_id: int) -> bytes:
    posts.get(tx, post_id)
    return b"{}"
