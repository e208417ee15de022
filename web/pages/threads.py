"""One post with the thread around it, and the box to answer it."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, exists, or_, select
from starlette.requests import Request
from starlette.responses import Response

from node import accounts, posts
from node.errors import NotFound
from node.federation import conversations
from node.runtime import Tx
from node.schema import account, block, tombstone
from node.schema.meta import Id
from web.errors import Deleted
from web.pages import answers, compose, shown, visit
from web.pages.compose import Box
from web.pages.shown import Shown
from web.params import path_id
from web.parts import parts_of

DEEPEST = 4
"""Steps to which answers are set in: a phone has no room for more."""


# Of our posts only those leave a tombstone that everybody could see: all but whom the author blocked. What a suspended
# person wrote is nobody's business; of a deleted one it still says that it was.
_GRAVE = (
    select(tombstone.c.iri)
    .join(account, account.c.iri == tombstone.c.author_iri)
    .where(
        tombstone.c.iri == bindparam("iri"),
        tombstone.c.post_id.is_not(None),
        or_(account.c.suspended_at.is_(None), account.c.gone_at.is_not(None)),
        ~exists().where(block.c.account_id == account.c.id, block.c.target_id == bindparam("viewer", type_=Id)),
    )
)


class Answer(NamedTuple):
    post: Shown
    depth: int
    """1: answers the post itself."""


class Thread(NamedTuple):
    above: Sequence[Shown]
    post: Shown
    below: Sequence[Answer]
    box: Box | None
    around: posts.Context


async def thread(request: Request) -> Response:
    frame, found = await visit.look_openly(request, _thread_or_grave, request.path_params["handle"], path_id(request))
    if request.path_params["handle"].casefold() != found.post.author.handle.casefold():
        return answers.to(found.post.path)
    await conversations.opened(parts_of(request).node, found.around)
    return answers.page(request, "thread.html", frame, thread=found)


def _thread_or_grave(tx: Tx, handle: str, post_id: int) -> Thread:
    """Raises Deleted for what is gone and the viewer could have seen: 410, as ActivityPub answers; else NotFound."""
    try:
        return _thread(tx, post_id)
    except NotFound:
        iri = tx.urls.post(accounts.normal_handle(tx, handle), post_id)
        if tx.first(_GRAVE, {"iri": iri, "viewer": tx.viewer.account_id}) is None:
            raise
        raise Deleted("This post was deleted.") from None


def _thread(tx: Tx, post_id: int) -> Thread:
    row = posts.get(tx, post_id)
    chosen = row.boost_of_id or row.id
    context = posts.context(tx, chosen)
    ids = [*context.ancestors, chosen, *context.descendants]
    found = {one.id: one for one in shown.posts(tx, ids)}
    post = found.get(chosen)
    if post is None:
        raise NotFound()
    box = compose.empty(tx, back=post.path, about=post)
    below = _set_in([found[id_] for id_ in context.descendants if id_ in found], chosen)
    return Thread([found[id_] for id_ in context.ancestors if id_ in found], post, below, box, context)


def _set_in(below: Sequence[Shown], chosen: int) -> list[Answer]:
    """Answers, which come in reading order, with how far each is from the post."""
    depths = {chosen: 0}
    for one in below:
        depths[one.id] = depths.get(one.parent_id or 0, 0) + 1
    return [Answer(one, min(depths[one.id], DEEPEST)) for one in below]
