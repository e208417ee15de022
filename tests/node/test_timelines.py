"""Timelines: what is in them, in which order, and what they cost."""

from itertools import pairwise
from typing import Any

import pytest

from activitypub.audience import Visibility
from node import posts, reactions, social, timelines
from node.errors import Forbidden, NotFound
from node.ids import PostId
from node.paging import Page
from node.runtime import Node, Tx
from node.schema import media, post
from node.viewer import NOBODY, SYSTEM, Viewer
from tests.support.actors import make_remote
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.posting import following, heard, say
from tests.support.rows import id_of
from tests.support.statements import counted


async def people(node: Node, *names: str) -> list[Viewer]:
    return [await make_person(node, name) for name in names]


async def home(node: Node, who: Viewer, **page: Any) -> list[PostId]:
    return await node.read_as(who, timelines.home, Page(**page))


# --- Home ---------------------------------------------------------------------------------------------------------


async def test_home_is_ones_own_posts_and_those_of_people_one_follows(node: Node) -> None:
    me, bea, other = await people(node, "me", "bea", "other")
    far = await make_remote(node)
    await following(node, me, bea)
    await following(node, me, far)
    mine, hers = await say(node, me, "mine"), await say(node, bea, "hers", visibility=Visibility.UNLISTED)
    await say(node, other, "somebody's")
    theirs = await heard(node, far, visibility=Visibility.FOLLOWERS)
    assert await home(node, me) == [theirs, hers, mine]
    for who in (NOBODY, SYSTEM, far):
        with pytest.raises(Forbidden):
            await home(node, who)


async def test_a_follow_that_is_not_accepted_yet_shows_nothing(node: Node) -> None:
    me, bea = await people(node, "me", "bea")
    from node import accounts
    from node.accounts import ProfileChanges

    await node.write_as(bea, accounts.update_profile, ProfileChanges(locked=True))
    await node.write_as(me, social.follow, id_of(bea))
    await say(node, bea, "hers")
    assert await home(node, me) == []


async def test_answers_are_shown_when_one_follows_both_sides(node: Node) -> None:
    me, bea, cid, other = await people(node, "me", "bea", "cid", "other")
    for target in (bea, cid):
        await following(node, me, target)
    from_other = await say(node, other, "question")
    from_cid = await say(node, cid, "question")
    mine = await say(node, me, "question")
    await say(node, bea, "to a stranger", in_reply_to_id=from_other)
    to_cid = await say(node, bea, "to cid", in_reply_to_id=from_cid)
    to_me = await say(node, bea, "to me", in_reply_to_id=mine)
    to_self = await say(node, bea, "and another thing", in_reply_to_id=to_cid)
    own = await say(node, me, "my answer", in_reply_to_id=from_other)
    assert await home(node, me) == [own, to_self, to_me, to_cid, mine, from_cid]


async def test_an_answer_to_something_unknown_is_left_out(node: Node) -> None:
    me, far = await make_person(node, "me"), await make_remote(node)
    await following(node, me, far)
    await heard(node, far, in_reply_to_iri="https://elsewhere.example/1")
    assert await home(node, me) == []


async def test_boosts_are_shown_unless_one_does_not_want_them(node: Node) -> None:
    me, bea, cid, other = await people(node, "me", "bea", "cid", "other")
    await following(node, me, bea)
    await following(node, me, cid, boosts=False)
    post_id = await say(node, other, "worth reading")
    boost_id = await node.write_as(bea, reactions.boost, post_id)
    await node.write_as(cid, reactions.boost, post_id)
    own = await say(node, cid, "my own words")
    assert await home(node, me) == [own, boost_id]


async def test_whom_one_muted_or_blocked_is_not_at_home_not_even_boosted(node: Node, clock: Clock) -> None:
    me, bea, loud, foe = await people(node, "me", "bea", "loud", "foe")
    for target in (bea, loud):
        await following(node, me, target)
    from_loud, from_foe = await say(node, loud, "!!!"), await say(node, foe, "???")
    boosts = [await node.write_as(bea, reactions.boost, post_id) for post_id in (from_loud, from_foe)]
    await node.write_as(me, social.follow_tag, "Calm")
    tagged = await say(node, loud, "#calm")
    assert await home(node, me) == [tagged, *reversed(boosts), from_loud]
    await node.write_as(me, social.mute, id_of(loud), seconds=60)
    await node.write_as(me, social.block, id_of(foe))
    assert await home(node, me) == []
    clock.advance(61)
    assert await home(node, me) == [tagged, boosts[0], from_loud]


async def test_tags_that_one_follows_are_merged_in_once(node: Node) -> None:
    me, bea, other = await people(node, "me", "bea", "other")
    await following(node, me, bea)
    for name in ("kafka", "nats"):
        await node.write_as(me, social.follow_tag, name)
    one = await say(node, other, "#Kafka and #NATS")
    two = await say(node, bea, "nothing")
    three = await say(node, bea, "#kafka")
    await say(node, other, "#nats in a low voice", visibility=Visibility.UNLISTED)
    four = await say(node, other, "#nats aloud", local_only=True)
    assert await home(node, me) == [four, three, two, one]
    assert await home(node, me, limit=2) == [four, three]
    assert await home(node, me, limit=2, max_id=three) == [two, one]


