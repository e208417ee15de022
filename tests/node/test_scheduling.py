"""Posts that are published later."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from activitypub.audience import Visibility
from node import accounts, media, posts, scheduling
from node.drafts import Draft
from node.errors import Conflict, Forbidden, Invalid, NotFound
from node.federation import recovery
from node.ids import PostId
from node.paging import Page
from node.polls import Asked
from node.restoring import CATCH_UP_FROM, RESTORED_AT
from node.runtime import Node, Tx
from node.schema import job, meta, poll, post, scheduled_post
from node.schema import media as media_table
from node.viewer import NOBODY, SYSTEM, Viewer
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.posting import say
from tests.support.rows import count_of, id_of, rows_of

HOUR = 3_600_000


@pytest.fixture
async def anna(node: Node) -> Viewer:
    return await make_person(node, "anna")


@pytest.fixture
async def bert(node: Node) -> Viewer:
    return await make_person(node, "bert")


async def schedule(node: Node, who: Viewer, text: str = "later", *, after: int = HOUR, **fields: Any) -> int:
    return await node.write_as(who, scheduling.schedule, Draft(text, **fields), node.now() + after)


async def waiting(node: Node, who: Viewer) -> list[int]:
    return [row.id for row in await node.read_as(who, scheduling.own, Page(40))]


async def published(node: Node) -> list[Any]:
    return list(await rows_of(node, post))


async def upload(node: Node, who: Viewer, file: str = "a.png") -> int:
    def store(tx: Tx) -> int:
        media_id = tx.new_id()
        row = {"id": media_id, "account_id": id_of(who), "kind": "image", "content_type": "image/png", "file": file}
        tx.execute(insert(media_table), row | {"created_at": tx.now})
        return media_id

    return await node.write(store)


async def kept_files(node: Node) -> Sequence[str]:
    await node.write(media.purge_unattached, node.now() + 1)
    return await node.read(lambda tx: tx.scalars(select(media_table.c.file)))


async def test_a_post_is_published_when_its_time_has_come_and_not_before(
    node: Node, anna: Viewer, clock: Clock
) -> None:
    asked = Asked(("a", "b"), 600, multiple=True)
    scheduled = await schedule(node, anna, "later #pump", spoiler="s", visibility=Visibility.FOLLOWERS, poll=asked)
    (waits,) = await rows_of(node, job, job.c.kind == scheduling.JOB)
    assert (waits.payload, waits.run_at) == ({"id": scheduled}, node.now() + HOUR)
    await scheduling.publish(node, scheduled)
    assert await published(node) == []
    clock.advance(3600)
    await scheduling.publish(node, scheduled)
    (made,) = await published(node)
    assert (made.text, made.spoiler, made.visibility) == ("later #pump", "s", Visibility.FOLLOWERS)
    assert (made.author_id, made.created_at) == (id_of(anna), node.now())
    (question,) = await rows_of(node, poll)
    assert (question.multiple, question.expires_at) == (True, node.now() + 600_000)
    assert await waiting(node, anna) == []
    await scheduling.publish(node, scheduled)
    assert len(await published(node)) == 1


async def test_two_workers_at_once_publish_it_once(node: Node, anna: Viewer, clock: Clock) -> None:
    scheduled = await schedule(node, anna)
    clock.advance(3600)
    await asyncio.gather(*(scheduling.publish(node, scheduled) for _ in range(4)))
    assert len(await published(node)) == 1


async def test_a_worker_that_dies_before_the_commit_leaves_it_to_the_next(
    node: Node, anna: Viewer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduled = await schedule(node, anna)
    clock.advance(3600)
    monkeypatch.setattr(scheduling, "_DELETE", text("DELETE FROM no_such_table WHERE id = :scheduled"))
    with pytest.raises(DBAPIError):
        await scheduling.publish(node, scheduled)
    assert (await published(node), await waiting(node, anna)) == ([], [scheduled])
    monkeypatch.undo()
    await scheduling.publish(node, scheduled)
    assert (len(await published(node)), await waiting(node, anna)) == (1, [])


async def test_it_is_the_authors_alone(node: Node, anna: Viewer, bert: Viewer) -> None:
    scheduled = await schedule(node, anna)
    assert (await waiting(node, anna), await waiting(node, bert)) == ([scheduled], [])
    for rule, more in ((scheduling.get, ()), (scheduling.cancel, ()), (scheduling.move, (node.now() + 2 * HOUR,))):
        with pytest.raises(NotFound):
            await node.write_as(bert, rule, scheduled, *more)
    for nobody in (SYSTEM, NOBODY):
        with pytest.raises(Forbidden):
            await schedule(node, nobody)
    assert await waiting(node, anna) == [scheduled]


async def test_what_could_not_be_published_now_is_refused_when_it_is_written(
    node: Node, anna: Viewer, bert: Viewer
) -> None:
    hidden = await say(node, bert, "for followers", visibility=Visibility.FOLLOWERS)
    theirs = await upload(node, bert)
    refused: list[tuple[dict[str, Any], type[Exception]]] = [
        ({"text": ""}, Invalid),
        ({"text": "x" * 5001}, Invalid),
        ({"text": "x", "in_reply_to_id": hidden}, NotFound),
        ({"text": "x", "quoted_id": hidden}, NotFound),
        ({"text": "x", "poll": Asked(("a",), 600)}, Invalid),
        ({"text": "x", "media_ids": [theirs]}, Invalid),
        ({"text": "@tom@field.example", "local_only": True}, Invalid),
    ]
    for fields, error in refused:
        with pytest.raises(error):
            await schedule(node, anna, **fields)
    assert await count_of(node, scheduled_post) == await count_of(node, job, job.c.kind == scheduling.JOB) == 0


async def test_the_time_is_five_minutes_ahead_at_least(node: Node, anna: Viewer) -> None:
    for after in (-HOUR, 0, scheduling.LEAD_MS - 1):
        with pytest.raises(Invalid, match="must be in the future"):
            await schedule(node, anna, after=after)
    scheduled = await schedule(node, anna, after=scheduling.LEAD_MS)
    with pytest.raises(Invalid, match="must be in the future"):
        await node.write_as(anna, scheduling.move, scheduled, node.now())


async def test_a_day_takes_so_many_and_a_person_so_many_but_drafts_are_not_of_a_day(
    node: Node, anna: Viewer, bert: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "MAX_A_DAY", 2)
    monkeypatch.setattr(scheduling, "MAX_SCHEDULED", 5)
    day = scheduling.DAY_MS - node.now() % scheduling.DAY_MS  # the next one, from its beginning
    for _ in range(2):
        await schedule(node, anna, after=day)
    with pytest.raises(Invalid, match="2 scheduled posts for today"):
        await schedule(node, anna, after=day + scheduling.DAY_MS - 1)
    await schedule(node, bert, after=day)
    last = await schedule(node, anna, after=day + scheduling.DAY_MS)
    with pytest.raises(Invalid, match="2 scheduled posts for today"):
        await node.write_as(anna, scheduling.move, last, node.now() + day)
    far = 5000 * scheduling.YEAR_MS
    drafts = [await schedule(node, anna, after=far) for _ in range(2)]
    with pytest.raises(Invalid, match="limit of 5 scheduled posts"):
        await schedule(node, anna, after=far)
    await node.write_as(anna, scheduling.cancel, drafts[0])
    await schedule(node, anna, after=far)


async def test_a_repeated_key_answers_the_first(node: Node, anna: Viewer, bert: Viewer) -> None:
    first = await schedule(node, anna, idempotency_key="k")
    assert await schedule(node, anna, "again", idempotency_key="k") == first
    assert await schedule(node, bert, idempotency_key="k") != first
    assert await schedule(node, anna, idempotency_key="l") != first


async def test_it_is_moved_and_cancelled(node: Node, anna: Viewer, clock: Clock) -> None:
    scheduled, other = await schedule(node, anna), await schedule(node, anna, "never")
    await node.write_as(anna, scheduling.move, scheduled, node.now() + 2 * HOUR)
    await node.write_as(anna, scheduling.cancel, other)
    (waits,) = await rows_of(node, job, job.c.kind == scheduling.JOB)
    assert (waits.payload["id"], waits.run_at) == (scheduled, node.now() + 2 * HOUR)
    clock.advance(3600)
    for one in (scheduled, other):
        await scheduling.publish(node, one)
    assert await published(node) == []
    clock.advance(3600)
    await scheduling.publish(node, scheduled)
    assert len(await published(node)) == 1


async def test_pictures_wait_with_their_post(node: Node, anna: Viewer, clock: Clock) -> None:
    first, second = await upload(node, anna, "1.png"), await upload(node, anna, "2.png")
    scheduled = await schedule(node, anna, "", media_ids=[second, first])
    with pytest.raises(Conflict):
        await node.write_as(anna, media.remove, first)
    for taken in (say(node, anna, "x", media_ids=[first]), schedule(node, anna, media_ids=[first])):
        with pytest.raises(Invalid):
            await taken
    clock.advance(100 * 86_400)
    assert sorted(await kept_files(node)) == ["1.png", "2.png"]
    await scheduling.publish(node, scheduled)
    (made,) = await published(node)
    shown = await node.read(media.of_posts, [made.id])
    assert [row.id for row in shown[made.id]] == [second, first]


async def test_pictures_of_a_cancelled_post_are_free(node: Node, anna: Viewer, clock: Clock) -> None:
    picture = await upload(node, anna)
    scheduled = await schedule(node, anna, media_ids=[picture])
    clock.advance(100 * 86_400)
    await node.write_as(anna, scheduling.cancel, scheduled)
    assert (await node.read(lambda tx: tx.scalars(select(media_table.c.created_at)))) == [node.now()]
    await say(node, anna, "x", media_ids=[picture])


async def test_what_cannot_be_published_is_kept_with_the_reason_and_tried_again_when_asked(
    node: Node, anna: Viewer, bert: Viewer, clock: Clock
) -> None:
    asked = await say(node, bert, "a question")
    picture = await upload(node, anna)
    scheduled = await schedule(node, anna, "an answer", in_reply_to_id=asked, media_ids=[picture])
    await node.write_as(bert, posts.delete, PostId(asked))
    clock.advance(3600)
    for _ in range(2):
        await scheduling.publish(node, scheduled)
    row = await node.read_as(anna, scheduling.get, scheduled)
    assert (row.failed_at, bool(row.last_error)) == (node.now(), True)
    assert list(await node.read(media.reserved, [scheduled])) == [scheduled]
    await node.write_as(anna, scheduling.move, scheduled, node.now() + HOUR)
    row = await node.read_as(anna, scheduling.get, scheduled)
    assert (row.failed_at, row.last_error) == (None, None)


async def test_the_suspended_publish_nothing_and_lose_nothing(node: Node, anna: Viewer, clock: Clock) -> None:
    scheduled = await schedule(node, anna)
    admin = await make_person(node, "boss", roles=("employee", "admin"))
    await node.write_as(admin, accounts.suspend, id_of(anna))
    clock.advance(3600)
    await scheduling.publish(node, scheduled)
    assert await published(node) == []
    await node.write_as(admin, accounts.unsuspend, id_of(anna))
    assert await waiting(node, anna) == [scheduled]


async def test_nothing_is_left_of_who_is_gone(node: Node, anna: Viewer, clock: Clock) -> None:
    scheduled = await schedule(node, anna, media_ids=[await upload(node, anna)])
    await node.write(accounts.delete_account, id_of(anna))
    clock.advance(3600)
    await scheduling.publish(node, scheduled)
    assert (await published(node), await count_of(node, scheduled_post), await kept_files(node)) == ([], 0, [])


async def test_after_a_backup_was_brought_back_what_was_due_since_waits(node: Node, anna: Viewer, clock: Clock) -> None:
    early, meanwhile, late = [await schedule(node, anna, after=hours * HOUR) for hours in (1, 3, 5)]
    made_at = node.now() + 2 * HOUR
    marks = {CATCH_UP_FROM: made_at, RESTORED_AT: made_at + 2 * HOUR}
    rows = [{"key": key, "value": str(value)} for key, value in marks.items()]
    await node.write(lambda tx: tx.execute(insert(meta), rows))
    await node.write(recovery.catch_up)
    clock.advance(6 * 3600)
    for one in (early, meanwhile, late):
        await scheduling.publish(node, one)
    assert len(await published(node)) == 2
    row = await node.read_as(anna, scheduling.get, meanwhile)
    assert "may have been published already" in row.last_error


def test_the_names_in_stored_drafts_stay() -> None:
    """They are read back by whatever release comes next."""
    names = "text spoiler sensitive visibility local_only language in_reply_to_id quoted_id quote_policy media_ids poll"
    assert set(names.split()) <= set(Draft.__dataclass_fields__)
    assert set(Asked.__dataclass_fields__) == {"options", "expires_in", "multiple", "hide_totals"}
