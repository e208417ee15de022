"""Search in posts: what is found, in which order, and what an operator means."""

from typing import Any

import pytest

from node import posts, search, social
from node.errors import Invalid
from node.ids import PostId
from node.runtime import Node
from node.viewer import Viewer
from tests.support.actors import make_remote
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.posting import heard, say
from tests.support.rows import id_of

DAY = 86_400


async def find(node: Node, who: Viewer, q: str, **options: Any) -> list[PostId]:
    return await node.read_as(who, search.posts, q, **options)


@pytest.mark.parametrize(
    ("text", "asked", "found"),
    [
        ("Die Müllabfuhr kommt", "mullabfuhr", True),
        ("Die Müllabfuhr kommt", "abfuhr", False),
        ("東京タワーへ行く", "東京", True),
        ("東京タワーへ行く", "京都", False),
        ("all about #Kafka", "#kafka", True),
        ("all about Kafka", "#kafka", False),
        ("all about #Kafka", "kafka", True),
        ("see net/mlx5 and c++", "net/mlx5 c++", True),
        ("the quick brown fox", '"quick brown"', True),
        ("the quick brown fox", '"brown quick"', False),
        ("the quick brown fox", "fox -quick", False),
        ("the quick brown fox", "fox -slow", True),
        ("the quick brown fox", "fox hen", False),
        ("it's \"quoted\" 'text' \\ & | ! : * (x)", "quoted text", True),
    ],
)
async def test_what_is_found(node: Node, text: str, asked: str, found: bool) -> None:
    anna = await make_person(node, "anna")
    post_id = await say(node, anna, text)
    assert await find(node, anna, asked) == ([post_id] if found else [])


@pytest.mark.parametrize(
    "asked", ["", "  ", "-only", "*", '"', "'", "AND OR NOT NEAR(", "a:b", "tokens : x", "\\", "!|&()"]
)
async def test_odd_queries_find_something_or_nothing_but_never_fail(node: Node, asked: str) -> None:
    anna = await make_person(node, "anna")
    await say(node, anna, "a post")
    assert await find(node, anna, asked) == []


async def test_the_newest_comes_first_and_pages_follow(node: Node, clock: Clock) -> None:
    anna = await make_person(node, "anna")
    made = []
    for number in range(5):
        clock.advance(1)
        made.append(await say(node, anna, f"report {number}"))
    made.reverse()
    assert await find(node, anna, "report") == made
    assert await find(node, anna, "report", limit=2, offset=1) == made[1:3]
    assert await find(node, anna, "report", max_id=made[1]) == made[2:]
    assert await find(node, anna, "report", min_id=made[3]) == made[:3]


async def test_operators_narrow_it_down(node: Node, clock: Clock) -> None:
    anna, bea, far = await make_person(node, "anna"), await make_person(node, "bea"), await make_remote(node)
    first = await say(node, anna, "report")  # 2026-09-21
    clock.advance(3 * DAY)
    second = await say(node, bea, "report")  # 2026-09-24
    third = await heard(node, far, "<p>report</p>")
    assert await find(node, anna, "report from:me") == [first]
    assert await find(node, anna, "from:@bea") == [second]
    assert await find(node, anna, "report from:Bert@field.example") == [third]
    assert await find(node, anna, "report from:bea@eng.example") == [second]
    assert await find(node, anna, "report from:nobody") == []
    assert await find(node, anna, "report", account_id=id_of(anna)) == [first]
    assert await find(node, anna, "report from:bea", account_id=id_of(anna)) == []
    assert await find(node, anna, "report before:2026-09-22") == [first]
    assert await find(node, anna, "report before:2026-09-21") == []
    assert await find(node, anna, "report after:2026-09-21") == [third, second]
    assert await find(node, anna, "report after:2026-09-24") == []
    assert await find(node, anna, "after:2026-09-20 before:2026-09-22") == [first]
    with pytest.raises(Invalid):
        await find(node, anna, "before:yesterday")


async def test_posts_of_people_one_muted_are_left_out_unless_asked_for(node: Node) -> None:
    anna, loud = await make_person(node, "anna"), await make_person(node, "loud")
    post_id = await say(node, loud, "report")
    await node.write_as(anna, social.mute, id_of(loud))
    assert await find(node, anna, "report") == []
    assert await find(node, anna, "report from:loud") == [post_id]


async def test_the_warning_is_searched_and_the_markup_is_not(node: Node) -> None:
    anna, far = await make_person(node, "anna"), await make_remote(node)
    here = await say(node, anna, "text", spoiler="warning")
    there = await heard(node, far, '<p class="ellipsis">te<b>xt</b></p>', spoiler="warning")
    assert await find(node, anna, "warning text") == [there, here]
    assert await find(node, anna, "ellipsis") == []


async def test_a_large_index_is_read_newest_first(node: Node) -> None:
    """A word that everybody uses is no reason to read all its posts: SQLite walks the index from the end."""
    anna = await make_person(node, "anna")
    made = await node.write_as(
        anna, lambda tx: [posts.publish(tx, posts.Draft(f"common {number}")) for number in range(50)]
    )
    assert await find(node, anna, "common", limit=3) == sorted(made, reverse=True)[:3]
    assert len(await find(node, anna, "common", limit=1000)) == search.MAX_RESULTS


async def test_an_index_that_is_there_is_left_alone(node: Node) -> None:
    anna = await make_person(node, "anna")
    post_id = await say(node, anna, "kept")
    await node.write(lambda tx: [tx.conn.exec_driver_sql(one) for one in search.ddl(tx.dialect)] and None)
    assert await find(node, anna, "kept") == [post_id]
