"""A peer's post that its author makes narrower goes from whoever may no longer have it, and stays for the others."""

from typing import Any

import pytest

from activitypub.audience import Visibility
from node import eventlog, posts, reactions, search, streams, timelines
from node.errors import NotFound
from node.ids import PostId
from node.paging import Page
from node.posts import RemotePost
from node.runtime import Node
from node.schema import post, tombstone
from node.streams import Listeners
from node.viewer import Viewer
from tests.support.actors import make_remote
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.posting import following, hear, heard
from tests.support.rows import count_of, id_of, rows_of

NOTE = "https://field.example/notes/1"


async def narrowed(node: Node, clock: Clock, who: Viewer, post_id: int, to: Visibility, **fields: Any) -> bool:
    clock.advance(60)
    edit = RemotePost(
        iri=NOTE,
        author_id=id_of(who),
        visibility=to,
        created_at=node.now() - 60_000,
        edited_at=node.now(),
        content="<p>pump, for fewer</p>",
        **fields,
    )
    changed: bool = await node.write(posts.update_remote, post_id, edit)
    return changed


async def sees(node: Node, who: Viewer, post_id: int) -> bool:
    try:
        await node.read_as(who, posts.get, post_id)
    except NotFound:
        return False
    return True


@pytest.fixture
async def people(node: Node) -> tuple[Viewer, Viewer, Viewer]:
    """anna, who follows the peer's bert; carl, who does not; and bert."""
    anna, carl, bert = await make_person(node, "anna"), await make_person(node, "carl"), await make_remote(node)
    await following(node, anna, bert)
    return anna, carl, bert


async def test_followers_keep_it_and_all_others_lose_it_on_every_surface(
    node: Node, clock: Clock, people: tuple[Viewer, Viewer, Viewer]
) -> None:
    anna, carl, bert = people
    dora = await make_person(node, "dora")
    await following(node, dora, carl)
    post_id = await heard(node, bert, "<p>pump</p>", iri=NOTE, tags=["pump"])
    boost = await node.write_as(carl, reactions.boost, post_id)
    everybody = (anna, carl, dora)

    async def found(who: Viewer) -> tuple[bool, bool, bool, bool]:
        public = await node.read_as(who, timelines.public, Page(limit=20))
        tagged = await node.read_as(who, timelines.tag, "pump", Page(limit=20))
        hits = await node.read_as(who, search.posts, "pump")
        return post_id in public, post_id in tagged, post_id in hits, await sees(node, who, boost)

    assert [await found(who) for who in everybody] == [(True, True, True, True)] * 3
    assert boost in await node.read_as(dora, timelines.home, Page(limit=20))
    cursor = await node.read(eventlog.begin)
    assert await narrowed(node, clock, bert, post_id, Visibility.FOLLOWERS, tags=["pump"])
    assert [await sees(node, who, post_id) for who in everybody] == [True, False, False]
    assert [await found(who) for who in (carl, dora)] == [(False, False, False, False)] * 2
    assert await found(anna) == (False, False, True, True)
    assert boost not in await node.read_as(dora, timelines.home, Page(limit=20))
    assert post_id in await node.read_as(anna, timelines.home, Page(limit=20))

    ids = [id_of(who) for who in everybody]
    batch = await node.read(streams.take, cursor, Listeners(ids, ids, ids))
    (gone,) = [one for one in batch.news if one.kind == "delete"]
    (changed,) = [one for one in batch.news if one.kind == "status.update"]
    assert gone.post_id == post_id
    assert gone.open == {id_of(carl), id_of(dora)}
    assert id_of(anna) not in gone.home
    assert (gone.is_public, set(gone.tags)) == (True, {"pump"})
    assert changed.home == {id_of(anna)}


async def test_who_is_no_longer_called_loses_it_and_who_still_is_keeps_it(
    node: Node, clock: Clock, people: tuple[Viewer, Viewer, Viewer]
) -> None:
    anna, carl, bert = people
    dora = await make_person(node, "dora")
    post_id = await heard(node, bert, iri=NOTE, mention_ids=[id_of(carl), id_of(dora)])
    await narrowed(node, clock, bert, post_id, Visibility.DIRECT, mention_ids=[id_of(dora)])
    assert [await sees(node, who, post_id) for who in (anna, carl, dora)] == [False, False, True]


async def test_a_copy_that_is_for_nobody_here_any_more_is_not_kept_and_stays_away(
    node: Node, clock: Clock, people: tuple[Viewer, Viewer, Viewer]
) -> None:
    _, carl, bert = people
    post_id = await heard(node, bert, iri=NOTE)
    await node.write_as(carl, reactions.boost, post_id)
    assert await narrowed(node, clock, bert, post_id, Visibility.DIRECT)
    assert await rows_of(node, post) == []
    assert await count_of(node, tombstone, tombstone.c.iri == NOTE) == 1
    assert await hear(node, bert, iri=NOTE) is None


@pytest.mark.parametrize("to", [Visibility.PUBLIC, Visibility.UNLISTED])
async def test_an_edit_that_all_may_see_takes_it_from_nobody(
    node: Node, clock: Clock, people: tuple[Viewer, Viewer, Viewer], to: Visibility
) -> None:
    _, carl, bert = people
    post_id = await heard(node, bert, iri=NOTE, mention_ids=[id_of(carl)])
    cursor = await node.read(eventlog.begin)
    assert await narrowed(node, clock, bert, post_id, to)
    batch = await node.read(streams.take, cursor, Listeners([id_of(carl)], (), [id_of(carl)]))
    assert [one.kind for one in batch.news] == ["status.update"]
    assert await sees(node, carl, PostId(post_id))
