"""Posts of this node's people: publishing, editing, deleting, threads."""

from typing import Any

import pytest
from sqlalchemy import insert

from activitypub.audience import Visibility
from node import accounts, media, notifications, posts, reactions, search, tags, timelines
from node.errors import Forbidden, Invalid, NotFound
from node.ids import PostId, millis_of
from node.paging import Page
from node.posts import Changes
from node.runtime import Node, Tx
from node.schema import account, delivery, event, login, notification, post, post_edit, post_link, tombstone
from node.schema import media as media_table
from node.viewer import NOBODY, Viewer
from tests.support.actors import make_remote
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.posting import following, heard, say
from tests.support.rows import count_of, id_of, rows_of, sent
from tests.support.statements import counted


async def told(node: Node, who: Viewer) -> list[tuple[str, int, int | None]]:
    """(kind, from whom, post) of notifications, newest first."""
    rows = await node.read_as(who, notifications.page, Page())
    return [(row.kind, row.from_id, row.post_id) for row in rows]


async def row_of(node: Node, post_id: int) -> Any:
    return await node.read(posts.get, post_id)


async def make_image(node: Node, owner: Viewer, name: str = "a.webp") -> int:
    def rule(tx: Tx) -> int:
        media_id = tx.new_id()
        values = {"id": media_id, "account_id": owner.account_id, "kind": "image", "content_type": "image/webp"}
        tx.execute(insert(media_table), values | {"file": name, "created_at": tx.now})
        return media_id

    return await node.write(rule)


# --- Publishing ---------------------------------------------------------------------------------------------------


