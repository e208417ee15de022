"""Operators of the search in posts: each finds what it says, and leaves its near miss alone."""

from typing import Any

import pytest

from activitypub.audience import Visibility
from node import polls, reactions, search, social
from node.errors import Invalid
from node.ids import PostId
from node.runtime import Node
from node.schema import account, media, mention, post, quote, reaction
from node.viewer import Viewer
from tests.support.actors import make_remote
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.posting import heard, say
from tests.support.rows import id_of

DAY = 86_400


async def find(node: Node, who: Viewer, q: str, **options: Any) -> list[PostId]:
    return await node.read_as(who, search.posts, q, **options)


async def narrows(node: Node, who: Viewer, operator: str, hits: list[PostId], misses: list[PostId]) -> None:
    """With a word, alone, and negated. All posts say "report"."""
    hits, misses = sorted(hits, reverse=True), sorted(misses, reverse=True)
    for q, found in ((operator, hits), (f"-{operator}", misses)):
        assert await find(node, who, f"report {q}") == found, q
        assert await find(node, who, q) == found, q


async def attach(node: Node, who: Viewer, post_id: PostId, *kinds: str) -> None:
    made = {"account_id": id_of(who), "post_id": post_id, "content_type": "x/y", "created_at": node.now()}
    await node.write(lambda tx: [tx.execute(media.insert(), made | {"id": tx.new_id(), "kind": one}) for one in kinds])


@pytest.mark.parametrize(
    ("kinds", "facts"),
    [
        (("image", "image"), {"media", "image"}),
        (("video",), {"media", "video"}),
        (("gifv",), {"media", "video"}),
        (("audio",), {"media", "audio"}),
        (("unknown",), {"media"}),
    ],
)
async def test_kinds_of_attachments(node: Node, kinds: tuple[str, ...], facts: set[str]) -> None:
    anna = await make_person(node, "anna")
    bare, full = await say(node, anna, "report"), await say(node, anna, "report")
    await attach(node, anna, full, *kinds)
    for fact in ("media", "image", "video", "audio"):
        hits, misses = ([full], [bare]) if fact in facts else ([], [bare, full])
        await narrows(node, anna, f"has:{fact}", hits, misses)


async def test_polls_links_quotes_answers_and_warnings(node: Node) -> None:
    anna, far = await make_person(node, "anna"), await make_remote(node)
    plain = await say(node, anna, "report")
    asked = await say(node, anna, "report", poll=polls.Asked(("a", "b"), expires_in=3600))
    linked = await say(node, anna, "report https://field.example/x")
    quoting = await say(node, anna, "report", quoted_id=plain)
    answer = await say(node, anna, "report", in_reply_to_id=plain)
    lost = await heard(node, far, "<p>report</p>", in_reply_to_iri="https://x.example/lost")
    warned = await say(node, anna, "report", sensitive=True)
    everything = [plain, asked, linked, quoting, answer, lost, warned]
    expected = {
        "has:poll": [asked],
        "has:link": [linked],
        "has:quote": [quoting],
        "is:quote": [quoting],
        "is:reply": [answer, lost],
        "is:sensitive": [warned],
        "has:embed": [],
        "in:all": everything,
    }
    for operator, hits in expected.items():
        await narrows(node, anna, operator, hits, [one for one in everything if one not in hits])


async def test_posts_of_bots_and_posts_for_all(node: Node) -> None:
    anna, robot = await make_person(node, "anna"), await make_person(node, "robot")
    await node.write(lambda tx: tx.execute(account.update().where(account.c.id == id_of(robot)).values(bot=True)))
    by_robot = await say(node, robot, "report")
    quiet = await say(node, anna, "report", visibility=Visibility.UNLISTED)
    await narrows(node, anna, "is:bot", [by_robot], [quiet])
    await narrows(node, anna, "in:public", [by_robot], [quiet])


async def test_languages_come_with_their_regions_and_no_others(node: Node) -> None:
    anna = await make_person(node, "anna")
    spoken = [await say(node, anna, "report", language=one) for one in ("de", "de-AT", "en")]
    silent = await say(node, anna, "report")
    await node.write(lambda tx: tx.execute(post.update().where(post.c.id == silent).values(language=None)))
    await narrows(node, anna, "language:DE", spoken[:2], [spoken[2], silent])
    await narrows(node, anna, "language:de-at", [spoken[1]], [spoken[0], spoken[2], silent])
    await narrows(node, anna, "language:deu", [], [*spoken, silent])
    assert await find(node, anna, "-language:de -language:en") == [silent]


