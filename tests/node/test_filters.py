"""Filters: whose they are, what their words match, and how readers notice a change."""

from typing import Any

import pytest
from sqlalchemy import select

from activitypub.audience import Visibility
from node import accounts, filtering, filters, reactions
from node.errors import Conflict, Invalid, NotFound
from node.filters import Word
from node.runtime import Node
from node.schema import filter_keyword, filter_post, login, word_filter
from node.viewer import Viewer
from tests.support.people import make_person
from tests.support.posting import say
from tests.support.rows import count_of, id_of


@pytest.fixture
async def anna(node: Node) -> Viewer:
    return await make_person(node, "anna")


@pytest.fixture
async def bert(node: Node) -> Viewer:
    return await make_person(node, "bert")


async def revision(node: Node, who: Viewer) -> int:
    of = select(login.c.filters_rev).where(login.c.account_id == id_of(who))
    return int(await node.read(lambda tx: tx.scalar(of)))


@pytest.mark.parametrize(
    ("keyword", "whole", "text", "found"),
    [
        ("seal", True, "the Seal leaks", True),
        ("seal", True, "the sealing leaks", False),
        ("seal", False, "the sealing leaks", True),
        ("seal", True, "unseal", False),
        ("SEAL", True, "a seal.", True),
        ("#seal", True, "about #seal", True),
        ("#seal", True, "about#seals", False),
        ("@bert", True, "mail@bert now", True),
        ("a.c", False, "abc", False),
        ("a.c", True, "(a.c)", True),
        ("c++", True, "in c++11", True),
        ("straße", True, "die STRASSE", True),
        ("猫", True, "黒猫がいる", True),
        ("새 책", True, "이새 책은", True),
        ("ж", True, "жук", False),
    ],
)
def test_words_match_as_people_mean_them(keyword: str, whole: bool, text: str, found: bool) -> None:
    assert bool(filtering.pattern(keyword, whole_word=whole).search(text.casefold())) is found


async def test_matches_are_of_filters_that_are_in_force(node: Node, anna: Viewer) -> None:
    now = node.now()
    words = [Word("seal"), Word("pump")]
    one = await node.write_as(anna, filters.create, "one", ["home"], words=words, expires_at=now + 1000)
    await node.write_as(anna, filters.create, "empty", ["home"])
    found = (await node.read(filtering.of, [id_of(anna), 99]))[id_of(anna)]
    assert [found_one.id for found_one in found] == [one]
    (match,) = filtering.matches(found, 5, "the pump", now)
    assert (match.keywords, match.by_post) == (("pump",), False)
    assert filtering.matches(found, 5, "the valve", now) == []
    assert filtering.matches(found, 5, "the pump", now + 1000) == []


async def test_a_filter_is_its_owners_alone(node: Node, anna: Viewer, bert: Viewer) -> None:
    filter_id = await node.write_as(anna, filters.create, "x", ["home"], words=[Word("seal")])
    post_id = await say(node, anna, "the seal")
    filtered = await node.write_as(anna, filters.add_post, filter_id, post_id)
    whole = await node.read_as(anna, filters.get, filter_id)
    word = whole.keywords[0].id
    calls: list[tuple[Any, ...]] = [
        (filters.get, filter_id),
        (filters.change, filter_id),
        (filters.remove, filter_id),
        (filters.add_keyword, filter_id, "x"),
        (filters.keyword, word),
        (filters.change_keyword, word, "x", True),
        (filters.remove_keyword, word),
        (filters.add_post, filter_id, post_id),
        (filters.filtered_post, filtered),
        (filters.remove_post, filtered),
    ]
    for rule, *args in calls:
        with pytest.raises(NotFound):
            await node.write_as(bert, rule, *args)
    assert await node.read_as(bert, filters.own) == []
    berts = await node.write_as(bert, filters.create, "x", ["home"])
    with pytest.raises(NotFound):
        await node.write_as(bert, lambda tx: filters.change(tx, berts, words=[Word("mine now", id=word)]))
    assert await revision(node, bert) == 1
    assert (await node.read_as(anna, filters.get, filter_id)) == whole


async def test_every_change_raises_the_revision_and_is_told(node: Node, anna: Viewer) -> None:
    assert await revision(node, anna) == 0
    filter_id = await node.write_as(anna, filters.create, "x", ["home"])
    word = await node.write_as(anna, filters.add_keyword, filter_id, "seal")
    post_id = await node.write_as(anna, filters.add_post, filter_id, await say(node, anna, "hello"))
    await node.write_as(anna, filters.change_keyword, word, None, False)
    await node.write_as(anna, lambda tx: filters.change(tx, filter_id, title="y"))
    await node.write_as(anna, filters.remove_keyword, word)
    await node.write_as(anna, filters.remove_post, post_id)
    await node.write_as(anna, filters.remove, filter_id)
    assert await revision(node, anna) == 8


async def test_limits_and_wrong_values(node: Node, anna: Viewer, bert: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong: list[tuple[tuple[str, list[str]], dict[str, Any], str]] = [
        (("", []), {}, "Title can't be blank, Context can't be blank, Context None or invalid context supplied"),
        (("x", ["home", "moon"]), {}, "Context None or invalid context supplied"),
        (("x" * 257, ["home"]), {}, "Title is too long"),
        (("x", ["home"]), {"action": "burn"}, "'burn' is not a valid filter_action"),
        (("x", ["home"]), {"words": [Word(" ")]}, "Keyword can't be blank"),
        (("x", ["home"]), {"words": [Word("x" * 513)]}, "Keyword is too long"),
    ]
    for args, more, words in wrong:
        with pytest.raises(Invalid, match=words):
            await node.write_as(anna, filters.create, *args, **more)
    assert (await count_of(node, word_filter), await revision(node, anna)) == (0, 0)
    for name in ("MAX_FILTERS", "MAX_KEYWORDS", "MAX_POSTS"):
        monkeypatch.setattr(filters, name, 1)
    filter_id = await node.write_as(anna, filters.create, "x", ["home"], words=[Word("x" * 512)])
    post_id = await say(node, bert, "hello")
    boost = await node.write_as(bert, reactions.boost, post_id)
    await node.write_as(anna, filters.add_post, filter_id, boost)
    with pytest.raises(Conflict, match="Status has already been taken"):
        await node.write_as(anna, filters.add_post, filter_id, post_id)
    other, hidden = await say(node, bert, "x"), await say(node, bert, "x", visibility=Visibility.DIRECT)
    with pytest.raises(NotFound):
        await node.write_as(anna, filters.add_post, filter_id, hidden)
    for call in (
        (filters.create, "y", ["home"]),
        (filters.add_keyword, filter_id, "y"),
        (filters.add_post, filter_id, other),
    ):
        rule: Any = call[0]
        with pytest.raises(Conflict):
            await node.write_as(anna, rule, *call[1:])


async def test_filters_go_with_their_owner(node: Node, anna: Viewer) -> None:
    filter_id = await node.write_as(anna, filters.create, "x", ["home"], words=[Word("seal")])
    await node.write_as(anna, filters.add_post, filter_id, await say(node, anna, "hello"))
    (line,), _, _ = await node.read(filters.lines, 0)
    assert (line["owner"], line["context"], line["keywords"]) == (
        "anna",
        ["home"],
        [{"keyword": "seal", "whole_word": True}],
    )
    assert line["posts"][0].startswith("https://eng.example/")
    await node.write_as(anna, accounts.delete_account, id_of(anna))
    for table in (word_filter, filter_keyword, filter_post):
        assert await count_of(node, table) == 0
