"""Groups between nodes: what ours pass on, and what is believed of what peers' groups pass on."""

from typing import Any

import msgspec
import pytest

from activitypub.vocabulary import PUBLIC
from node import accounts, groups, posts, social, timelines
from node.errors import NotFound
from node.federation import groups as wire
from node.federation import published, render
from node.federation.network import Network
from node.paging import Page
from node.posts import Changes
from node.runtime import Node
from node.schema import activity, favourite, group_profile
from node.schema import post as post_table
from node.viewer import Viewer
from tests.node.federation.conftest import Post, give_keys, run_jobs
from tests.support.grouping import make_group
from tests.support.posting import say
from tests.support.remote_peer import Doc, RemotePeer
from tests.support.rows import id_of, rows_of


async def account_of(node: Node, iri: str) -> Any:
    return await node.read(accounts.known, iri)


async def boosts(node: Node, who: int) -> list[Any]:
    return list(await rows_of(node, post_table, post_table.c.author_id == who))


async def of_iri(node: Node, iri: str) -> Any:
    found = await rows_of(node, post_table, post_table.c.iri == iri)
    return found[0] if found else None


async def sent(node: Node, group: Viewer) -> list[Doc]:
    """What the group has sent, oldest first, but for answers to follows."""
    found = await rows_of(node, activity, activity.c.actor_id == id_of(group))
    return [msgspec.json.decode(row.body) for row in found if row.kind not in ("Accept", "Update")]


def create(peer: RemotePeer, note: Doc, number: int = 1, **more: Any) -> Doc:
    said = {"to": note["to"], "cc": note.get("cc", []), "number": number} | more
    return peer.activity("Create", note["attributedTo"], note, **said)


# --- a group of ours


@pytest.fixture
async def pumps(node: Node, alice: Viewer, network: Network) -> Viewer:
    """A group here, which alice made."""
    group = await make_group(node, alice)
    await give_keys(node, id_of(group))
    return group


@pytest.fixture
async def member(node: Node, peer: RemotePeer, bert: str, pumps: Viewer, post: Post) -> str:
    """Bert, of a peer, who has joined."""
    group = f"{node.urls.base}/users/pumps"
    assert await post.arrives(peer, peer.activity("Follow", bert, group, number=7)) == "done"
    return bert


def calling(node: Node) -> Doc:
    iri = f"{node.urls.base}/users/pumps"
    return {"cc": [iri], "tag": [{"type": "Mention", "href": iri, "name": "@pumps"}]}


async def test_a_member_elsewhere_joins_by_following_and_is_let_in(node: Node, pumps: Viewer, member: str) -> None:
    assert (await node.read(groups.get, id_of(pumps))).followers_count == 2
    assert [row.kind for row in await rows_of(node, activity, activity.c.actor_id == id_of(pumps))] == ["Accept"]


async def test_a_members_post_is_announced_as_a_note_and_as_it_came(
    node: Node, peer: RemotePeer, pumps: Viewer, member: str, post: Post
) -> None:
    said = create(peer, peer.note(1, member, "@pumps it leaks", **calling(node)))
    assert await post.arrives(peer, said) == "done"
    note, whole = await sent(node, pumps)
    assert (note["type"], note["object"], note["to"]) == ("Announce", f"{peer.base}/notes/1", [PUBLIC])
    assert (whole["type"], whole["object"]) == ("Announce", said)
    assert note["id"] != whole["id"]
    (boost,) = await boosts(node, id_of(pumps))
    assert boost.group_id == id_of(pumps)


async def test_an_edit_may_name_a_group(node: Node, peer: RemotePeer, pumps: Viewer, member: str, post: Post) -> None:
    await post.arrives(peer, create(peer, note := peer.note(1, member, "it leaks")))
    edited = note | {"content": "@pumps it leaks", "updated": "2026-09-21T13:30:00Z", **calling(node)}
    for number in (2, 3):
        await post.arrives(peer, peer.activity("Update", member, edited, number=number, to=note["to"]))
    assert (len(await boosts(node, id_of(pumps))), len(await sent(node, pumps))) == (1, 2)


