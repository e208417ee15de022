"""Who sees what, where: the one predicate, on every surface that shows posts.

The tables are written by hand, not derived. A letter stands for a surface:

    g get      c context of another post      a the author's timeline   s search
    f favourites   b bookmarks                n notifications
    h home     p public timeline              t tag timeline
"""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from activitypub.audience import Visibility
from node import notifications, posts, reactions, search, social, timelines, viewer
from node.errors import Forbidden, NodeError, NotFound
from node.ids import PostId
from node.paging import Page
from node.runtime import Node, Tx
from node.schema import bookmark, favourite, mention, notification, post
from node.viewer import Kind, Viewer
from tests.support.actors import make_remote
from tests.support.people import make_person
from tests.support.posting import following, heard, say
from tests.support.rows import id_of

VIEWERS = [
    "author",
    "follower",
    "stranger",
    "mentioned",
    "blocked",
    "moderator",
    "remote_follower",
    "remote_stranger",
    "remote_mentioned",
    "remote_blocked",
    "peer_with",
    "peer_without",
    "nobody",
    "visitor",
]

# post -> viewer -> surfaces; who is not named sees it nowhere.
EXPECTED: dict[str, dict[str, str]] = {
    "public": {
        "author": "gcasfbnhpt",
        "follower": "gcasfbnhpt",
        "stranger": "gcasfbnpt",
        "mentioned": "gcasfbnpt",
        "moderator": "gcasfbnpt",
        "remote_follower": "gcasfbpt",
        "remote_stranger": "gcasfbpt",
        "remote_mentioned": "gcasfbpt",
        "peer_with": "gcaspt",
        "peer_without": "gcaspt",
        "visitor": "gcaspt",
    },
    "unlisted": {
        "author": "gcasfbnh",
        "follower": "gcasfbnh",
        "stranger": "gcasfbn",
        "mentioned": "gcasfbn",
        "moderator": "gcasfbn",
        "remote_follower": "gcasfb",
        "remote_stranger": "gcasfb",
        "remote_mentioned": "gcasfb",
        "peer_with": "gcas",
        "peer_without": "gcas",
        "visitor": "gcas",
    },
    "followers": {
        "author": "gcasfbnh",
        "follower": "gcasfbnh",
        "mentioned": "gcasfbn",
        "remote_follower": "gcasfb",
        "remote_mentioned": "gcasfb",
        "peer_with": "gcas",
    },
    "direct": {
        "author": "gcasfbnh",
        "mentioned": "gcasfbn",
        "remote_mentioned": "gcasfb",
        "peer_with": "gcas",
    },
    "department-public": {
        "author": "gcasfbnhpt",
        "follower": "gcasfbnhpt",
        "stranger": "gcasfbnpt",
        "mentioned": "gcasfbnpt",
        "moderator": "gcasfbnpt",
    },
    "department-unlisted": {
        "author": "gcasfbnh",
        "follower": "gcasfbnh",
        "stranger": "gcasfbn",
        "mentioned": "gcasfbn",
        "moderator": "gcasfbn",
    },
    "department-followers": {
        "author": "gcasfbnh",
        "follower": "gcasfbnh",
        "mentioned": "gcasfbn",
    },
    "department-direct": {
        "author": "gcasfbnh",
        "mentioned": "gcasfbn",
    },
}


@pytest.mark.parametrize("kind", EXPECTED)
async def test_everybody_sees_a_post_exactly_where_they_may(node: Node, kind: str) -> None:
    people = await cast_of(node)
    author = people["author"]
    root = await say(node, author, "Where it began")
    audience, _, name = kind.rpartition("-")
    post_id = await say(
        node,
        author,
        "a needle about #risk for @mentioned" + ("" if audience else " and @far@field.example"),
        visibility=Visibility[name.upper()],
        local_only=bool(audience),
        in_reply_to_id=root,
    )
    await mark_for_all(node, post_id, people, mention_far=bool(audience))
    seen = {
        who: "".join(
            [letter for letter, surface in SURFACES.items() if await surface(node, one, author, root, post_id)]
        )
        for who, one in people.items()
    }
    assert seen == {who: EXPECTED[kind].get(who, "") for who in VIEWERS}


async def test_nobody_but_their_author_sees_posts_of_a_suspended_account(node: Node) -> None:
    """Not even the author, whose session has ended: the predicate has no exception."""
    people = await cast_of(node)
    author = people["author"]
    root = await say(node, author, "Where it began")
    post_id = await say(node, author, "a needle about #risk", in_reply_to_id=root)
    await mark_for_all(node, post_id, people, mention_far=False)
    from node import accounts

    await node.write(accounts.suspend, id_of(author))
    for who, one in people.items():
        shown = [letter for letter, surface in SURFACES.items() if await surface(node, one, author, root, post_id)]
        assert not shown, who


