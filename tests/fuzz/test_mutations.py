"""Documents with something wrong in them: through the parser and the rules, and through a node's inbox and handlers.

Whatever comes, no exception but ours, no 5xx, and nothing is stored in the name of anybody but the one who signed.
"""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from activitypub import authority, parse
from activitypub.errors import ProtocolError
from activitypub.vocabulary import PUBLIC, Iri
from node.config import Settings
from node.federation.network import Network
from node.runtime import Node
from node.schema import account, inbox_item
from node.schema import post as post_table
from node.secrets import create_secret
from node.viewer import Viewer
from tests.conftest import make_settings
from tests.fuzz.mutations import mutant
from tests.fuzz.targets import DOCUMENTS
from tests.node.federation.conftest import Post, alice, bert, federation, network, post, run_jobs
from tests.security.conftest import peer, stranger
from tests.security.world import World, make_world
from tests.support.remote_peer import Doc, RemotePeer
from tests.support.rows import rows_of
from tests.support.serving import serving
from web.app import create_app

__all__ = ["alice", "bert", "federation", "network", "peer", "post", "stranger"]

CAPTURED: dict[str, Doc] = {path.stem: json.loads(path.read_bytes()) for path in sorted(DOCUMENTS.glob("*.json"))}
OWN = "https://node.example"


@hypothesis_settings(max_examples=1_500, deadline=2_000, database=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(CAPTURED)), st.integers(0, 2**32))
def test_a_damaged_document_is_read_or_refused_and_vouches_for_its_signer_alone(name: str, seed: int) -> None:
    damaged = mutant(CAPTURED[name], random.Random(seed), [OWN, f"{OWN}/users/alice", *CAPTURED.values()])
    for read in (parse.post, parse.actor, parse.collection):
        try:
            read(damaged)
        except ProtocolError:
            continue
    try:
        activity = parse.activity(damaged)
        authority.check(activity, signer=Iri("https://mastodon.example/users/alice"), own_origin=OWN)
        embedded = authority.vouched(activity)
    except ProtocolError:
        return
    assert activity.actor == "https://mastodon.example/users/alice"
    if embedded is not None and activity.object != activity.actor:
        assert parse.author(embedded, actor=activity.actor) == activity.actor


@pytest.fixture
def settings(
    tmp_path: Path, engine_name: str, new_database_url: Callable[[str, Path], str], federation: dict[str, Any]
) -> Settings:
    create_secret(tmp_path)
    url = new_database_url(engine_name, tmp_path)
    sections = {"node": {"scheme": "http"}, "federation": federation, "limits": {"inbox_per_peer": 0}}
    return make_settings(tmp_path, database_url=url, **sections)


def honest(world: World) -> list[Doc]:
    """Everything that bert may say, with documents of all kinds of software as if they were his."""
    said: list[Doc] = []

    def say(kind: str, about: Any, **more: Any) -> None:
        said.append(world.say(kind, world.bert, about, len(said), to=[PUBLIC], cc=[world.alice_iri], **more))

    for name, doc in CAPTURED.items():
        if "attributedTo" in doc and "preferredUsername" not in doc:
            his = {
                **doc,
                "id": f"{world.peer.base}/objects/{name}",
                "attributedTo": world.bert,
                "inReplyTo": world.ours,
            }
            say("Create", his)
            say("Update", his)
    person = world.peer.actor("bert", name="Bert", attachment=[{"type": "PropertyValue", "name": "a", "value": "b"}])
    follow = {"id": f"{world.bert}/follows/1", "type": "Follow", "actor": world.bert, "object": world.alice_iri}
    say("Update", {**CAPTURED["misskey_actor"], **person})
    for about in (world.ours, world.alice_iri, world.note["id"], world.note, follow, [world.alice_iri, world.ours]):
        for kind in ("Announce", "Like", "EmojiReact", "Delete", "Follow", "Block", "Flag", "Undo", "Accept", "Reject"):
            say(
                kind,
                about,
                content=":x:",
                tag=[{"type": "Emoji", "name": ":x:", "icon": {"url": "https://a.example/x"}}],
            )
    say("Move", world.bert, target=world.eve)
    say("Add", world.note["id"], target=f"{world.bert}/collections/featured")
    say("Remove", world.note["id"], target=f"{world.bert}/collections/featured")
    return said


async def others(world: World) -> list[Any]:
    """What is not bert's to change: our people and posts, and his neighbours."""
    people = [
        (row.iri, row.display_name, row.note, row.inbox, row.suspended_at, row.gone_at)
        for row in await rows_of(world.node, account)
        if row.iri != world.bert
    ]
    bert_id = next(row.id for row in await rows_of(world.node, account) if row.iri == world.bert)
    posts = [(row.iri, row.content) for row in await rows_of(world.node, post_table) if row.author_id != bert_id]
    return [*people, *posts]


@pytest.mark.parametrize("count", [250, pytest.param(6_000, marks=[pytest.mark.long, pytest.mark.timeout(1_800)])])
async def test_a_node_survives_what_is_damaged_and_stores_it_in_nobody_elses_name(
    node: Node, network: Network, post: Post, peer: RemotePeer, stranger: RemotePeer, alice: Viewer, count: int
) -> None:
    world = await make_world(node, network, post, peer, stranger, alice)
    good = honest(world)
    elsewhere = [
        world.alice_iri,
        world.ours,
        world.eve,
        world.mallory,
        world.note["id"],
        f"{world.bert}/followers",
        *good,
    ]
    before = await others(world)
    rng = random.Random(count)
    statuses: dict[int, int] = {}
    async with serving(create_app(node, network)) as base, httpx.AsyncClient(base_url=base, timeout=30) as http:
        for number in range(count):
            damaged = mutant(rng.choice(good), rng, elsewhere)
            if isinstance(damaged, dict) and rng.random() < 0.9:
                damaged["id"] = (
                    f"{world.peer.base}/damaged/{number}"  # so that it is not taken for one that came before
                )
                damaged["actor"] = world.bert
            request = peer.signed(json.dumps(damaged).encode(), node.urls.shared_inbox, by=world.bert)
            headers = [*request.headers, ("content-type", "application/activity+json")]
            unique = list(dict(headers).items())
            answer = await http.post("/inbox", content=request.body, headers=unique)
            statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
            assert answer.status_code in (202, 400, 403, 413), (answer.status_code, answer.text, damaged)
            if number % 10 == 0:
                await post.work()
        await post.work()
        await run_jobs(node, network)
    failed = [
        (row.outcome, row.activity_iri)
        for row in await rows_of(node, inbox_item)
        if row.outcome and row.outcome.startswith(("failed", "given up")) and "FetchFailed" not in row.outcome
    ]
    assert failed == []
    assert statuses[202] > 60  # until he has deleted himself by one of them
    assert await others(world) == before