async def test_a_post_is_taken_for_its_audience_too(
    node: Node, peer: RemotePeer, pumps: Viewer, member: str, post: Post
) -> None:
    """As Lemmy and PieFed name a group; and what names another group is not for this one."""
    ours = f"{node.urls.base}/users/pumps"
    await post.arrives(peer, create(peer, peer.note(1, member, audience=ours)))
    other = peer.note(2, member, **calling(node), audience=f"{peer.base}/users/club")
    await post.arrives(peer, create(peer, other, 2))
    assert [row.boost_of_id for row in await boosts(node, id_of(pumps))] == [
        (await of_iri(node, f"{peer.base}/notes/1")).id
    ]


async def test_strangers_and_banned_people_are_not_passed_on(
    node: Node, peer: RemotePeer, alice: Viewer, bert: str, pumps: Viewer, member: str, post: Post, network: Network
) -> None:
    carl = peer.person("carl")
    await network.actor(carl)
    await post.arrives(peer, create(peer, peer.note(1, carl, **calling(node)), 1))
    written = await say(node, alice, "@pumps hello")
    before = len(await sent(node, pumps))
    await node.write_as(alice, groups.ban, id_of(pumps), (await account_of(node, bert)).id)
    await post.arrives(peer, create(peer, peer.note(2, bert, **calling(node)), 2))
    root = await node.read(lambda tx: render.note(tx, written)["id"])
    await post.arrives(peer, create(peer, peer.note(3, bert, inReplyTo=root), 3))
    assert [row.boost_of_id for row in await boosts(node, id_of(pumps))] == [written]
    assert [one["type"] for one in (await sent(node, pumps))[before:]] == ["Reject", "Block"]


async def test_followers_only_and_direct_posts_are_never_passed_on(
    node: Node, peer: RemotePeer, pumps: Viewer, member: str, post: Post
) -> None:
    ours = f"{node.urls.base}/users/pumps"
    tag = calling(node)["tag"]
    await post.arrives(peer, create(peer, peer.note(1, member, to=[f"{member}/followers"], cc=[ours], tag=tag), 1))
    await post.arrives(peer, create(peer, peer.note(2, member, to=[ours], cc=[], tag=tag), 2))
    assert await sent(node, pumps) == []


async def test_what_comes_again_under_another_id_is_passed_on_once(
    node: Node, peer: RemotePeer, pumps: Viewer, member: str, post: Post
) -> None:
    note = peer.note(1, member, **calling(node))
    for number in (1, 2, 2):
        await post.arrives(peer, create(peer, note, number))
    assert len(await sent(node, pumps)) == 2


async def test_edits_and_the_end_of_a_members_post_are_passed_on(
    node: Node, peer: RemotePeer, pumps: Viewer, member: str, post: Post
) -> None:
    note = peer.note(1, member, **calling(node))
    await post.arrives(peer, create(peer, note))
    newer = note | {"content": "<p>fixed</p>", "updated": "2026-09-21T11:00:00Z"}
    await post.arrives(peer, peer.activity("Update", member, newer, number=2))
    await post.arrives(peer, peer.activity("Update", member, newer, number=3))  # nothing new
    await post.arrives(peer, peer.activity("Delete", member, note["id"], number=4))
    carried = [one["object"]["type"] for one in await sent(node, pumps) if isinstance(one["object"], dict)]
    assert carried == ["Create", "Update", "Delete"]
    assert await boosts(node, id_of(pumps)) == []


