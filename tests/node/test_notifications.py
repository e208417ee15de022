"""What a person is told, and what not."""

from typing import Any

import pytest

from activitypub.audience import Visibility
from node import accounts, notifications, posts, social
from node.errors import Forbidden, NotFound
from node.paging import Page
from node.posts import Draft
from node.runtime import Node
from node.schema import event, notification
from node.viewer import NOBODY, Viewer
from tests.support.actors import make_remote
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.rows import count_of, id_of, rows_of


async def tell(node: Node, who: Viewer, by: Viewer, kind: str = "favourite", **about: Any) -> None:
    await node.write(lambda tx: notifications.notify(tx, id_of(who), kind, id_of(by), **about))


async def kinds(node: Node, who: Viewer, page: Page = Page(), **filters: Any) -> list[str]:  # noqa: B008 - frozen
    rows = await node.read_as(who, lambda tx: notifications.page(tx, page, **filters))
    return [row.kind for row in rows]


async def publish(node: Node, author: Viewer, text: str, **draft: Any) -> int:
    return await node.write_as(author, posts.publish, Draft(text, **draft))


async def test_somebody_is_told_once_and_streams_hear_of_it(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    for _ in range(2):
        await tell(node, anna, bea)
    (row,) = await rows_of(node, notification)
    assert (row.account_id, row.kind, row.from_id) == (anna.account_id, "favourite", bea.account_id)
    heard = await rows_of(node, event, event.c.kind == "notification")
    assert [(one.account_id, one.data) for one in heard] == [(anna.account_id, {"id": row.id})]


async def test_nobody_is_told_of_their_own_doing_but_of_a_poll_that_ended(node: Node) -> None:
    anna = await make_person(node, "anna")
    await tell(node, anna, anna)
    assert await kinds(node, anna) == []
    await tell(node, anna, anna, "poll")
    assert await kinds(node, anna) == ["poll"]


async def test_blocked_muted_and_suspended_people_are_not_heard_of(node: Node, clock: Clock) -> None:
    anna = await make_person(node, "anna")
    blocked, muted, quiet, bad = [await make_person(node, name) for name in ("blocked", "muted", "quiet", "bad")]
    await node.write_as(anna, social.block, id_of(blocked))
    await node.write_as(anna, lambda tx: social.mute(tx, id_of(muted), seconds=60))
    await node.write_as(anna, lambda tx: social.mute(tx, id_of(quiet), hide_notifications=False))
    await node.write(accounts.suspend, id_of(bad))
    for by in (blocked, muted, quiet, bad):
        await tell(node, anna, by)
    assert [row.from_id for row in await rows_of(node, notification)] == [quiet.account_id]
    clock.advance(60)
    await tell(node, anna, muted)
    assert await count_of(node, notification) == 2


async def test_only_people_of_this_node_in_good_standing_are_told(node: Node) -> None:
    anna, bert = await make_person(node, "anna"), await make_remote(node, "bert")
    bad, gone = await make_person(node, "bad"), await make_person(node, "gone")
    await node.write(accounts.suspend, id_of(bad))
    await node.write(accounts.delete_account, id_of(gone))
    node_actor = (await node.read(accounts.node_actor)).id
    everybody = [id_of(bert), id_of(bad), id_of(gone), node_actor, 12345, id_of(anna), id_of(anna)]
    sender = await make_person(node, "sender")
    await node.write(lambda tx: notifications.notify_each(tx, everybody, "status", id_of(sender)))
    assert [row.account_id for row in await rows_of(node, notification)] == [anna.account_id]
    await node.write(lambda tx: notifications.notify_each(tx, [], "status", id_of(sender)))


async def test_pages_are_filtered_and_in_order(node: Node, clock: Clock) -> None:
    anna, bea, carl = [await make_person(node, name) for name in ("anna", "bea", "carl")]
    for by, kind in ((bea, "follow"), (bea, "favourite"), (carl, "favourite"), (carl, "reblog")):
        clock.advance(1)
        await tell(node, anna, by, kind)
    assert await kinds(node, anna) == ["reblog", "favourite", "favourite", "follow"]
    assert await kinds(node, anna, kinds=["follow", "reblog", "nonsense"]) == ["reblog", "follow"]
    assert await kinds(node, anna, exclude=["favourite"]) == ["reblog", "follow"]
    assert await kinds(node, anna, kinds=["nonsense"]) == []
    assert await kinds(node, anna, from_account=id_of(bea)) == ["favourite", "follow"]
    assert await kinds(node, bea) == []
    rows = await node.read_as(anna, notifications.page, Page())
    ids = [row.id for row in rows]
    pages = {
        Page(limit=2): ids[:2],
        Page(max_id=ids[1]): ids[2:],
        Page(since_id=ids[2]): ids[:2],
        Page(limit=1, min_id=ids[2]): [ids[1]],
        Page(limit=1, since_id=ids[2]): [ids[0]],
    }
    for page, expected in pages.items():
        assert [row.id for row in await node.read_as(anna, notifications.page, page)] == expected
    assert await node.read_as(anna, notifications.count) == 4
    assert await node.read_as(anna, lambda tx: notifications.count(tx, after_id=ids[2])) == 2
    assert await node.read_as(anna, lambda tx: notifications.count(tx, limit=3)) == 3


async def test_a_notification_is_shown_only_while_its_post_may_be_seen(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    await publish(node, bea, "@anna hello")
    await publish(node, bea, "@anna in private", visibility=Visibility.DIRECT)
    secret = await publish(node, bea, "for followers", visibility=Visibility.FOLLOWERS)
    await tell(node, anna, bea, "status", post_id=secret)
    assert await kinds(node, anna) == ["mention", "mention"]
    hidden = next(row.id for row in await rows_of(node, notification) if row.kind == "status")
    with pytest.raises(NotFound):
        await node.read_as(anna, notifications.get, hidden)
    assert await node.read_as(anna, notifications.count) == 2
    await node.write_as(anna, social.follow, id_of(bea))
    assert await kinds(node, anna) == ["status", "mention", "mention"]
    assert (await node.read_as(anna, notifications.get, hidden)).post_id == secret
    await node.write(accounts.suspend, id_of(bea))
    assert await kinds(node, anna) == []


async def test_the_notification_goes_with_the_post(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    post_id = await publish(node, bea, "@anna hello")
    assert await kinds(node, anna) == ["mention"]
    await node.write_as(bea, posts.delete, post_id)
    assert await count_of(node, notification) == 0


async def test_what_is_undone_is_withdrawn_and_may_be_told_again(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    await tell(node, anna, bea, "follow")
    await tell(node, anna, bea, "favourite")
    await node.write(lambda tx: notifications.withdraw(tx, id_of(anna), "favourite", id_of(bea)))
    assert await kinds(node, anna) == ["follow"]
    await tell(node, anna, bea, "favourite")
    assert await kinds(node, anna) == ["favourite", "follow"]


async def test_everybody_dismisses_their_own_alone(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    await tell(node, anna, bea, "follow")
    await tell(node, anna, bea, "favourite")
    await tell(node, bea, anna, "follow")
    first = (await node.read_as(anna, notifications.page, Page()))[0].id
    with pytest.raises(NotFound):
        await node.write_as(bea, notifications.dismiss, first)
    with pytest.raises(NotFound):
        await node.read_as(bea, notifications.get, first)
    await node.write_as(anna, notifications.dismiss, first)
    with pytest.raises(NotFound):
        await node.write_as(anna, notifications.dismiss, first)
    await node.write_as(anna, notifications.clear)
    assert await kinds(node, anna) == []
    assert await kinds(node, bea) == ["follow"]


async def test_nobody_has_no_notifications_at_all(node: Node) -> None:
    for rule in (notifications.clear, notifications.count):
        with pytest.raises(Forbidden):
            await node.write_as(NOBODY, rule)
    with pytest.raises(Forbidden):
        await node.read_as(NOBODY, notifications.page, Page())
