"""The one renderer: what it costs, what it keeps, and that nobody is shown what is another's."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert, update

from node import accounts, auth, posts, reactions, timelines
from node.errors import Invalid
from node.paging import Page
from node.posts import Draft
from node.runtime import Node, Tx
from node.schema import account, poll, poll_vote
from node.schema import post as post_table
from node.viewer import NOBODY, Viewer
from tests.support.people import make_person
from web.mastodon.entities import Renderer
from web.mastodon.kept import Kept


@pytest.fixture
def renderer(node: Node) -> Renderer:
    return Renderer(node.urls)


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements that were run inside."""
    run: list[str] = []

    def listen(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        run.append(statement)

    event.listen(Engine, "before_cursor_execute", listen)
    yield run
    event.remove(Engine, "before_cursor_execute", listen)


async def shown(node: Node, renderer: Renderer, viewer: Viewer, *ids: int) -> list[dict[str, Any]]:
    return [json.loads(one) for one in await node.read_as(viewer, renderer.statuses, list(ids))]


async def test_forty_posts_take_three_statements_when_known_and_eight_when_not(node: Node, renderer: Renderer) -> None:
    people = [await make_person(node, f"user{n}") for n in range(10)]
    written = []
    for number in range(40):
        author = people[number % 10]
        text = f"number {number} #pump @user1 https://example.org/{number}"
        written.append(await node.write_as(author, posts.publish, Draft(text)))
    boosts = [await node.write_as(people[number], reactions.boost, written[number]) for number in range(10)]
    ids = [*written[10:], *boosts]
    assert len(ids) == 40

    def statements(run: list[str]) -> int:
        return len([one for one in run if one.startswith("SELECT")])

    with counted() as run:
        cold = await node.read_as(people[0], renderer.statuses, ids)
    assert statements(run) == 8
    with counted() as run:
        warm = await node.read_as(people[0], renderer.statuses, ids)
    assert statements(run) == 3
    assert warm == cold
    assert [json.loads(one)["id"] for one in warm] == [str(id_) for id_ in ids]


async def test_a_status_has_every_field_that_clients_count_on(node: Node, renderer: Renderer) -> None:
    anna, bert = await make_person(node, "anna"), await make_person(node, "bert")
    post_id = await node.write_as(anna, posts.publish, Draft("Hello @bert, #Pump runs", spoiler="note", language="en"))
    (status,) = await shown(node, renderer, bert, post_id)
    assert status["id"] == str(post_id)
    assert status["created_at"].endswith("Z")
    assert len(status["created_at"]) == len("2026-01-02T03:04:05.678Z")
    assert [mention["acct"] for mention in status["mentions"]] == ["bert"]
    assert [tag["name"] for tag in status["tags"]] == ["pump"]
    lists = ("media_attachments", "mentions", "tags", "emojis", "filtered")
    assert all(isinstance(status[name], list) for name in lists)
    flags = ("favourited", "reblogged", "bookmarked", "pinned", "muted", "sensitive", "local_only")
    assert all(isinstance(status[name], bool) for name in flags)
    assert (status["visibility"], status["spoiler_text"], status["language"]) == ("public", "note", "en")
    author = status["account"]
    texts = ("id", "username", "acct", "url", "display_name", "note", "avatar", "header", "created_at")
    assert all(isinstance(author[name], str) for name in texts)
    assert set(author["corridor"]) == {"title", "department", "manager", "executive", "away_until"}


async def test_what_a_reader_did_is_theirs_alone(node: Node, renderer: Renderer) -> None:
    anna, bert, carl = [await make_person(node, name) for name in ("anna", "bert", "carl")]
    post_id = await node.write_as(anna, posts.publish, Draft("for all"))
    await node.write_as(bert, reactions.favourite, post_id)
    await node.write_as(bert, reactions.bookmark, post_id)
    boost_id = await node.write_as(carl, reactions.boost, post_id)
    await node.write_as(anna, reactions.pin, post_id)

    def done(status: dict[str, Any]) -> list[str]:
        return [name for name in ("favourited", "reblogged", "bookmarked", "pinned") if status[name]]

    by_reader = [done((await shown(node, renderer, who, post_id))[0]) for who in (anna, bert, carl)]
    assert by_reader == [["pinned"], ["favourited", "bookmarked"], ["reblogged"]]
    (boost,) = await shown(node, renderer, bert, boost_id)
    assert boost["account"]["acct"] == "carl"
    assert boost["reblog"]["account"]["acct"] == "anna"
    assert done(boost["reblog"]) == done(boost) == ["favourited", "bookmarked"]
    assert [boost["reblog"]["favourites_count"], boost["reblog"]["reblogs_count"]] == [1, 1]
    (for_nobody,) = await shown(node, renderer, NOBODY, post_id)
    assert "favourited" not in for_nobody


async def test_only_the_author_is_told_which_client_a_post_was_written_with(node: Node, renderer: Renderer) -> None:
    anna, bert = await make_person(node, "anna"), await make_person(node, "bert")
    made = await node.write(auth.register_app, "Pocket", ["app://back"], "read write", None)
    post_id = await node.write_as(anna, posts.publish, Draft("from a train", app_id=made.id))
    (own,) = await shown(node, renderer, anna, post_id)
    (others,) = await shown(node, renderer, bert, post_id)
    assert own["application"]["name"] == "Pocket"
    assert others["application"] is None


async def test_an_edit_a_count_and_a_new_name_are_seen_at_once(node: Node, renderer: Renderer) -> None:
    anna, bert = await make_person(node, "anna"), await make_person(node, "bert")
    post_id = await node.write_as(anna, posts.publish, Draft("first words"))
    await shown(node, renderer, bert, post_id)
    await node.write_as(anna, posts.edit, post_id, posts.Changes(text="second words"))
    await node.write_as(bert, posts.publish, Draft("an answer", in_reply_to_id=post_id))
    await node.write_as(anna, accounts.update_profile, accounts.ProfileChanges(display_name="Anna of the pumps"))
    (status,) = await shown(node, renderer, bert, post_id)
    assert "second words" in status["content"]
    assert status["edited_at"] is not None
    assert status["replies_count"] == 1
    assert status["account"]["display_name"] == "Anna of the pumps"


async def test_what_was_rendered_in_a_write_that_failed_is_not_kept(node: Node, renderer: Renderer) -> None:
    anna = await make_person(node, "anna")
    post_id = await node.write_as(anna, posts.publish, Draft("as it is"))
    forgetful = renderer.forgetful()

    def fails(tx: Tx) -> None:
        posts.edit(tx, post_id, posts.Changes(text="never stored"))
        assert b"never stored" in forgetful.statuses(tx, [post_id])[0]
        raise Invalid("no")

    with pytest.raises(Invalid):
        await node.write_as(anna, fails)
    await node.write_as(anna, posts.edit, post_id, posts.Changes(text="stored after all"))
    (status,) = await shown(node, renderer, anna, post_id)
    assert "stored after all" in status["content"]
    (again,) = [json.loads(one) for one in await node.read_as(anna, forgetful.statuses, [post_id])]
    assert "stored after all" in again["content"]


def test_an_older_revision_never_replaces_a_newer_one_and_the_oldest_entry_goes_first() -> None:
    kept: Kept[str] = Kept(2)
    kept.keep(1, 5, "new")
    kept.keep(1, 4, "old")
    assert kept.find([(1, 5)]) == ({1: "new"}, [])
    assert kept.find([(1, 4)]) == ({}, [1])
    kept.keep(2, 0, "two")
    kept.find([(1, 5)])
    kept.keep(3, 0, "three")
    assert kept.find([(1, 5), (2, 0), (3, 0)]) == ({1: "new", 3: "three"}, [2])
    assert len(kept) == 2


async def test_a_late_parent_shows_although_the_post_itself_did_not_change(node: Node, renderer: Renderer) -> None:
    anna = await make_person(node, "anna")
    parent = await node.write_as(anna, posts.publish, Draft("parent"))
    child = await node.write_as(anna, posts.publish, Draft("child", in_reply_to_id=parent))
    (status,) = await shown(node, renderer, anna, child)
    assert status["in_reply_to_id"] == str(parent)
    assert status["in_reply_to_account_id"] == str(anna.account_id)
    await node.write_as(anna, posts.delete, parent)
    (status,) = await shown(node, renderer, anna, child)
    assert status["in_reply_to_id"] is None


async def test_a_poll_shows_each_voter_their_own_choice(node: Node, renderer: Renderer) -> None:
    anna, bert = await make_person(node, "anna"), await make_person(node, "bert")
    post_id = await node.write_as(anna, posts.publish, Draft("which one?"))

    def make_poll(tx: Tx) -> None:
        options = [{"title": "this", "votes": 1}, {"title": "that", "votes": 0}]
        tx.execute(update(post_table).where(post_table.c.id == post_id).values(object_type="Question"))
        tx.execute(insert(poll), {"id": post_id, "post_id": post_id, "options": options, "expires_at": tx.now + 1000})
        tx.execute(insert(poll_vote), {"poll_id": post_id, "account_id": bert.account_id, "choice": 0})

    await node.write(make_poll)
    (by_bert,) = await shown(node, renderer, bert, post_id)
    (by_anna,) = await shown(node, renderer, anna, post_id)
    (by_nobody,) = await shown(node, renderer, NOBODY, post_id)
    assert (by_bert["poll"]["voted"], by_bert["poll"]["own_votes"]) == (True, [0])
    assert (by_anna["poll"]["voted"], by_anna["poll"]["own_votes"]) == (True, [])
    assert "voted" not in by_nobody["poll"]
    assert by_bert["poll"]["votes_count"] == 1
    assert not by_bert["poll"]["expired"]


async def test_manager_and_absence_are_shown_by_handle_and_time(node: Node, renderer: Renderer) -> None:
    await make_person(node, "boss")
    anna = await make_person(node, "anna", manager="boss", title="Pump engineer", executive=True)
    away = accounts.WorkChanges(away_until=1_790_000_000_123)
    await node.write(accounts.set_work, anna.account_id or 0, away)
    (one,) = [json.loads(body) for body in await node.read_as(anna, renderer.accounts, [anna.account_id or 0])]
    assert one["corridor"] == {
        "title": "Pump engineer",
        "department": "Engineering",
        "manager": "boss",
        "executive": True,
        "away_until": "2026-09-21T14:13:20.123Z",
    }


async def test_somebody_who_moved_shows_where_to(node: Node, renderer: Renderer) -> None:
    anna, new = await make_person(node, "anna"), await make_person(node, "anna_new")

    def move(tx: Tx) -> None:
        target = accounts.get(tx, new.account_id or 0).iri
        moved = update(account).where(account.c.id == anna.account_id)
        tx.execute(moved.values(moved_to_iri=target, rev=account.c.rev + 1))

    await node.write(move)
    (one,) = [json.loads(body) for body in await node.read_as(anna, renderer.accounts, [anna.account_id or 0])]
    assert one["moved"]["acct"] == "anna_new"


async def test_a_home_page_is_in_its_order(node: Node, renderer: Renderer) -> None:
    anna = await make_person(node, "anna")
    ids = [await node.write_as(anna, posts.publish, Draft(f"{n}")) for n in range(5)]

    def home(tx: Tx) -> list[bytes]:
        return renderer.statuses(tx, timelines.home(tx, Page(3)))

    page = [json.loads(one)["id"] for one in await node.read_as(anna, home)]
    assert page == [str(id_) for id_ in reversed(ids[2:])]