async def test_answers_in_a_groups_thread_are_passed_on_without_a_boost(
    node: Node, peer: RemotePeer, alice: Viewer, pumps: Viewer, member: str, post: Post
) -> None:
    written = await say(node, alice, "@pumps a question")
    await say(node, alice, "more", in_reply_to_id=written)
    root = await node.read(lambda tx: render.note(tx, written)["id"])
    await post.arrives(peer, create(peer, peer.note(2, member, "an answer", inReplyTo=root), 2))
    await post.arrives(peer, create(peer, peer.note(3, member, "elsewhere", inReplyTo=f"{peer.base}/notes/9"), 3))
    assert len(await boosts(node, id_of(pumps))) == 1
    passed = [one["object"]["object"] for one in await sent(node, pumps) if isinstance(one["object"], dict)]
    assert [one.get("inReplyTo") for one in passed] == [None, root, root]
    assert [one["audience"] for one in passed[:2]] == [f"{node.urls.base}/users/pumps"] * 2


async def test_a_local_post_its_edit_and_its_end_are_passed_on(
    node: Node, alice: Viewer, pumps: Viewer, member: str
) -> None:
    written = await say(node, alice, "@pumps hello")
    await node.write_as(alice, posts.edit, written, Changes(text="@pumps hello all"))
    await node.write_as(alice, posts.delete, written)
    carried = [one["object"]["type"] for one in await sent(node, pumps) if isinstance(one["object"], dict)]
    assert carried == ["Create", "Update", "Delete"]


async def test_a_department_post_never_leaves(node: Node, alice: Viewer, pumps: Viewer, member: str) -> None:
    written = await say(node, alice, "@pumps for us", local_only=True)
    await node.write_as(alice, posts.edit, written, Changes(text="@pumps for us all"))
    await say(node, alice, "and this", in_reply_to_id=written)
    await node.write_as(alice, groups.remove_post, id_of(pumps), written)
    assert len(await boosts(node, id_of(pumps))) == 0
    assert await sent(node, pumps) == []


async def test_what_a_moderator_takes_out_is_undone_and_passed_on_as_their_delete(
    node: Node, peer: RemotePeer, alice: Viewer, pumps: Viewer, member: str, post: Post
) -> None:
    note = peer.note(1, member, **calling(node))
    await post.arrives(peer, create(peer, note))
    row = await of_iri(node, note["id"])
    await node.write_as(alice, groups.remove_post, id_of(pumps), row.id)
    announced, undone = (await sent(node, pumps))[-2:]
    carried = announced["object"]
    assert (carried["type"], carried["object"]) == ("Delete", note["id"])
    assert carried["actor"] == f"{node.urls.base}/users/alice"
    assert (undone["type"], undone["object"]["object"]) == ("Undo", note["id"])
    assert await of_iri(node, note["id"]) is not None
    await post.arrives(peer, create(peer, note, 2))  # sent once more
    assert await boosts(node, id_of(pumps)) == []


async def test_a_groups_document_names_its_moderators(node: Node, alice: Viewer, pumps: Viewer) -> None:
    doc = await node.read(lambda tx: render.actor(tx, id_of(pumps)))
    assert (doc["type"], doc["attributedTo"]) == ("Group", f"{node.urls.base}/users/pumps/moderators")
    listed = await node.read(wire.moderators, "pumps")
    assert listed["orderedItems"] == [f"{node.urls.base}/users/alice"]
    with pytest.raises(NotFound):
        await node.read(wire.moderators, "alice")


async def test_the_end_of_a_group_is_told_like_that_of_any_account(
    node: Node, alice: Viewer, pumps: Viewer, member: str
) -> None:
    await node.write_as(alice, groups.delete, id_of(pumps))
    assert (await sent(node, pumps))[-1]["type"] == "Delete"
    with pytest.raises(published.Gone):
        await node.read(published.local, "pumps")


# --- a group of a peer's


@pytest.fixture
async def club(node: Node, peer: RemotePeer, network: Network, alice: Viewer) -> str:
    """A group of a peer's, of which alice is a member."""
    iri = peer.person("club", kind="Group", attributedTo=f"{peer.base}/users/club/moderators")
    await network.actor(iri)
    row = await account_of(node, iri)
    await node.write_as(alice, social.follow, row.id)
    await node.write(lambda tx: social.record_accept(tx, id_of(alice), row.id))
    return iri