async def test_home_pages_meet_without_gap_or_overlap(node: Node, clock: Clock) -> None:
    me, bea, other = await people(node, "me", "bea", "other")
    await following(node, me, bea)
    await node.write_as(me, social.follow_tag, "t")
    everything = []
    for number in range(23):
        clock.advance(1)
        everything.append(await say(node, (me, bea, other)[number % 3], f"{number} #t"))
        if number % 5 == 0:
            clock.advance(1)
            await say(node, other, "not for home")
    everything.reverse()
    down: list[PostId] = []
    while page := await home(node, me, limit=4, max_id=down[-1] if down else None):
        down += page
    assert down == everything
    up = [everything[-1]]
    while page := await home(node, me, limit=4, min_id=up[-1]):
        up += reversed(page)
    assert list(reversed(up)) == everything
    assert await home(node, me, limit=4, since_id=everything[10]) == everything[:4]
    assert await home(node, me, limit=40, since_id=everything[3]) == everything[:3]
    assert all(newer > older for newer, older in pairwise(down))


async def test_home_is_whole_when_the_followed_write_little(
    node: Node, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the window their posts are looked up by author, and those of tags by tag: in both directions."""
    monkeypatch.setattr(timelines, "WINDOW", 5)
    me, bea, other = await people(node, "me", "bea", "other")
    await following(node, me, bea)
    await node.write_as(me, social.follow_tag, "rare")
    wanted = []
    for number in range(4):
        clock.advance(1)
        wanted.append(await say(node, bea, str(number)))
        clock.advance(1)
        wanted.append(await say(node, other, f"#rare {number}"))
        for noise in range(8):
            clock.advance(1)
            await say(node, other, f"noise {noise}")
    wanted.reverse()
    assert await home(node, me) == wanted
    assert await home(node, me, limit=3) == wanted[:3]
    assert await home(node, me, limit=3, max_id=wanted[2]) == wanted[3:6]
    assert await home(node, me, limit=3, min_id=wanted[6]) == wanted[3:6]


async def test_home_is_whole_when_much_of_it_is_hidden(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """More candidates than the first batches hold are muted; sifting goes on until a page is full."""
    monkeypatch.setattr(timelines, "WINDOW", 1)
    me, bea, loud = await people(node, "me", "bea", "loud")
    for target in (bea, loud):
        await following(node, me, target)
    wanted = [await say(node, bea, str(number)) for number in range(2)]
    for number in range(30):
        await say(node, loud, f"noise {number}")
    await node.write_as(me, social.mute, id_of(loud))
    assert await home(node, me, limit=2) == [wanted[1], wanted[0]]


async def test_home_costs_two_statements(node: Node) -> None:
    me, bea = await people(node, "me", "bea")
    await following(node, me, bea)
    for number in range(5):
        await say(node, bea, str(number))
    with counted() as statements:
        assert len(await home(node, me, limit=5)) == 5
    assert len(statements) == 2, "\n".join(statements)
    with counted() as statements:
        assert len(await home(node, me, limit=6)) == 5  # less than a page: also looked for beyond the window
    assert len(statements) == 4, "\n".join(statements)


# --- Public -------------------------------------------------------------------------------------------------------


async def test_public_timelines_hold_posts_for_everybody(node: Node) -> None:
    me, bea, loud = await people(node, "me", "bea", "loud")
    far = await make_remote(node)
    here = await say(node, bea, "here")
    inside = await say(node, bea, "inside", local_only=True)
    there = await heard(node, far)
    more = await say(node, bea, "more", in_reply_to_id=here)
    await say(node, me, "an answer", in_reply_to_id=here)
    await say(node, bea, "quietly", visibility=Visibility.UNLISTED)
    await node.write_as(bea, reactions.boost, there)
    muted = await say(node, loud, "!!!")
    both = [muted, more, there, inside, here]
    assert await node.read_as(me, timelines.public, Page()) == both
    await node.write_as(me, social.mute, id_of(loud))
    assert await node.read_as(me, timelines.public, Page()) == both[1:]
    assert await node.read_as(me, timelines.public, Page(), local=True) == [more, inside, here]
    assert await node.read_as(me, timelines.public, Page(), remote=True) == [there]
    assert await node.read_as(far, timelines.public, Page()) == [muted, more, there, here]
    assert await node.read_as(NOBODY, timelines.public, Page()) == []


async def test_public_timelines_use_their_index(node: Node, engine_name: str) -> None:
    """SQLite takes a partial index only when the query repeats its condition to the letter."""
    me = await make_person(node, "me")
    if engine_name != "sqlite":
        return
    for local, index in ((False, "ix_post_public "), (True, "ix_post_public_local ")):
        with counted() as statements:
            await node.read_as(me, timelines.public, Page(), local=local)
        (statement,) = statements

        def plan(tx: Tx, sql: str = statement) -> str:
            rows = tx.conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", (1,) * sql.count("?"))
            return "\n".join(row[3] for row in rows)

        steps = await node.read(plan)
        assert f"SEARCH post USING INDEX {index}" in steps, steps
        assert "TEMP B-TREE" not in steps


async def test_only_posts_with_media(node: Node) -> None:
    me = await make_person(node, "me")
    await say(node, me, "plain #t")
    with_image = await say(node, me, "look #t")
    image = {"id": 1, "account_id": id_of(me), "post_id": with_image, "kind": "image"}
    image |= {"content_type": "image/webp", "created_at": 0}
    await node.write(lambda tx: tx.execute(media.insert(), image))
    assert await node.read_as(me, timelines.public, Page(), only_media=True) == [with_image]
    assert await node.read_as(me, timelines.tag, "t", Page(), only_media=True) == [with_image]
    assert await node.read_as(me, timelines.account, id_of(me), Page(), only_media=True) == [with_image]


# --- Tags and accounts --------------------------------------------------------------------------------------------


async def test_a_tag_timeline_combines_tags(node: Node) -> None:
    me, far = await make_person(node, "me"), await make_remote(node)
    a = await say(node, me, "#A")
    b = await say(node, me, "#b")
    ab = await say(node, me, "#a #B")
    abc = await heard(node, far, tags=["a", "b", "c"])
    await say(node, me, "#a", visibility=Visibility.UNLISTED)

    async def tag(name: str, **options: Any) -> list[PostId]:
        return await node.read_as(me, timelines.tag, name, Page(), **options)

    assert await tag("#Ａ") == [abc, ab, a]
    assert await tag("a", local=True) == [ab, a]
    assert await tag("a", remote=True) == [abc]
    assert await tag("a", any=["b"]) == [abc, ab, b, a]
    assert await tag("c", any=["b"]) == [abc, ab, b]
    assert await tag("a", all=["b"]) == [abc, ab]
    assert await tag("a", all=["b", "c"]) == [abc]
    assert await tag("a", all=["nobody-used-this"]) == []
    assert await tag("a", none=["c"]) == [ab, a]
    assert await tag("a", any=["b"], none=["c"]) == [ab, b, a]
    assert await tag("nobody-used-this") == []
    assert await tag("nobody-used-this", any=["c"]) == [abc]
    assert await node.read_as(me, timelines.tag, "a", Page(limit=1, max_id=abc)) == [ab]
    assert await node.read_as(me, timelines.tag, "a", Page(limit=1, min_id=a), any=["b"]) == [b]


async def test_an_account_timeline_and_its_filters(node: Node) -> None:
    me, bea = await people(node, "me", "bea")
    question = await say(node, bea, "question")
    first = await say(node, me, "first #t")
    answer = await say(node, me, "answer", in_reply_to_id=question)
    more = await say(node, me, "more", in_reply_to_id=first)
    boost_id = await node.write_as(me, reactions.boost, question)
    secret = await say(node, me, "mine", visibility=Visibility.FOLLOWERS)

    async def of_me(who: Viewer, page: Page | None = None, **options: Any) -> list[PostId]:
        return await node.read_as(who, timelines.account, id_of(me), page or Page(), **options)

    assert await of_me(me) == [secret, boost_id, more, answer, first]
    assert await of_me(bea) == [boost_id, more, answer, first]
    assert await of_me(bea, exclude_replies=True) == [boost_id, more, first]
    assert await of_me(bea, exclude_reblogs=True) == [more, answer, first]
    assert await of_me(bea, tagged="#T") == [first]
    assert await of_me(bea, tagged="unused") == []
    assert await of_me(bea, Page(limit=2, min_id=first)) == [more, answer]
    assert await of_me(bea, pinned=True) == []
    for post_id in (secret, first):
        await node.write_as(me, reactions.pin, post_id)
    assert set(await of_me(me, pinned=True)) == {secret, first}
    assert await of_me(bea, pinned=True) == [first]
    with pytest.raises(NotFound):
        await node.read_as(bea, timelines.account, 4711, Page())


async def test_the_timeline_of_somebody_muted_can_still_be_read(node: Node) -> None:
    me, loud = await people(node, "me", "loud")
    post_id = await say(node, loud, "!!!")
    await node.write_as(me, social.mute, id_of(loud))
    assert await node.read_as(me, timelines.account, id_of(loud), Page()) == [post_id]
    assert (await node.read_as(me, posts.get, post_id)).id == post_id


async def test_late_posts_take_their_place_by_time(node: Node) -> None:
    me, far = await make_person(node, "me"), await make_remote(node)
    await following(node, me, far)
    new = await say(node, me, "now")
    late = await heard(node, far, created_at=node.now() - 3_600_000)
    assert await home(node, me) == [new, late]
    stored = await node.read(lambda tx: tx.scalars(post.select().with_only_columns(post.c.id).order_by(post.c.id)))
    assert stored == [late, new]
