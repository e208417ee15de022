"""Who is to hear of what happened: the same people who would find it when they look."""

import itertools
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, delete, event, insert, select

from activitypub.audience import Visibility
from node import accounts, auth, eventlog, posts, reactions, social, streams, timelines
from node.eventlog import Cursor
from node.ids import PostId
from node.paging import Page
from node.posts import Draft
from node.runtime import Node, Tx
from node.schema import event as event_table
from node.streams import Batch, Listeners, PostNews
from node.viewer import Viewer
from tests.support.actors import make_remote
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.rows import id_of

NAMES = ("anna", "bert", "carl", "dora", "emil")


@pytest.fixture
async def people(node: Node) -> list[Viewer]:
    """Five people: bert follows anna and carl, carl follows anna without boosts, dora follows #pump, emil mutes anna."""
    anna, bert, carl, dora, emil = [await make_person(node, name) for name in NAMES]
    await node.write_as(bert, social.follow, id_of(anna))
    await node.write_as(bert, social.follow, id_of(carl))
    await node.write_as(carl, social.follow, id_of(anna), boosts=False)
    await node.write_as(dora, social.follow_tag, "pump")
    await node.write_as(emil, social.follow, id_of(anna))
    await node.write_as(emil, social.mute, id_of(anna))
    return [anna, bert, carl, dora, emil]


async def heard(node: Node, cursor: Cursor, everybody: list[Viewer]) -> Batch:
    ids = [id_of(one) for one in everybody]
    return await node.read(streams.take, cursor, Listeners(ids, ids, ids))


def last(batch: Batch, kind: str) -> PostNews:
    return [one for one in batch.news if one.kind == kind][-1]


async def test_what_streams_bring_home_is_what_the_home_timeline_shows(node: Node, people: list[Viewer]) -> None:
    _, bert, _, dora, emil = people
    await node.write_as(dora, social.follow, id_of(bert))
    await node.write_as(emil, social.block, id_of(dora))
    cursor = await node.read(eventlog.begin)
    made: list[PostId] = []

    async def publish(who: Viewer, text: str, **more: object) -> PostId:
        made.append(await node.write_as(who, posts.publish, Draft(text, **more)))  # type: ignore[arg-type]
        return made[-1]

    for who, visibility in itertools.product(people, Visibility):
        await publish(who, f"#pump @carl {who.account_id} {visibility.name}", visibility=visibility)
    for who in people:
        await publish(who, "department #pump", local_only=True)
        await publish(who, "plain")
    for who, parent in itertools.product(people, [made[0], made[4], made[8]]):
        await publish(who, "an answer", in_reply_to_id=parent)
        made.append(await node.write_as(who, reactions.boost, parent))

    batch = await heard(node, cursor, people)
    while batch.more:
        following = await heard(node, batch.cursor, people)
        batch = Batch(following.cursor, following.more, [*batch.news, *following.news])
    brought = {(one.post_id, who) for one in batch.news for who in one.home}
    shown = set()
    for who in people:
        for post_id in await node.read_as(who, timelines.home, Page(1000)):
            shown.add((post_id, id_of(who)))
    assert brought == shown
    assert len(brought) > 60


async def test_open_streams_bring_what_the_public_timelines_show(node: Node, people: list[Viewer]) -> None:
    anna, bert, carl, *_ = people
    remote = await make_remote(node)
    cursor = await node.read(eventlog.begin)
    for visibility in Visibility:
        await node.write_as(anna, posts.publish, Draft(f"#pump {visibility}", visibility=visibility))
    first = await node.write_as(bert, posts.publish, Draft("first #Seal"))
    await node.write_as(carl, posts.publish, Draft("an answer #seal", in_reply_to_id=first))
    await node.write_as(carl, reactions.boost, first)
    away = posts.RemotePost(
        iri="https://field.example/1", url=None, author_id=id_of(remote), object_type="Note", content="<p>x</p>",
        spoiler="", sensitive=False, language=None, visibility=Visibility.PUBLIC, in_reply_to_iri=None,
        created_at=node.now(), edited_at=None, mention_ids=(), tags=("pump",), attachments=(), poll=None,
    )  # fmt: skip
    await node.write(posts.store_remote, away)

    batch = await heard(node, cursor, people)
    for who in people:
        mine = [one for one in batch.news if id_of(who) in one.open]
        public = await node.read_as(who, timelines.public, Page(100))
        assert [one.post_id for one in mine if one.is_public] == list(reversed(public))
        local = await node.read_as(who, timelines.public, Page(100), local=True)
        assert [one.post_id for one in mine if one.is_public and one.local] == list(reversed(local))
        for name in ("pump", "seal"):
            tagged = await node.read_as(who, timelines.tag, name, Page(100))
            assert [one.post_id for one in mine if name in one.tags] == list(reversed(tagged))