def passed(peer: RemotePeer, group: str, carried: Any, number: int = 50) -> Doc:
    return peer.activity("Announce", group, carried, number=number, to=[PUBLIC], cc=[f"{group}/followers"])


async def home(node: Node, who: Viewer) -> list[str]:
    found = await node.read_as(who, timelines.home, Page(20))
    by_id = {row.id: row for row in await rows_of(node, post_table)}
    return [by_id[by_id[one].boost_of_id or one].iri for one in found]


async def test_a_peers_group_is_known_with_where_its_moderators_are_listed(
    node: Node, peer: RemotePeer, club: str
) -> None:
    (row,) = await rows_of(node, group_profile)
    assert row.moderators_iri == f"{peer.base}/users/club/moderators"


async def test_what_a_group_passes_on_is_fetched_from_its_origin_and_not_believed(
    node: Node, peer: RemotePeer, alice: Viewer, club: str, post: Post
) -> None:
    dora = peer.person("dora")
    note = peer.note(1, dora, "what dora wrote")
    forged = create(peer, note | {"content": "<p>what dora never wrote</p>"})
    assert await post.arrives(peer, passed(peer, club, forged)) == "done"
    row = await of_iri(node, note["id"])
    assert "what dora wrote" in row.content
    assert row.group_id == (await account_of(node, club)).id
    assert await home(node, alice) == [note["id"]]


async def test_a_note_and_a_create_of_it_are_shown_once(
    node: Node, peer: RemotePeer, alice: Viewer, club: str, post: Post
) -> None:
    note = peer.note(1, peer.person("dora"))
    await post.arrives(peer, passed(peer, club, note["id"], 50))
    await post.arrives(peer, passed(peer, club, create(peer, note), 51))
    assert await home(node, alice) == [note["id"]]
    (boost,) = await boosts(node, (await account_of(node, club)).id)
    assert boost.group_id == boost.author_id


async def test_answers_that_a_group_passes_on_are_kept_and_not_boosted(
    node: Node, peer: RemotePeer, alice: Viewer, club: str, post: Post
) -> None:
    dora = peer.person("dora")
    first = peer.note(1, dora)
    answer = peer.note(2, dora, inReplyTo=first["id"])
    await post.arrives(peer, passed(peer, club, create(peer, first), 50))
    await post.arrives(peer, passed(peer, club, create(peer, answer, 2), 51))
    assert (await of_iri(node, answer["id"])).group_id == (await account_of(node, club)).id
    assert await home(node, alice) == [first["id"]]


async def test_only_groups_with_members_here_pass_things_on_and_only_one_level_deep(
    node: Node, peer: RemotePeer, bert: str, club: str, post: Post, network: Network
) -> None:
    note = peer.note(1, bert)
    stranger = peer.person("strangers", kind="Group")
    await network.actor(stranger)
    nested = passed(peer, club, create(peer, note), 60)
    foreign = create(peer, note) | {"id": "https://elsewhere.example/activities/1"}
    for number, (by, what) in enumerate(
        [(bert, create(peer, note)), (stranger, create(peer, note)), (club, nested), (club, foreign)]
    ):
        assert (await post.arrives(peer, passed(peer, by, what, 70 + number))).startswith("refused")
    assert await of_iri(node, note["id"]) is None


async def test_an_edit_or_a_deletion_is_looked_up_at_the_origin(
    node: Node, peer: RemotePeer, club: str, post: Post, network: Network
) -> None:
    dora = peer.person("dora")
    note = peer.note(1, dora, "first")
    await post.arrives(peer, passed(peer, club, create(peer, note), 50))
    lie = note | {"content": "<p>lie</p>", "updated": "2026-09-21T11:00:00Z"}
    await post.arrives(peer, passed(peer, club, peer.activity("Update", dora, lie, number=2), 51))
    await run_jobs(node, network)
    assert "first" in (await of_iri(node, note["id"])).content
    peer.serve(note | {"content": "<p>second</p>", "updated": "2026-09-21T12:00:00Z"})
    await post.arrives(peer, passed(peer, club, peer.activity("Update", dora, lie, number=3), 52))
    await run_jobs(node, network)
    assert "second" in (await of_iri(node, note["id"])).content

    gone = peer.activity("Delete", dora, note["id"], number=4)
    await post.arrives(peer, passed(peer, club, gone, 53))
    await run_jobs(node, network)
    assert await of_iri(node, note["id"]) is not None  # it is still there
    peer.documents["/notes/1"] = 410
    await post.arrives(peer, passed(peer, club, gone, 54))
    await run_jobs(node, network)
    assert await of_iri(node, note["id"]) is None