async def test_the_library_is_what_one_had_to_do_with(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    names = ("favourite", "bookmark", "boost", "reaction", "vote", "mention")
    theirs = {name: await say(node, bea, f"report {name}") for name in names}
    theirs["vote"] = await say(node, bea, "report", poll=polls.Asked(("a", "b"), expires_in=3600))
    other = await say(node, bea, "report")
    own = await say(node, anna, "report")
    await node.write_as(anna, reactions.favourite, theirs["favourite"])
    await node.write_as(anna, reactions.bookmark, theirs["bookmark"])
    await node.write_as(anna, reactions.boost, theirs["boost"])
    await node.write_as(anna, polls.vote, theirs["vote"], [0])
    row = {"account_id": id_of(anna), "post_id": theirs["reaction"], "name": "👍", "created_at": node.now()}
    await node.write(lambda tx: tx.execute(reaction.insert(), row | {"id": tx.new_id()}))
    told = {"post_id": theirs["mention"], "account_id": id_of(anna)}
    await node.write(lambda tx: tx.execute(mention.insert(), told))
    assert await find(node, anna, "in:library") == sorted([*theirs.values(), own], reverse=True)
    assert await find(node, anna, "report in:library") == sorted([*theirs.values(), own], reverse=True)
    everything = await find(node, anna, "in:all")
    assert await find(node, anna, "-in:library") == [one for one in everything if one not in {*theirs.values(), own}]
    assert other in await find(node, anna, "-in:library")
    assert other not in await find(node, bea, "in:library from:anna")
    # What was once for anna and is no longer is not hers to find.
    await node.write_as(bea, social.block, id_of(anna))
    assert await find(node, anna, "in:library") == [own]


async def test_days_and_what_is_around_them(node: Node, clock: Clock) -> None:
    anna = await make_person(node, "anna")
    first = await say(node, anna, "report")  # 2026-09-21
    clock.advance(DAY)
    second = await say(node, anna, "report")
    clock.advance(DAY)
    third = await say(node, anna, "report")
    await narrows(node, anna, "during:2026-09-22", [second], [first, third])
    await narrows(node, anna, "before:2026-09-22", [first], [second, third])
    await narrows(node, anna, "after:2026-09-22", [third], [first, second])
    assert await find(node, anna, "-during:2026-09-21 -during:2026-09-23") == [second]


async def test_who_did_not_write_it(node: Node) -> None:
    anna, bea, cleo = [await make_person(node, name) for name in ("anna", "bea", "cleo")]
    made = [await say(node, who, "report") for who in (anna, bea, cleo)]
    await narrows(node, anna, "from:me", made[:1], made[1:])
    assert await find(node, anna, "report -from:anna -from:@bea") == [made[2]]
    assert await find(node, anna, "report -from:nobody") == made[::-1]
    assert await find(node, anna, "from:bea from:cleo") == []
    await node.write_as(anna, social.mute, id_of(cleo))
    assert await find(node, anna, "-from:bea") == [made[0]]


async def test_operators_in_quotes_or_within_words_are_words(node: Node) -> None:
    anna = await make_person(node, "anna")
    post_id = await say(node, anna, "he wrote is:reply there, and rehas:media")
    await say(node, anna, "something else")
    assert await find(node, anna, '"wrote is:reply there"') == [post_id]
    assert await find(node, anna, "rehas:media") == [post_id]
    assert await find(node, anna, "\u201cwrote is\u201d -is\uff1areply") == [post_id]


async def test_words_are_excluded_beside_operators_too(node: Node) -> None:
    anna = await make_person(node, "anna")
    kept = await say(node, anna, "東京タワーへ行く")
    await say(node, anna, "京都へ行く")
    assert await find(node, anna, "from:me -京都") == [kept]
    assert await find(node, anna, '-is:reply -"京都へ" -nothing') == [kept]


@pytest.mark.parametrize("asked", ["has:wings", "is:", "in:attic", "language:d_e", "during:soon", "-has:wings"])
async def test_what_no_operator_knows_is_said(node: Node, asked: str) -> None:
    anna = await make_person(node, "anna")
    if asked.endswith(":"):  # no value: a word
        assert await find(node, anna, asked) == []
        return
    with pytest.raises(Invalid):
        await find(node, anna, asked)


async def test_there_are_bounds(node: Node) -> None:
    anna = await make_person(node, "anna")
    with pytest.raises(Invalid):
        await find(node, anna, "is:reply " * 21)
    assert await find(node, anna, "is:reply " * 20) == []


async def test_without_a_lead_the_newest_are_walked(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the whole table; what is older is found with `before:` or with a word."""
    monkeypatch.setattr(search, "WALKED", 3)
    anna = await make_person(node, "anna")
    old = await say(node, anna, "report", sensitive=True)
    newer = [await say(node, anna, "report") for _ in range(3)]
    assert await find(node, anna, "is:sensitive") == [old]
    await say(node, anna, "report")
    assert await find(node, anna, "is:sensitive") == []
    assert await find(node, anna, "is:sensitive", max_id=newer[-1]) == [old]
    assert await find(node, anna, "report is:sensitive") == [old]


async def test_a_quote_that_is_not_here_is_one_all_the_same(node: Node) -> None:
    anna, far = await make_person(node, "anna"), await make_remote(node)
    post_id = await heard(node, far, "<p>report</p>")
    row = {"post_id": post_id, "quoted_iri": "https://x.example/1", "state": "pending", "created_at": node.now()}
    await node.write(lambda tx: tx.execute(quote.insert(), row))
    assert await find(node, anna, "has:quote") == [post_id]