async def test_a_post_is_stored_with_all_that_it_causes(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    post_id = await say(node, anna, "Hello @bea about #Kafka: https://wiki.example/kafka", language="en")
    row = await row_of(node, post_id)
    assert row.iri == f"https://eng.example/users/anna/statuses/{post_id}"
    assert row.url == f"https://eng.example/@anna/{post_id}"
    assert (row.visibility, row.local_only, row.local, row.language) == (Visibility.PUBLIC, False, True, "en")
    assert row.conversation_id == post_id
    assert millis_of(post_id) == row.created_at == node.now()
    assert 'href="https://eng.example/@bea"' in row.content
    assert 'href="https://eng.example/tags/kafka"' in row.content
    assert await told(node, bea) == [("mention", id_of(anna), post_id)]
    assert await node.read(tags.names_of, post_id) == ["kafka"]
    assert [link.url for link in await rows_of(node, post_link)] == ["https://wiki.example/kafka"]
    assert await node.read_as(bea, search.posts, "kafka") == [post_id]
    author = await node.read(accounts.get, id_of(anna))
    assert (author.posts_count, author.last_post_at) == (1, row.created_at)
    assert [(one.kind, one.post_id) for one in await rows_of(node, event)][-1] == ("update", post_id)


async def test_only_a_local_person_publishes(node: Node) -> None:
    far = await make_remote(node)
    for who in (far, NOBODY):
        with pytest.raises(Forbidden):
            await say(node, who, "hello")


@pytest.mark.parametrize("text", ["", "  \n ", "\N{EYE}"])
async def test_an_empty_post_is_refused(node: Node, text: str) -> None:
    anna = await make_person(node, "anna")
    with pytest.raises(Invalid) as refused:
        await say(node, anna, text)
    assert refused.value.field == "status"
    assert await count_of(node, post) == 0


async def test_an_image_alone_is_a_post(node: Node) -> None:
    anna = await make_person(node, "anna")
    image = await make_image(node, anna)
    post_id = await say(node, anna, "", media_ids=[image])
    found = await node.read(media.of_posts, [post_id])
    assert [one.id for one in found[post_id]] == [image]


async def test_somebody_elses_image_cannot_be_attached(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    image = await make_image(node, bea)
    with pytest.raises(Invalid):
        await say(node, anna, "look", media_ids=[image])
    assert await count_of(node, post) == 0


async def test_length_is_counted_as_clients_count_with_the_warning(node: Node) -> None:
    anna = await make_person(node, "anna")
    limit = node.settings.posts.max_characters
    link = "https://wiki.example/" + "x" * 500  # counts 23
    await say(node, anna, link + " " + "a" * (limit - 24))
    with pytest.raises(Invalid):
        await say(node, anna, "a" * (limit + 1))
    with pytest.raises(Invalid):
        await say(node, anna, "a" * (limit - 3), spoiler="four")


async def test_a_warning_alone_is_the_text_and_a_warning_makes_sensitive(node: Node) -> None:
    anna = await make_person(node, "anna")
    alone = await row_of(node, await say(node, anna, "", spoiler="careful"))
    assert (alone.text, alone.spoiler, alone.sensitive) == ("careful", "", False)
    both = await row_of(node, await say(node, anna, "the rest", spoiler="careful"))
    assert (both.text, both.spoiler, both.sensitive) == ("the rest", "careful", True)


async def test_defaults_are_the_authors_own(node: Node) -> None:
    anna = await make_person(node, "anna")
    usual = {
        "default_visibility": Visibility.FOLLOWERS,
        "default_local_only": True,
        "default_sensitive": True,
        "default_language": "de",
    }
    await node.write(lambda tx: tx.execute(login.update().values(**usual)))
    row = await row_of(node, await say(node, anna, "hello"))
    assert (row.visibility, row.local_only, row.language) == (Visibility.FOLLOWERS, True, "de")
    assert not row.sensitive  # there is nothing to hide without an image
    image = await make_image(node, anna)
    assert (await row_of(node, await say(node, anna, "look", media_ids=[image]))).sensitive
    said = await row_of(node, await say(node, anna, "x", visibility=Visibility.PUBLIC, local_only=False, language="en"))
    assert (said.visibility, said.local_only, said.language) == (Visibility.PUBLIC, False, "en")


async def test_the_marker_keeps_a_post_in_the_department(node: Node) -> None:
    anna = await make_person(node, "anna")
    row = await row_of(node, await say(node, anna, "between us \N{EYE}", local_only=False))
    assert row.local_only
    assert (row.text, row.content) == ("between us", "<p>between us</p>")


async def test_a_department_post_cannot_call_anybody_elsewhere(node: Node) -> None:
    anna = await make_person(node, "anna")
    await make_remote(node, "bert", domain="field.example")
    for text in ("come @bert@field.example \N{EYE}", "come @nobody@unknown.example \N{EYE}"):
        with pytest.raises(Invalid, match="cannot be reached"):
            await say(node, anna, text)
    assert await count_of(node, post) == 0
    await say(node, anna, "come @bert@field.example")


async def test_nothing_of_a_department_post_is_sent(node: Node) -> None:
    anna, far = await make_person(node, "anna"), await make_remote(node)
    await following(node, far, anna)
    post_id = await say(node, anna, "between us", local_only=True)
    await node.write_as(anna, posts.edit, post_id, Changes(text="between us two"))
    await node.write_as(anna, posts.delete, post_id)
    assert await sent(node) == []
    await say(node, anna, "for all")
    assert await sent(node) == ["Create"]


async def test_a_repeated_key_answers_the_first_post(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    first = await say(node, anna, "once", idempotency_key="k1")
    assert await say(node, anna, "once", idempotency_key="k1") == first
    assert await say(node, bea, "once", idempotency_key="k1") != first
    assert await say(node, anna, "once", idempotency_key="k2") != first
    assert await count_of(node, post) == 3
    await node.write_as(anna, posts.delete, first)
    again = await say(node, anna, "once", idempotency_key="k1")
    assert await say(node, anna, "once", idempotency_key="k1") == again != first


async def test_followers_who_asked_for_it_are_told_of_posts_not_of_answers(node: Node) -> None:
    anna, fan, lazy, bea = [await make_person(node, name) for name in ("anna", "fan", "lazy", "bea")]
    await following(node, fan, anna, notify=True)
    await following(node, lazy, anna)
    first = await say(node, anna, "one")
    thread = await say(node, anna, "two", in_reply_to_id=first)
    other = await say(node, bea, "something else")
    await say(node, anna, "an answer", in_reply_to_id=other)
    await say(node, anna, "secret", visibility=Visibility.DIRECT)
    called = await say(node, anna, "you: @fan")
    expected = [("mention", called), ("status", thread), ("status", first)]
    assert [(kind, post_id) for kind, _, post_id in await told(node, fan)] == expected
    assert await told(node, lazy) == []


@pytest.mark.parametrize("text", ["@" + " @".join(f"p{n}" for n in range(101)), "\x00"])
async def test_what_would_cost_too_much_or_cannot_be_stored_is_refused(node: Node, text: str) -> None:
    anna = await make_person(node, "anna")
    with pytest.raises(Invalid):
        await say(node, anna, text)


async def test_a_suspended_person_publishes_nothing(node: Node) -> None:
    anna = await make_person(node, "anna")
    await node.write(accounts.suspend, id_of(anna))
    with pytest.raises(Forbidden):
        await say(node, anna, "hello")


# --- Answers ------------------------------------------------------------------------------------------------------


async def test_an_answer_joins_the_thread_and_is_counted(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    first = await say(node, anna, "question")
    answer = await row_of(node, await say(node, bea, "answer", in_reply_to_id=first))
    parent = await row_of(node, first)
    assert (answer.in_reply_to_id, answer.in_reply_to_iri) == (first, parent.iri)
    assert (answer.in_reply_to_account_id, answer.conversation_id) == (id_of(anna), first)
    assert (parent.replies_count, parent.rev) == (1, 0)
    await say(node, bea, "@anna psst", in_reply_to_id=first, visibility=Visibility.DIRECT)
    assert (await row_of(node, first)).replies_count == 1


async def test_an_answer_to_a_boost_answers_what_it_boosts(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    first = await say(node, anna, "question")
    boost_id = await node.write_as(bea, reactions.boost, first)
    assert (await row_of(node, await say(node, bea, "answer", in_reply_to_id=boost_id))).in_reply_to_id == first


async def test_what_one_may_not_see_cannot_be_answered(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    secret = await say(node, anna, "mine", visibility=Visibility.FOLLOWERS)
    with pytest.raises(NotFound):
        await say(node, bea, "hm", in_reply_to_id=secret)
    with pytest.raises(NotFound):
        await say(node, bea, "hm", in_reply_to_id=12345)
    await following(node, bea, anna)
    await say(node, bea, "hm", in_reply_to_id=secret)


@pytest.mark.parametrize(
    ("parent", "child", "stored"),
    [
        ((Visibility.PUBLIC, False), (Visibility.PUBLIC, False), (Visibility.PUBLIC, False)),
        ((Visibility.PUBLIC, False), (Visibility.DIRECT, True), (Visibility.DIRECT, True)),
        ((Visibility.PUBLIC, True), (Visibility.PUBLIC, False), (Visibility.PUBLIC, True)),
        ((Visibility.UNLISTED, False), (Visibility.PUBLIC, False), (Visibility.UNLISTED, False)),
        ((Visibility.FOLLOWERS, False), (Visibility.PUBLIC, True), (Visibility.FOLLOWERS, True)),
        ((Visibility.DIRECT, False), (Visibility.PUBLIC, False), (Visibility.DIRECT, False)),
        ((Visibility.DIRECT, True), (Visibility.UNLISTED, False), (Visibility.DIRECT, True)),
    ],
)
async def test_an_answer_travels_no_further_than_what_it_answers(
    node: Node, parent: tuple[Visibility, bool], child: tuple[Visibility, bool], stored: tuple[Visibility, bool]
) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    await following(node, bea, anna)
    first = await say(node, anna, "for @bea", visibility=parent[0], local_only=parent[1])
    row = await row_of(node, await say(node, bea, "so", in_reply_to_id=first, visibility=child[0], local_only=child[1]))
    assert (row.visibility, row.local_only) == stored


async def test_a_context_is_read_from_top_to_bottom(node: Node, clock: Clock) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    ids: dict[str, PostId] = {}
    for name, who, on in (
        ("root", anna, None),
        ("bea1", bea, "root"),
        ("anna1", anna, "root"),
        ("bea11", bea, "bea1"),
        ("anna11", anna, "bea1"),
        ("bea111", bea, "bea11"),
    ):
        clock.advance(1)
        ids[name] = await say(node, who, name, in_reply_to_id=ids[on] if on else None)
    names = {id_: name for name, id_ in ids.items()}
    whole = await node.read_as(bea, posts.context, ids["root"])
    assert whole.ancestors == []
    # What the author adds comes first, and each answer is followed by its own.
    assert [names[id_] for id_ in whole.descendants] == ["anna1", "bea1", "bea11", "bea111", "anna11"]
    inner = await node.read_as(bea, posts.context, ids["bea11"])
    assert [names[id_] for id_ in inner.ancestors] == ["root", "bea1"]
    assert [names[id_] for id_ in inner.descendants] == ["bea111"]


async def test_a_hidden_answer_does_not_hide_what_is_below_it(node: Node) -> None:
    anna, bea, cid = [await make_person(node, name) for name in ("anna", "bea", "cid")]
    root = await say(node, anna, "root")
    hidden = await say(node, bea, "@anna psst", in_reply_to_id=root)
    below = await say(node, anna, "aloud", in_reply_to_id=hidden)
    await node.write(lambda tx: tx.execute(post.update().where(post.c.id == hidden).values(visibility=3)))
    assert (await node.read_as(cid, posts.context, root)).descendants == [below]
    assert (await node.read_as(cid, posts.context, below)).ancestors == [root]
    assert (await node.read_as(anna, posts.context, root)).descendants == [hidden, below]


async def test_a_context_costs_three_statements_however_long_the_thread(node: Node) -> None:
    anna = await make_person(node, "anna")
    root = last = await say(node, anna, "0")
    for number in range(1, 60):
        last = await say(node, anna, str(number), in_reply_to_id=last)
    with counted() as statements:
        found = await node.read_as(anna, posts.context, root)
    assert len(found.descendants) == 40  # the depth that is shown
    assert len(statements) == 3
    assert len((await node.read_as(anna, posts.context, last)).ancestors) == 59


# --- Editing ------------------------------------------------------------------------------------------------------


async def test_an_edit_keeps_what_was_and_tells_who_must_know(node: Node, clock: Clock) -> None:
    anna, bea, cid = [await make_person(node, name) for name in ("anna", "bea", "cid")]
    post_id = await say(node, anna, "first @bea #old https://a.example/")
    await node.write_as(bea, reactions.boost, post_id)
    before = await row_of(node, post_id)
    clock.advance(60)
    await node.write_as(anna, posts.edit, post_id, Changes(text="second @bea @cid #new", spoiler="careful"))
    row = await row_of(node, post_id)
    assert (row.edited_at, row.rev, row.spoiler, row.sensitive) == (node.now(), 1, "careful", True)
    assert (row.visibility, row.created_at, row.iri) == (before.visibility, before.created_at, before.iri)
    history = await node.read_as(bea, posts.history, post_id)
    assert [(one.created_at, one.content, one.spoiler) for one in history] == [
        (before.created_at, before.content, ""),
        (row.edited_at, row.content, "careful"),
    ]
    assert await told(node, cid) == [("mention", id_of(anna), post_id)]
    assert sorted(kind for kind, _, _ in await told(node, bea)) == ["mention", "update"]
    assert await node.read(tags.names_of, post_id) == ["new"]
    assert await count_of(node, post_link) == 0
    assert await node.read_as(bea, search.posts, "second") == [post_id]
    assert await node.read_as(bea, search.posts, "first") == []
    assert ("status.update", post_id) in [(one.kind, one.post_id) for one in await rows_of(node, event)]
    source = await node.read_as(anna, posts.source, post_id)
    assert (source.text, source.spoiler) == ("second @bea @cid #new", "careful")


async def test_an_edit_that_changes_nothing_leaves_no_trace(node: Node, clock: Clock) -> None:
    anna = await make_person(node, "anna")
    post_id = await say(node, anna, "same")
    clock.advance(1)
    await node.write_as(anna, posts.edit, post_id, Changes(text="same"))
    assert (await row_of(node, post_id)).edited_at is None
    assert await count_of(node, post_edit) == 0


async def test_only_the_author_edits_and_reads_the_source(node: Node) -> None:
    anna, boss = await make_person(node, "anna"), await make_person(node, "boss", roles=("moderator", "admin"))
    post_id = await say(node, anna, "mine")
    boost_id = await node.write_as(boss, reactions.boost, post_id)
    for who, id_ in ((boss, post_id), (boss, boost_id), (NOBODY, post_id)):
        with pytest.raises(NotFound):
            await node.write_as(who, posts.edit, id_, Changes(text="yours"))
        with pytest.raises(NotFound):
            await node.read_as(who, posts.source, id_)
    assert (await row_of(node, post_id)).text == "mine"


async def test_an_edit_cannot_change_the_audience(node: Node) -> None:
    anna, far = await make_person(node, "anna"), await make_remote(node)
    wide = await say(node, anna, "wide")
    with pytest.raises(Invalid):
        await node.write_as(anna, posts.edit, wide, Changes(text="narrow \N{EYE}"))
    narrow = await say(node, anna, "narrow", local_only=True)
    with pytest.raises(Invalid):
        await node.write_as(anna, posts.edit, narrow, Changes(text=f"hello @bert@{far.domain}"))
    await node.write_as(anna, posts.edit, narrow, Changes(text="still narrow \N{EYE}"))
    row = await row_of(node, narrow)
    assert (row.text, row.local_only) == ("still narrow", True)


async def test_who_was_mentioned_still_sees_the_edited_post(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    post_id = await say(node, anna, "for @bea", visibility=Visibility.DIRECT)
    await node.write_as(anna, posts.edit, post_id, Changes(text="for nobody"))
    assert (await node.read_as(bea, posts.get, post_id)).text == "for nobody"


async def test_an_edit_changes_images_and_history_remembers_them(node: Node) -> None:
    anna = await make_person(node, "anna")
    one, two = await make_image(node, anna, "1.webp"), await make_image(node, anna, "2.webp")
    post_id = await say(node, anna, "look", media_ids=[one, two])
    await node.write_as(anna, posts.edit, post_id, Changes(media_ids=[two]))
    assert [past.media_ids for past in await node.read(posts.history, post_id)] == [(one, two), (two,)]
    await node.write_as(anna, posts.edit, post_id, Changes(text="look here"))
    assert [past.media_ids for past in await node.read(posts.history, post_id)][-1] == (two,)


async def test_no_more_edits_are_kept_than_the_settings_say(node: Node, clock: Clock) -> None:
    anna = await make_person(node, "anna")
    post_id = await say(node, anna, "0")
    kept = node.settings.posts.edits_kept

    def rule(tx: Tx) -> None:
        for number in range(1, kept + 4):
            posts.edit(tx, post_id, Changes(text=str(number)))

    await node.write_as(anna, rule)
    history = await node.read(posts.history, post_id)
    assert [one.content for one in history] == [f"<p>{number}</p>" for number in range(3, kept + 4)]


# --- Deleting -----------------------------------------------------------------------------------------------------


async def test_a_deleted_post_leaves_nothing_but_a_tombstone(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    image = await make_image(node, anna)
    root = await say(node, bea, "root")
    post_id = await say(node, anna, "answer @bea #tag", in_reply_to_id=root, media_ids=[image])
    child = await say(node, bea, "and you", in_reply_to_id=post_id)
    boost_id = await node.write_as(bea, reactions.boost, post_id)
    await node.write_as(bea, reactions.favourite, post_id)
    iri = (await row_of(node, post_id)).iri
    await node.write_as(anna, posts.delete, post_id)

    for id_ in (post_id, boost_id):
        with pytest.raises(NotFound):
            await node.read(posts.get, id_)
    grave = (await rows_of(node, tombstone))[-1]
    assert (grave.iri, grave.author_iri) == (iri, "https://eng.example/users/anna")
    assert (grave.former_type, grave.post_id) == ("Note", post_id)
    assert await count_of(node, notification, notification.c.post_id == post_id) == 0
    assert (await row_of(node, root)).replies_count == 0
    counts = {row.username: row.posts_count for row in await rows_of(node, account)}
    assert (counts["anna"], counts["bea"]) == (0, 2)
    orphan = await row_of(node, child)
    assert (orphan.in_reply_to_id, orphan.in_reply_to_iri) == (None, iri)
    assert await node.read(search.posts, "answer") == []
    indexed = await node.read(lambda tx: tx.scalar(select_index_size(tx)))
    assert indexed == 2
    ended = [one.data for one in await rows_of(node, event, event.c.kind == "delete")]
    assert {one["id"] for one in ended} == {post_id, boost_id}
    own = next(one for one in ended if one["id"] == post_id)
    assert own == {
        "id": post_id,
        "author_id": id_of(anna),
        "visibility": 0,
        "local_only": False,
        "tags": ["tag"],
        "mentions": [id_of(bea)],
    }
    # The image is there for a redraft.
    assert [(one.id, one.post_id) for one in await rows_of(node, media_table)] == [(image, None)]


def select_index_size(tx: Tx) -> Any:
    from sqlalchemy import text

    return text("SELECT count(*) FROM post_search")


async def test_a_stranger_cannot_delete_but_a_moderator_can(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    moderator = await make_person(node, "mod", roles=("moderator",))
    post_id = await say(node, anna, "rude")
    for who in (bea, NOBODY, await make_remote(node)):
        with pytest.raises(NotFound):
            await node.write_as(who, posts.delete, post_id)
    await node.write_as(moderator, posts.delete, post_id)
    assert await node.read_as(anna, timelines.home, Page()) == []


async def test_deleting_tells_peers_who_had_it(node: Node) -> None:
    anna, far = await make_person(node, "anna"), await make_remote(node)
    await following(node, far, anna)
    post_id = await say(node, anna, "hello")
    boosted = await heard(node, far)
    boost_id = await node.write_as(anna, reactions.boost, boosted)
    # As if both had been tried: what no peer has seen yet is taken off the queue instead.
    await node.write(lambda tx: tx.execute(delivery.update().values(attempts=1)))
    await node.write_as(anna, posts.delete, boost_id)
    await node.write_as(anna, posts.delete, post_id)
    assert sorted(await sent(node)) == ["Announce", "Create", "Delete", "Undo"]


# --- The cost -----------------------------------------------------------------------------------------------------


COSTS = {
    "post": (8, 11),
    "answer": (10, 13),
    "boost": (12, 15),
    "favourite": (8, 8),
    "answer to a peer's": (13, 13),
    "boost of a peer's": (13, 13),
    "favourite of a peer's": (9, 9),
}
"""Statements without followers elsewhere, and with one. They rise only on purpose."""


@pytest.mark.parametrize("kind", COSTS)
@pytest.mark.parametrize("is_followed", [False, True])
async def test_what_people_do_costs_few_statements(node: Node, kind: str, is_followed: bool) -> None:
    anna, bea, far = await make_person(node, "anna"), await make_person(node, "bea"), await make_remote(node)
    if is_followed:
        await following(node, far, anna)
    await say(node, anna, "#kafka")  # the tag and the peer are known from here on
    theirs = await heard(node, far)
    about = theirs if "peer" in kind else await say(node, bea, "hello")
    if "peer" in kind:
        await node.write_as(anna, reactions.favourite, await heard(node, far, "<p>before</p>"))
    with counted() as statements:
        if kind == "post":
            await say(node, anna, "more about #kafka")
        elif kind.startswith("answer"):
            await say(node, anna, "more about #kafka", in_reply_to_id=about)
        elif kind.startswith("boost"):
            await node.write_as(anna, reactions.boost, about)
        else:
            await node.write_as(anna, reactions.favourite, about)
    assert len(statements) <= COSTS[kind][is_followed], "\n".join(statements)


async def test_an_idempotency_key_costs_one_statement(node: Node) -> None:
    anna = await make_person(node, "anna")
    with counted() as without:
        await say(node, anna, "hello")
    with counted() as with_key:
        await say(node, anna, "hello", idempotency_key="k1")
    assert len(with_key) == len(without) + 1


async def test_a_text_that_was_read_before_the_transaction_is_not_read_in_it(node: Node) -> None:
    """What is stored is what the reading says; the draft's text is not looked at again."""
    anna = await make_person(node, "anna")
    text, spoiler = "The pump leaks, see #Seal \N{EYE}", "wet"
    whole = await say(node, anna, text, spoiler=spoiler)
    reading = posts.read(text, spoiler, node.settings)
    post_id = await node.write_as(anna, posts.publish, posts.Draft("never looked at"), reading)
    first, second = await row_of(node, whole), await row_of(node, post_id)
    for name in ("text", "content", "spoiler", "sensitive", "local_only"):
        assert getattr(first, name) == getattr(second, name)
    assert await node.read(search.posts, "wet leaks") == [post_id, whole]
    assert await node.read(tags.names_of, post_id) == ["seal"]


async def test_reading_a_text_refuses_what_cannot_be_published(node: Node) -> None:
    limit = node.settings.posts.max_characters
    posts.read("x" * limit, "", node.settings)
    for text, spoiler in (("x" * limit, "y"), ("x" * (limit + 1), ""), ("a\x00b", "")):
        with pytest.raises(Invalid):
            posts.read(text, spoiler, node.settings)