async def test_a_group_says_what_is_in_it_and_nothing_more(
    node: Node, peer: RemotePeer, alice: Viewer, club: str, post: Post, network: Network
) -> None:
    """A moderator's Delete takes a post out of the group, and of that group alone."""
    dora, mona = peer.person("dora"), peer.person("mona")
    note, other = peer.note(1, dora), peer.note(2, dora)
    await post.arrives(peer, passed(peer, club, create(peer, note), 50))
    await network.fetch_post(other["id"])
    for number, one in enumerate((note, other)):
        removal = peer.activity("Delete", mona, one["id"], number=80 + number, summary="off topic")
        await post.arrives(peer, passed(peer, club, removal, 51 + number))
    await run_jobs(node, network)
    row = await of_iri(node, note["id"])
    assert row is not None
    assert row.group_id is None
    assert await of_iri(node, other["id"]) is not None
    assert await home(node, alice) == []


async def test_a_group_does_not_lay_hands_on_what_ours_wrote_to_nobody(
    node: Node, peer: RemotePeer, alice: Viewer, club: str, post: Post
) -> None:
    meant = await say(node, alice, f"@club@{peer.domain} hello")
    other = await say(node, alice, "to myself")
    for number, written in enumerate((meant, other)):
        doc = await node.read(render.activity, written)
        carried = {name: value for name, value in doc.items() if name != "@context"}
        assert await post.arrives(peer, passed(peer, club, carried, 50 + number)) == "done"
    rows = {row.id: row.group_id for row in await rows_of(node, post_table)}
    assert (rows[meant], rows[other]) == ((await account_of(node, club)).id, None)


async def test_a_favourite_counts_only_if_its_own_server_gives_it(
    node: Node, peer: RemotePeer, alice: Viewer, club: str, post: Post, network: Network
) -> None:
    dora = peer.person("dora")
    written = await say(node, alice, f"@club@{peer.domain} hello")
    iri = await node.read(lambda tx: render.note(tx, written)["id"])
    like = peer.activity("Like", dora, iri, number=1)
    await post.arrives(peer, passed(peer, club, like, 50))
    await run_jobs(node, network)
    assert await rows_of(node, favourite) == []
    peer.serve(like)
    await post.arrives(peer, passed(peer, club, like, 51))
    await run_jobs(node, network)
    assert len(await rows_of(node, favourite)) == 1
    undo = peer.serve(peer.activity("Undo", dora, like, number=2))
    await post.arrives(peer, passed(peer, club, undo, 52))
    await run_jobs(node, network)
    assert await rows_of(node, favourite) == []


async def test_the_note_of_a_post_to_a_peers_group_names_it_as_its_audience(
    node: Node, peer: RemotePeer, alice: Viewer, club: str
) -> None:
    written = await say(node, alice, f"@club@{peer.domain} hello")
    answer = await say(node, alice, "and more", in_reply_to_id=written)
    plain = await say(node, alice, "hello")
    notes = await node.read(lambda tx: render.notes(tx, [written, answer, plain]))
    assert [notes[one].get("audience") for one in (written, answer, plain)] == [club, club, None]
    told = [msgspec.json.decode(row.body) for row in await rows_of(node, activity, activity.c.kind == "Create")]
    assert [one["object"]["audience"] for one in told] == [club, club]  # the answer names nobody, and goes there too