async def test_an_edit_is_told_to_those_who_have_the_post(node: Node, people: list[Viewer]) -> None:
    anna, bert, carl, *_ = people
    post_id = await node.write_as(anna, posts.publish, Draft("first", visibility=Visibility.FOLLOWERS))
    cursor = await node.read(eventlog.begin)
    await node.write_as(anna, posts.edit, post_id, posts.Changes(text="second"))
    news = last(await heard(node, cursor, people), "status.update")
    assert news.home == {id_of(anna), id_of(bert), id_of(carl)}


@pytest.mark.parametrize(
    ("visibility", "home", "is_open"),
    [
        (Visibility.PUBLIC, {"anna", "bert", "carl", "dora", "emil"}, True),
        (Visibility.FOLLOWERS, {"anna", "bert", "carl", "emil"}, False),
        (Visibility.DIRECT, {"anna", "carl"}, False),
    ],
)
async def test_the_end_of_a_post_is_told_to_those_who_could_have_it_and_to_nobody_else(
    node: Node, people: list[Viewer], visibility: Visibility, home: set[str], is_open: bool
) -> None:
    post_id = await node.write_as(people[0], posts.publish, Draft("@carl #pump", visibility=visibility))
    cursor = await node.read(eventlog.begin)
    await node.write_as(people[0], posts.delete, post_id)
    news = last(await heard(node, cursor, people), "delete")
    names = dict(zip([id_of(one) for one in people], NAMES, strict=True))
    assert news.post_id == post_id
    assert {names[one] for one in news.home} == home
    assert bool(news.open) == news.is_public == is_open
    assert news.tags == ({"pump"} if is_open else set())


async def test_a_post_that_is_gone_by_the_time_is_told_of_no_more(node: Node, people: list[Viewer]) -> None:
    cursor = await node.read(eventlog.begin)
    post_id = await node.write_as(people[0], posts.publish, Draft("soon gone"))
    await node.write_as(people[0], posts.delete, post_id)
    assert [one.kind for one in (await heard(node, cursor, people)).news] == ["delete"]


async def test_notifications_go_to_whom_they_are_for_and_only_if_they_may_see_the_post(
    node: Node, people: list[Viewer]
) -> None:
    anna, bert, carl, dora, _ = people
    cursor = await node.read(eventlog.begin)
    await node.write_as(anna, posts.publish, Draft("@bert @dora hello"))
    batch = await heard(node, cursor, people)
    assert {row.account_id for row in batch.notifications} == {id_of(bert), id_of(dora)}
    only = await node.read(streams.take, cursor, Listeners(notified=[id_of(bert)]))
    assert [row.account_id for row in only.notifications] == [id_of(bert)]
    await node.write_as(anna, social.block, id_of(dora))
    await node.write_as(carl, posts.publish, Draft("@bert hello"))
    await node.write(accounts.suspend, id_of(carl))
    assert {row.account_id for row in (await heard(node, cursor, people)).notifications} == {id_of(bert)}


async def test_nobody_listening_costs_nothing_and_moves_on(node: Node, people: list[Viewer]) -> None:
    cursor = await node.read(eventlog.begin)
    await node.write_as(people[0], posts.publish, Draft("@bert alone"))
    batch = await node.read(streams.take, cursor, Listeners())
    assert (batch.news, list(batch.notifications)) == ([], [])
    assert batch.cursor.last > cursor.last