async def test_the_node_itself_sees_everything(node: Node) -> None:
    author = await make_person(node, "author")
    post_id = await say(node, author, "to myself", visibility=Visibility.DIRECT, local_only=True)
    row = await node.read(posts.get, post_id)
    assert row.id == post_id


async def test_a_peers_followers_only_post_is_for_its_followers_here(node: Node) -> None:
    far, fan, other = await make_remote(node), await make_person(node, "fan"), await make_person(node, "other")
    await following(node, fan, far)
    post_id = await heard(node, far, visibility=Visibility.FOLLOWERS)
    assert (await node.read_as(fan, posts.get, post_id)).id == post_id
    assert await node.read_as(fan, timelines.home, Page()) == [post_id]
    with pytest.raises(NotFound):
        await node.read_as(other, posts.get, post_id)


# --- Nothing gets wider by being answered or boosted --------------------------------------------------------------

STEP = st.tuples(
    st.sampled_from(["reply", "boost"]),
    st.integers(0, 3),  # who acts
    st.integers(0, 7),  # on which of the posts so far
    st.sampled_from([None, *Visibility]),
    st.sampled_from([None, False, True]),
)
FIRST = st.tuples(st.sampled_from(list(Visibility)), st.booleans())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=FIRST, steps=st.lists(STEP, min_size=1, max_size=8))
async def test_no_chain_of_replies_and_boosts_widens_the_audience(
    node: Node, first: tuple[Visibility, bool], steps: list[Any]
) -> None:
    people = await chain_cast(node)
    actors = [people[name] for name in ("ann", "ben", "cid", "dot")]
    chain = [await say(node, actors[0], "@ben @cid start", visibility=first[0], local_only=first[1])]
    for kind, actor, target, visibility, local_only in steps:
        on = chain[target % len(chain)]
        try:
            if kind == "reply":
                new = await say(
                    node, actors[actor], "@dot so", visibility=visibility, local_only=local_only, in_reply_to_id=on
                )
            else:
                new = await node.write_as(actors[actor], reactions.boost, on, visibility)
        except NodeError:
            continue  # may not see it, or may not pass it on: nothing came of it
        chain.append(new)
        child, parent = await node.read(posts.get, new), await node.read(posts.get, on)
        if parent.boost_of_id is not None:
            parent = await node.read(posts.get, parent.boost_of_id)
        assert child.visibility >= parent.visibility
        assert child.local_only >= parent.local_only
        if kind == "boost":
            assert await audience(node, people, new) <= await audience(node, people, parent.id)
        if parent.local_only:
            assert "far" not in await audience(node, people, new)


async def audience(node: Node, people: dict[str, Viewer], post_id: int) -> set[str]:
    return {name for name, one in people.items() if await gets(node, one, post_id)}


async def chain_cast(node: Node) -> dict[str, Viewer]:
    """The same people for every example: they are made once in a database."""
    from node import accounts

    names = ("ann", "ben", "cid", "dot", "eve")
    try:
        people = {name: viewer.person((await node.read(accounts.by_handle, name)).id) for name in names}
        far = await node.read(accounts.by_handle, "far@field.example")
        return people | {"far": viewer.remote(far.id, "field.example")}
    except NotFound:
        people = {name: await make_person(node, name) for name in names}
        people["far"] = await make_remote(node, "far")
        for fan, target in (("ben", "ann"), ("far", "ann"), ("cid", "ben"), ("eve", "ben"), ("far", "dot")):
            await following(node, people[fan], people[target])
        return people


# --- The cast, and the surfaces -----------------------------------------------------------------------------------


async def cast_of(node: Node) -> dict[str, Viewer]:
    people: dict[str, Viewer] = {}
    for name in ("author", "follower", "stranger", "mentioned", "blocked"):
        people[name] = await make_person(node, name)
    people["moderator"] = await make_person(node, "moderator", roles=("employee", "moderator"))
    # At field.example somebody follows and somebody is mentioned; at other.example nobody has to do with the author.
    people["remote_follower"] = await make_remote(node, "fan", domain="field.example")
    people["remote_stranger"] = await make_remote(node, "odd", domain="other.example")
    people["remote_mentioned"] = await make_remote(node, "far", domain="field.example")
    people["remote_blocked"] = await make_remote(node, "foe", domain="other.example")
    people["peer_with"] = viewer.peer("field.example")
    people["peer_without"] = viewer.peer("other.example")
    people["nobody"] = viewer.NOBODY
    people["visitor"] = Viewer(Kind.NOBODY, anonymous_read=True)
    for name in ("follower", "remote_follower", "blocked", "remote_blocked"):
        await following(node, people[name], people["author"])
    for name in ("blocked", "remote_blocked"):
        await node.write_as(people["author"], social.block, id_of(people[name]))
    return people


