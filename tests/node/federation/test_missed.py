"""What a restored peer is told: what was for it, and nothing of which its people may not know."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from activitypub.audience import Visibility
from activitypub.errors import Malformed
from node import posts, reactions, social, viewer
from node.errors import NotFound
from node.federation import missed, retractions
from node.posts import Changes
from node.runtime import Node
from node.schema import peer as peers_table
from node.schema import retraction, tag_subscriber
from node.viewer import Viewer
from tests.conftest import make_settings
from tests.support.actors import make_remote
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.posting import following, heard, say
from tests.support.rows import count_of, id_of, rows_of

FIELD, OTHER = "field.example", "other.example"


@pytest.fixture
def settings(tmp_path: Any, engine_name: str, new_database_url: Any, changes: dict[str, Any]) -> Any:
    from node.secrets import create_secret

    create_secret(tmp_path)
    chosen = {"mode": "allowlist", "allowlist": [FIELD, OTHER], **changes}
    return make_settings(tmp_path, database_url=new_database_url(engine_name, tmp_path), federation=chosen)


@pytest.fixture
def changes() -> dict[str, Any]:
    return {}


@pytest.fixture
async def people(node: Node) -> tuple[Viewer, Viewer, Viewer]:
    """anna of ours; bert of field.example, who follows her; olga of other.example, who does not."""
    anna = await make_person(node, "anna")
    bert, olga = await make_remote(node, "bert", domain=FIELD), await make_remote(node, "olga", domain=OTHER)
    await following(node, bert, anna)
    return anna, bert, olga


async def told(node: Node, domain: str, since: int) -> list[dict[str, Any]]:
    """Everything that the peer is told, read page by page as it would."""
    found: list[dict[str, Any]] = []
    query: Sequence[tuple[str, str]] = [("since", str(since))]
    for _ in range(500):
        asked = missed.asked(dict(query))
        assert asked is not None
        page = await node.read_as(viewer.peer(domain), missed.collection, asked)
        assert page["id"] == f"{node.urls.history}?" + "&".join(f"{name}={value}" for name, value in query)
        found += page.get("orderedItems", [])
        following_ = page.get("first") or page.get("next")
        if following_ is None:
            return found
        query = parse_qsl(urlsplit(following_).query)
    raise AssertionError("no end of pages")


async def texts(node: Node, domain: str, since: int) -> list[str]:
    found = await told(node, domain, since)
    return [
        one["object"]["content"].removeprefix("<p>").partition("<")[0][:8].strip()
        for one in found
        if one["type"] == "Create"
    ]


async def test_each_peer_is_told_what_was_delivered_to_it_and_no_more(
    node: Node, people: tuple[Viewer, Viewer, Viewer], clock: Clock
) -> None:
    anna, _, olga = people
    since = node.now()
    await say(node, anna, "public")
    await say(node, anna, "unlisted", visibility=Visibility.UNLISTED)
    await say(node, anna, "followers", visibility=Visibility.FOLLOWERS)
    await say(node, anna, "to bert @bert@field.example", visibility=Visibility.DIRECT)
    await say(node, anna, "to olga @olga@other.example", visibility=Visibility.DIRECT)
    await say(node, anna, "to none", visibility=Visibility.DIRECT)
    await say(node, anna, "among us", local_only=True)
    theirs = await heard(node, olga)
    await say(node, anna, "answer to olga", in_reply_to_id=theirs, visibility=Visibility.UNLISTED)
    assert await texts(node, FIELD, since) == ["public", "unlisted", "follower", "to bert", "answer t"]
    assert await texts(node, OTHER, since) == ["public", "to olga", "answer t"]
    assert await texts(node, "stranger.example", since) == []


async def test_nothing_is_told_of_before_and_a_long_time_is_read_day_by_day(
    node: Node, people: tuple[Viewer, Viewer, Viewer], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missed, "PAGE", 2)
    anna, _, _ = people
    await say(node, anna, "before")
    clock.advance(10)
    since = node.now()
    for number in range(5):
        await say(node, anna, f"no {number}")
        clock.advance(1.7 * 86_400 if number > 2 else 1)
    assert await texts(node, FIELD, since) == [f"no {number}" for number in range(5)]
    clock.advance((missed.DAYS - 1) * 86_400)
    assert await texts(node, FIELD, 0) == []


async def test_edits_of_what_is_older_are_told_to_who_has_it(
    node: Node, people: tuple[Viewer, Viewer, Viewer], clock: Clock
) -> None:
    anna, _, _ = people
    few = await say(node, anna, "few", visibility=Visibility.FOLLOWERS)
    every = await say(node, anna, "every")
    await say(node, anna, "as it was")
    clock.advance(60)
    since = node.now()
    for post_id in (few, every):
        await node.write_as(anna, posts.edit, post_id, Changes(text=f"edited {post_id}"))
    found = [one["object"] for one in await told(node, FIELD, since)]
    assert [("updated" in one, one["id"].endswith(str(id_))) for one, id_ in zip(found, (few, every), strict=True)]
    assert len(await told(node, OTHER, since)) == 1


async def test_what_was_taken_back_is_told_to_who_was_told_then(
    node: Node, people: tuple[Viewer, Viewer, Viewer], clock: Clock
) -> None:
    """Of a narrow post nobody else learns that there was something."""
    anna, _, _ = people
    few = await say(node, anna, "few", visibility=Visibility.FOLLOWERS)
    direct = await say(node, anna, "@olga@other.example", visibility=Visibility.DIRECT)
    boosted = await say(node, anna, "public")
    await node.write_as(anna, reactions.boost, boosted)
    among_us = await say(node, anna, "among us", local_only=True)
    await node.write(lambda tx: tx.conn.exec_driver_sql("UPDATE delivery SET attempts = 1"))  # all have arrived
    clock.advance(60)
    since = node.now()
    await node.write_as(anna, reactions.unboost, boosted)
    for post_id in (few, direct, among_us):
        await node.write_as(anna, posts.delete, post_id)

    async def taken_back(domain: str) -> list[tuple[str, bool]]:
        return [(one["type"], str(few) in one["id"]) for one in await told(node, domain, since)]

    assert await taken_back(FIELD) == [("Undo", False), ("Delete", True)]
    assert await taken_back(OTHER) == [("Undo", False), ("Delete", False)]
    assert await taken_back("stranger.example") == []
    assert await told(node, FIELD, since + 1) == []
    assert await node.write(lambda tx: retractions.prune(tx, before=since, limit=10)) == 0
    assert await node.write(lambda tx: retractions.prune(tx, before=since + 1, limit=10)) > 0
    assert await rows_of(node, retraction) == []


async def test_favourites_and_reactions_are_told_to_the_authors_node_alone(
    node: Node, people: tuple[Viewer, Viewer, Viewer], clock: Clock
) -> None:
    from node import reacting

    anna, bert, olga = people
    theirs, others = await heard(node, bert, name="1"), await heard(node, olga, name="2")
    await node.write_as(anna, reactions.favourite, others)
    clock.advance(60)
    since = node.now()
    await node.write_as(anna, reactions.favourite, theirs)
    await node.write_as(anna, reacting.react, theirs, "👍")
    assert [(one["type"], one.get("content")) for one in await told(node, FIELD, since)] == [
        ("Like", None),
        ("Like", "👍"),
    ]
    assert await told(node, OTHER, since) == []


@pytest.mark.parametrize("changes", [{"spread": "subscribed"}])
async def test_by_subscription_only_what_was_asked_for_is_told(
    node: Node, people: tuple[Viewer, Viewer, Viewer]
) -> None:
    anna, _, _ = people
    carl = await make_person(node, "carl")
    since = node.now()
    await say(node, carl, "plain")
    tagged = await say(node, carl, "#pump")
    await say(node, carl, "#pump quietly", visibility=Visibility.UNLISTED)
    await say(node, anna, "followed")
    assert await texts(node, FIELD, since) == ["followed"]
    assert await texts(node, OTHER, since) == []

    def subscribe(tx: Any) -> None:
        from node import tags
        from node.federation import peers

        row = {"peer_id": peers.ids(tx, [OTHER])[OTHER], "tag_id": next(iter(tags.ensure(tx, ["pump"]).values()))}
        tx.execute(tag_subscriber.insert(), {**row, "inbox": "https://other.example/inbox", "created_at": 1})

    await node.write(subscribe)
    (found,) = await told(node, OTHER, since)
    assert found["object"]["id"].endswith(str(tagged))
    assert await texts(node, FIELD, since) == ["followed"]
    assert await count_of(node, peers_table, peers_table.c.domain == OTHER) == 1


@pytest.mark.parametrize("changes", [{"mode": "open"}])
async def test_where_anybody_may_come_nothing_is_told_unasked(
    node: Node, people: tuple[Viewer, Viewer, Viewer]
) -> None:
    anna, _, _ = people
    since = node.now()
    await say(node, anna, "public")
    assert await texts(node, FIELD, since) == ["public"]
    assert await texts(node, OTHER, since) == []


async def test_who_unfollowed_or_is_suspended_here_is_out(node: Node, people: tuple[Viewer, Viewer, Viewer]) -> None:
    anna, bert, _ = people
    since = node.now()
    await say(node, anna, "few", visibility=Visibility.FOLLOWERS)
    assert await texts(node, FIELD, since) == ["few"]
    await node.write(lambda tx: social.record_unfollow(tx, id_of(bert), id_of(anna)))
    assert await texts(node, FIELD, since) == []


@pytest.mark.parametrize("who", ["person", "nobody", "anonymous reader"])
async def test_only_a_nodes_own_actor_is_told(node: Node, people: tuple[Viewer, Viewer, Viewer], who: str) -> None:
    asking = {
        "person": people[1],
        "nobody": viewer.NOBODY,
        "anonymous reader": Viewer(viewer.Kind.NOBODY, anonymous_read=True),
    }[who]
    with pytest.raises(NotFound):
        await node.read_as(asking, missed.collection, missed.Asked(node.now(), "posts"))


@pytest.mark.parametrize(
    "query",
    [
        {"since": ""},
        {"since": "-1"},
        {"since": "1e3"},
        {"since": "٣"},
        {"since": "9" * 19},
        {"since": "1", "part": "secrets"},
        {"since": "1", "after": "5"},
        {"since": "1", "part": "posts", "after": "x"},
    ],
)
def test_what_is_no_page_is_malformed(query: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        missed.asked(query)
    assert missed.asked({"page": "true"}) is None


@pytest.mark.parametrize("part", ["posts", "edits", "favourites", "reactions", "retractions"])
@pytest.mark.parametrize("number", [0, 10**18 - 1])
async def test_any_number_is_answered(
    node: Node, people: tuple[Viewer, Viewer, Viewer], part: str, number: int
) -> None:
    for asked in (missed.Asked(number, part, number), missed.Asked(0, part, number), missed.Asked(number, part)):
        page = await node.read_as(viewer.peer(FIELD), missed.collection, asked)
        assert page["orderedItems"] == []
