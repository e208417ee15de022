"""What peers are told of a post as it is published: what it is once it is stored, without reading it again."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import insert

from activitypub.audience import Visibility
from node import accounts, posts
from node.federation import recipients, render
from node.runtime import Node, Tx
from node.schema import activity, delivery, media
from node.viewer import Viewer
from tests.support.actors import make_remote
from tests.support.people import make_person
from tests.support.posting import following, heard, say
from tests.support.rows import id_of, rows_of

DRAFTS: dict[str, dict[str, Any]] = {
    "plain": {"text": "The pump leaks"},
    "tags": {"text": "#KAFKA and #pump and #kafka"},
    "mentions": {"text": "@zoe@north.example @bea @bert@field.example hello, @nobody@field.example"},
    "warning": {"text": "the end", "spoiler": "about the film", "language": "de"},
    "picture": {"text": "look"},
    "unlisted": {"text": "quiet @bea", "visibility": Visibility.UNLISTED},
    "followers": {"text": "for few @zoe@north.example", "visibility": Visibility.FOLLOWERS},
    "direct": {"text": "@bert@field.example @bea a word", "visibility": Visibility.DIRECT},
}


@pytest.fixture
async def people(node: Node) -> dict[str, Viewer]:
    """Anna, whom fay and gil of two peers follow, and others: bea is here; gil's peer has no shared inbox."""
    found = {name: await make_person(node, name) for name in ("anna", "bea")}
    for name, domain in (("bert", "field.example"), ("zoe", "north.example"), ("fay", "south.example")):
        found[name] = await make_remote(node, name, domain=domain)
    found["gil"] = await make_remote(node, "gil", domain="west.example", endpoints=None)
    for name in ("fay", "gil"):
        await following(node, found[name], found["anna"])
    await say(node, found["bea"], "#Kafka is written so from here on")
    return found


async def told(node: Node, people: dict[str, Viewer], **draft: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the activity and its inboxes as they were stored, what they would be if the post were read again)."""
    post_id = await say(node, people["anna"], draft.pop("text"), **draft)

    def again(tx: Tx) -> dict[str, Any]:
        row = posts.get(tx, post_id)
        to = recipients.audience(tx, row.author_id, post_id, row.visibility)
        doc = msgspec.json.decode(msgspec.json.encode(render.activity(tx, post_id)))
        return {"doc": doc, "inboxes": sorted(one.inbox for one in to)}

    stored = (await rows_of(node, activity))[-1]
    sent = await rows_of(node, delivery, delivery.c.activity_id == stored.id)
    said = {"doc": msgspec.json.decode(stored.body), "inboxes": sorted(row.inbox for row in sent)}
    return said, await node.read(again)


@pytest.mark.parametrize("kind", DRAFTS)
async def test_a_new_post_is_told_as_it_is_stored(node: Node, people: dict[str, Viewer], kind: str) -> None:
    draft = dict(DRAFTS[kind])
    if kind == "picture":
        draft["media_ids"] = [await _picture(node, people["anna"])]
    said, stored = await told(node, people, **draft)
    assert said == stored
    assert said["doc"]["type"] == "Create"
    assert said["inboxes"]


@pytest.mark.parametrize("visibility", [Visibility.PUBLIC, Visibility.FOLLOWERS])
@pytest.mark.parametrize("of_a_peer", [True, False])
async def test_an_answer_is_told_to_whom_it_answers_if_it_is_for_all(
    node: Node, people: dict[str, Viewer], of_a_peer: bool, visibility: Visibility
) -> None:
    parent = await heard(node, people["bert"]) if of_a_peer else await say(node, people["bea"], "hello")
    said, stored = await told(node, people, text="an answer", in_reply_to_id=parent, visibility=visibility)
    assert said == stored
    assert said["doc"]["object"]["inReplyTo"]
    assert ("https://field.example/inbox" in said["inboxes"]) == (of_a_peer and visibility == Visibility.PUBLIC)


async def test_whoever_is_suspended_here_gets_nothing(node: Node, people: dict[str, Viewer]) -> None:
    await node.write(accounts.suspend, id_of(people["fay"]))
    said, stored = await told(node, people, text="@bert@field.example hello")
    assert said == stored
    assert said["inboxes"] == ["https://field.example/inbox", "https://west.example/users/gil/inbox"]


async def test_a_post_of_the_department_is_told_to_nobody(node: Node, people: dict[str, Viewer]) -> None:
    await say(node, people["anna"], "among us", local_only=True)
    assert await rows_of(node, activity) == []


async def _picture(node: Node, owner: Viewer) -> int:
    def rule(tx: Tx) -> int:
        row = {"id": tx.new_id(), "account_id": owner.account_id, "kind": "image", "content_type": "image/webp"}
        tx.execute(insert(media), row | {"file": "a.webp", "created_at": tx.now})
        return int(row["id"] or 0)

    return await node.write(rule)
