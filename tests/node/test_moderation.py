"""Reports from here and from peers."""

from functools import partial

import pytest

from activitypub.audience import Visibility
from node import accounts, moderation, notifications, posts
from node.errors import Forbidden, Invalid, NotFound
from node.paging import Page
from node.posts import Draft
from node.runtime import Node
from node.schema import notification, report
from node.viewer import Viewer
from tests.support.actors import make_remote
from tests.support.people import make_person
from tests.support.rows import count_of, id_of, rows_of, sent


async def publish(node: Node, author: Viewer, text: str, visibility: Visibility = Visibility.PUBLIC) -> int:
    return await node.write_as(author, posts.publish, Draft(text, visibility=visibility))


async def test_a_report_reaches_those_who_moderate(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    moderator = await make_person(node, "mo", roles=("employee", "moderator"))
    admin = await make_person(node, "root", roles=("admin",))
    off = await make_person(node, "off", roles=("moderator",))
    await node.write(accounts.disable, id_of(off))
    post_id = await publish(node, bea, "rude")
    report_id = await node.write_as(anna, moderation.file_report, id_of(bea), [post_id, post_id], "Rude!")
    (row,) = await rows_of(node, report)
    assert (row.id, row.reporter_id, row.target_id) == (report_id, anna.account_id, bea.account_id)
    assert (row.post_ids, row.comment, row.forwarded) == ([post_id], "Rude!", False)
    told = await rows_of(node, notification)
    assert {(one.account_id, one.kind, one.report_id) for one in told} == {
        (moderator.account_id, "admin.report", report_id),
        (admin.account_id, "admin.report", report_id),
    }
    assert [one.kind for one in await node.read_as(moderator, notifications.page, Page())] == ["admin.report"]
    assert await sent(node) == []


async def test_one_reports_what_one_sees_and_whose_it_is(node: Node) -> None:
    anna, bea, carl = [await make_person(node, name) for name in ("anna", "bea", "carl")]
    secret = await publish(node, bea, "for followers", Visibility.FOLLOWERS)
    foreign = await publish(node, carl, "not bea's")
    for post_ids in ([secret], [foreign], [12345]):
        with pytest.raises(NotFound):
            await node.write_as(anna, moderation.file_report, id_of(bea), post_ids)
    with pytest.raises(NotFound):
        await node.write_as(anna, moderation.file_report, 12345)
    with pytest.raises(Forbidden):
        await node.write_as(anna, moderation.file_report, id_of(anna))
    with pytest.raises(Invalid):
        await node.write_as(anna, moderation.file_report, id_of(bea), [], "x" * 1001)
    assert await count_of(node, report) == 0


async def test_a_report_is_forwarded_when_asked_and_only_to_a_peer(node: Node) -> None:
    anna, bea, bert = await make_person(node, "anna"), await make_person(node, "bea"), await make_remote(node, "bert")
    rule = partial(moderation.file_report, forward=True)
    await node.write_as(anna, rule, id_of(bea))
    assert await sent(node) == []
    await node.write_as(anna, moderation.file_report, id_of(bert))
    assert await sent(node) == []
    await node.write_as(anna, rule, id_of(bert))
    assert await sent(node) == ["Flag"]
    assert [row.forwarded for row in await rows_of(node, report)] == [False, False, True]


async def test_a_peers_flag_is_one_report_about_our_own(node: Node) -> None:
    moderator = await make_person(node, "mo", roles=("moderator",))
    anna, bea, bert = await make_person(node, "anna"), await make_person(node, "bea"), await make_remote(node, "bert")
    own, foreign = await publish(node, anna, "own"), await publish(node, bea, "bea's")
    rule = partial(moderation.receive_report, iri="https://field.example/flag/1")
    first = await node.write(rule, id_of(bert), id_of(anna), [own, foreign, 12345], "Rude\x00" * 900)
    assert await node.write(rule, id_of(bert), id_of(anna), [], None) == first
    (row,) = await rows_of(node, report)
    assert (row.post_ids, len(row.comment)) == ([own], 1000)
    assert [one.account_id for one in await rows_of(node, notification)] == [moderator.account_id]
    carl = await make_remote(node, "carl")
    for target in (id_of(carl), 12345):
        with pytest.raises(NotFound):
            await node.write(moderation.receive_report, id_of(bert), target, [], None)


async def test_reports_are_read_and_resolved_by_role(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    moderator = await make_person(node, "mo", roles=("moderator",))
    auditor = await make_person(node, "au", roles=("auditor",))
    report_id = await node.write_as(anna, moderation.file_report, id_of(bea))
    assert (await node.read_as(anna, moderation.get, report_id)).target_id == bea.account_id
    with pytest.raises(NotFound):
        await node.read_as(bea, moderation.get, report_id)
    for viewer in (anna, bea):
        with pytest.raises(Forbidden):
            await node.read_as(viewer, moderation.reports, Page())
    for viewer in (anna, auditor):
        with pytest.raises(Forbidden):
            await node.write_as(viewer, moderation.resolve, report_id)
    assert [row.id for row in await node.read_as(auditor, moderation.reports, Page())] == [report_id]
    for _ in range(2):
        await node.write_as(moderator, moderation.resolve, report_id)
    assert await node.read_as(moderator, moderation.reports, Page()) == []
    resolved = await node.read_as(moderator, partial(moderation.reports, resolved=True), Page())
    assert [row.id for row in resolved] == [report_id]
    with pytest.raises(NotFound):
        await node.write_as(moderator, moderation.resolve, 12345)