async def mark_for_all(node: Node, post_id: PostId, people: dict[str, Viewer], *, mention_far: bool) -> None:
    """Rows that point at the post, for everybody: as if all had favourited, bookmarked and been told when they could see it.

    A department post cannot mention anybody elsewhere; the row is there nevertheless, so that the predicate is asked.
    """

    def rule(tx: Tx) -> None:
        for one in people.values():
            if one.account_id is None:
                continue
            values = {"id": tx.new_id(), "account_id": one.account_id, "post_id": post_id}
            tx.execute(insert(favourite), values | {"created_at": tx.now})
            tx.execute(insert(bookmark), values)
            if one.kind is Kind.PERSON:
                told = {"kind": "poll", "from_id": people["author"].account_id, "dedupe": "test", "created_at": tx.now}
                tx.execute(insert(notification), values | told)
        if mention_far:
            tx.execute(insert(mention), {"post_id": post_id, "account_id": people["remote_mentioned"].account_id})

    await node.write(rule)


async def gets(node: Node, who: Viewer, post_id: int) -> bool:
    try:
        return bool((await node.read_as(who, posts.get, post_id)).id == post_id)
    except NotFound:
        return False


async def on_get(node: Node, who: Viewer, _author: Viewer, _root: PostId, post_id: PostId) -> bool:
    return await gets(node, who, post_id)


async def in_context(node: Node, who: Viewer, _author: Viewer, root: PostId, post_id: PostId) -> bool:
    try:
        found = await node.read_as(who, posts.context, root)
    except NotFound:
        return False
    return post_id in found.descendants


async def on_account(node: Node, who: Viewer, author: Viewer, _root: PostId, post_id: PostId) -> bool:
    return post_id in await node.read_as(who, timelines.account, id_of(author), Page())


async def in_search(node: Node, who: Viewer, _author: Viewer, _root: PostId, post_id: PostId) -> bool:
    return post_id in await node.read_as(who, search.posts, "needle")


async def in_favourites(node: Node, who: Viewer, _author: Viewer, _root: PostId, post_id: PostId) -> bool:
    return post_id in [id_ for _, id_ in await node.read_as(who, reactions.favourites, Page())]


async def in_bookmarks(node: Node, who: Viewer, _author: Viewer, _root: PostId, post_id: PostId) -> bool:
    return post_id in [id_ for _, id_ in await node.read_as(who, reactions.bookmarks, Page())]


async def in_notifications(node: Node, who: Viewer, _author: Viewer, _root: PostId, post_id: PostId) -> bool:
    try:
        rows = await node.read_as(who, notifications.page, Page(), kinds=["poll"])
    except Forbidden:
        return False
    return post_id in [row.post_id for row in rows]


async def at_home(node: Node, who: Viewer, _author: Viewer, _root: PostId, post_id: PostId) -> bool:
    try:
        return post_id in await node.read_as(who, timelines.home, Page())
    except Forbidden:
        return False


async def in_public(node: Node, who: Viewer, _author: Viewer, _root: PostId, post_id: PostId) -> bool:
    both = await node.read_as(who, timelines.public, Page())
    assert both == await node.read_as(who, timelines.public, Page(), local=True)  # all posts here are ours
    return post_id in both


async def under_tag(node: Node, who: Viewer, _author: Viewer, _root: PostId, post_id: PostId) -> bool:
    return post_id in await node.read_as(who, timelines.tag, "risk", Page())


Surface = Callable[[Node, Viewer, Viewer, PostId, PostId], Awaitable[bool]]
SURFACES: dict[str, Surface] = {
    "g": on_get,
    "c": in_context,
    "a": on_account,
    "s": in_search,
    "f": in_favourites,
    "b": in_bookmarks,
    "n": in_notifications,
    "h": at_home,
    "p": in_public,
    "t": under_tag,
}


async def test_a_boost_shows_nothing_that_the_viewer_may_not_see(node: Node) -> None:
    """Also when the row is there: an author may narrow a post after others boosted it."""
    author, fan, other = [await make_person(node, name) for name in ("author", "fan", "other")]
    await following(node, other, fan)
    await following(node, fan, author)
    post_id = await say(node, author, "wide for now")
    boost_id = await node.write_as(fan, reactions.boost, post_id)
    assert boost_id in await node.read_as(other, timelines.home, Page())
    await node.write(
        lambda tx: tx.execute(post.update().where(post.c.id == post_id).values(visibility=Visibility.FOLLOWERS))
    )
    assert boost_id not in await node.read_as(other, timelines.home, Page())
    assert boost_id not in await node.read_as(other, timelines.account, id_of(fan), Page())
    assert boost_id in await node.read_as(fan, timelines.home, Page())
    stored = await node.read(lambda tx: tx.scalar(select(post.c.id).where(post.c.id == boost_id)))
    assert stored == boost_id