async def test_the_end_of_a_token_and_of_an_account_are_told(node: Node, people: list[Viewer]) -> None:
    anna, bert, *_ = people
    cursor = await node.read(eventlog.begin)

    def make_and_revoke(tx: Tx) -> int:
        tx.viewer = anna
        token_id = int(auth.tokens_of(tx, id_of(anna))[0].id)
        auth.revoke_by_id(tx, token_id)
        return token_id

    await node.write(auth.make_token, id_of(anna))
    token_id = await node.write(make_and_revoke)
    await node.write(accounts.suspend, id_of(bert))
    ended = (await heard(node, cursor, people)).ended
    assert [(one.token_id, one.account_id) for one in ended] == [(token_id, None), (None, id_of(bert))]


@pytest.mark.parametrize("end", [accounts.suspend, accounts.disable])
async def test_a_token_is_alive_until_it_or_its_person_ends(
    node: Node, people: list[Viewer], end: Callable[[Tx, int], None]
) -> None:
    await node.write(auth.make_token, id_of(people[0]))
    (token,) = await node.read(auth.tokens_of, id_of(people[0]))
    assert await node.read(streams.alive, {token.id, 999_999}) == {token.id}
    await node.write(end, id_of(people[0]))
    assert await node.read(streams.alive, {token.id}) == set()


async def test_an_event_that_becomes_visible_after_a_later_one_is_not_lost_nor_told_twice(
    node: Node, people: list[Viewer]
) -> None:
    """On PostgreSQL ids are given before the commit: here the row with the smaller id simply comes later."""
    anna, bert, *_ = people
    cursor = await node.read(eventlog.begin)
    early = await node.write_as(anna, posts.publish, Draft("given an id first"))
    late = await node.write_as(anna, posts.publish, Draft("committed first"))

    def take_out(tx: Tx) -> dict[str, object]:
        row = tx.first(select(event_table).where(event_table.c.post_id == early))
        assert row is not None
        tx.execute(delete(event_table).where(event_table.c.id == row.id))
        return dict(row._mapping)

    held_back = await node.write(take_out)
    first = await heard(node, cursor, people)
    assert [one.post_id for one in first.news] == [late]
    await node.write(lambda tx: tx.execute(insert(event_table), held_back) and None)
    second = await heard(node, first.cursor, people)
    assert [one.post_id for one in second.news] == [early]
    assert id_of(bert) in second.news[0].home
    assert (await heard(node, second.cursor, people)).news == []


async def test_a_gap_is_looked_for_for_a_while_and_then_no_more(node: Node, people: list[Viewer], clock: Clock) -> None:
    cursor = Cursor(0, tuple((id_, node.now()) for id_ in (1, 2, 3)))
    await node.write(lambda tx: tx.execute(delete(event_table)) and None)
    kept = await node.read(streams.take, cursor, Listeners())
    assert kept.cursor.gaps == cursor.gaps
    clock.advance(eventlog.GAP_MILLIS / 1000 + 1)
    assert (await node.read(streams.take, cursor, Listeners())).cursor.gaps == ()


async def test_a_long_log_is_taken_in_batches(node: Node, people: list[Viewer]) -> None:
    cursor = await node.read(eventlog.begin)

    def fill(tx: Tx) -> None:
        tx.execute(insert(event_table), [{"kind": "other", "at": tx.now} for _ in range(eventlog.BATCH + 1)])

    await node.write(fill)
    first = await heard(node, cursor, people)
    assert first.more
    second = await heard(node, first.cursor, people)
    assert not second.more
    assert second.cursor.last == first.cursor.last + 1


async def test_the_number_of_statements_does_not_grow_with_listeners_or_posts(node: Node, people: list[Viewer]) -> None:
    cursor = await node.read(eventlog.begin)
    run: list[str] = []

    def listen(_conn: object, _cursor: object, statement: str, *_rest: object) -> None:
        run.append(statement)

    for number in range(12):
        await node.write_as(people[number % 5], posts.publish, Draft(f"#pump @carl {number}"))
    event.listen(Engine, "before_cursor_execute", listen)
    try:
        batch = await heard(node, cursor, people)
    finally:
        event.remove(Engine, "before_cursor_execute", listen)
    assert len(batch.news) == 12
    # The events, who hears of the posts, their tags, the notifications.
    assert len([one for one in run if one.startswith("SELECT")]) == 4
