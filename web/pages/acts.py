"""The small forms: one button each. They all come back to where they were."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from node import notifications, posts, reacting, reactions, social
from node.errors import NotFound
from node.runtime import Tx
from web.pages import answers, visit
from web.params import path_id, read
from web.parts import parts_of

Act = Callable[[Tx, int], Any]

ON_POSTS: dict[str, Act] = {
    "favourite": reactions.favourite,
    "unfavourite": reactions.unfavourite,
    "boost": reactions.boost,
    "unboost": reactions.unboost,
    "bookmark": reactions.bookmark,
    "unbookmark": reactions.unbookmark,
    "pin": reactions.pin,
    "unpin": reactions.unpin,
    "delete": posts.delete,
}
ON_PEOPLE: dict[str, Act] = {
    "follow": social.follow,
    "unfollow": social.unfollow,
    "remove": social.remove_follower,
    "accept": social.accept_request,
    "refuse": social.reject_request,
    "block": social.block,
    "unblock": social.unblock,
    "mute": social.mute,
    "unmute": social.unmute,
}
ON_TAGS: dict[str, Callable[[Tx, str], Any]] = {"follow": social.follow_tag, "unfollow": social.unfollow_tag}


async def on_post(request: Request) -> Response:
    return await _act(request, ON_POSTS, path_id(request))


async def react(request: Request) -> Response:
    """Leave an emoji under a post, or take it back."""
    form = await read(request)
    person = await visit.signed_in(request, form)
    rule = reacting.unreact if form.text("undo") else reacting.react
    await parts_of(request).node.write_as(person.viewer, rule, path_id(request), form.text("emoji").strip())
    return answers.back(form)


async def on_person(request: Request) -> Response:
    return await _act(request, ON_PEOPLE, path_id(request))


async def on_tag(request: Request) -> Response:
    return await _act(request, ON_TAGS, request.path_params["name"])


async def _act(request: Request, acts: dict[str, Any], target: int | str) -> Response:
    rule = acts.get(request.path_params["act"])
    if rule is None:
        raise NotFound()
    form = await read(request)
    person = await visit.signed_in(request, form)
    await parts_of(request).node.write_as(person.viewer, rule, target)
    return answers.back(form)


async def dismiss_all(request: Request) -> Response:
    form = await read(request)
    person = await visit.signed_in(request, form)
    await parts_of(request).node.write_as(person.viewer, notifications.clear)
    return answers.back(form)
