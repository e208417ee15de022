"""Quotes among people of one node: who may quote what, who is told, and what becomes of a quote."""

from typing import Any

import pytest
from sqlalchemy import select

from activitypub.audience import Visibility
from node import notifications, posts, quotes, social
from node.errors import Invalid, NotFound
from node.paging import Page
from node.quotes import NAMES, Policy, State
from node.runtime import Node
from node.schema import event, post, quote
from node.viewer import Viewer
from tests.support.people import make_person
from tests.support.posting import following, say
from tests.support.rows import id_of
from tests.support.statements import counted


@pytest.fixture
async def anna(node: Node) -> Viewer:
    return await make_person(node, "anna")


@pytest.fixture
async def bert(node: Node) -> Viewer:
    return await make_person(node, "bert")


async def row_of(node: Node, post_id: int) -> Any:
    return await node.read(lambda tx: tx.first(select(quote).where(quote.c.post_id == post_id)))


async def count_of(node: Node, post_id: int) -> int:
    return int(await node.read(lambda tx: tx.scalar(select(post.c.quotes_count).where(post.c.id == post_id))))


async def told(node: Node, who: Viewer) -> list[tuple[str, int]]:
    rows = await node.read_as(who, notifications.page, Page(40))
    return [(row.kind, row.post_id) for row in rows]


async def said_again(node: Node, post_id: int) -> int:
    """How often streams were told that a post changed."""
    return len(
        await node.read(
            lambda tx: tx.rows(select(event).where(event.c.kind == "status.update", event.c.post_id == post_id))
        )
    )


async def test_a_quote_of_a_public_post_is_accepted_at_once_and_its_author_told(
    node: Node, anna: Viewer, bert: Viewer
) -> None:
    quoted = await say(node, anna, "The pump is loud")
    quoting = await say(node, bert, "So is ours", quoted_id=quoted)
    row = await row_of(node, quoting)
    assert (row.state, row.quoted_id) == (State.ACCEPTED, quoted)
    assert row.stamp_iri == f"https://eng.example/users/anna/quote_authorizations/{quoting}"
    assert await count_of(node, quoted) == 1
    assert await told(node, anna) == [("quote", quoting)]
    assert await node.read_as(anna, quotes.quoting, quoted, Page(20)) == [quoting]


async def test_a_quote_has_a_link_for_who_does_not_know_quotes_unless_it_has_one_already(
    node: Node, anna: Viewer, bert: Viewer
) -> None:
    quoted = await say(node, anna, "The pump is loud")
    page = f"https://eng.example/@anna/{quoted}"
    contents = []
    for text in ("So is ours", "", f"See {page}"):
        row = await node.read_as(bert, posts.get, await say(node, bert, text, quoted_id=quoted))
        contents.append(row.content)
    assert contents[0].startswith('<p class="quote-inline">RE: <a href="https://eng.example/@anna/')
    assert contents[0].endswith("<p>So is ours</p>")
    assert contents[1].startswith('<p class="quote-inline">')
    assert "quote-inline" not in contents[2]


async def test_an_edit_keeps_the_quote_and_its_link(node: Node, anna: Viewer, bert: Viewer) -> None:
    quoted = await say(node, anna, "The pump is loud")
    quoting = await say(node, bert, "So is ours", quoted_id=quoted)
    await node.write_as(bert, posts.edit, quoting, posts.Changes(text=""))
    row = await node.read_as(bert, posts.get, quoting)
    assert row.content.count("quote-inline") == 1
    assert (await row_of(node, quoting)).state == State.ACCEPTED


POLICIES = [("public", False, True), ("followers", False, False), ("followers", True, True), ("nobody", True, False)]


@pytest.mark.parametrize(("policy", "follows", "allowed"), POLICIES)
async def test_the_author_says_who_may_quote(
    node: Node, anna: Viewer, bert: Viewer, policy: str, follows: bool, allowed: bool
) -> None:
    quoted = await say(node, anna, "The pump is loud", quote_policy=NAMES[policy])
    if follows:
        await following(node, bert, anna)
    if allowed:
        assert (await row_of(node, await say(node, bert, "Really?", quoted_id=quoted))).state == State.ACCEPTED
    else:
        with pytest.raises(Invalid, match="does not let you quote"):
            await say(node, bert, "Really?", quoted_id=quoted)
    assert (await row_of(node, await say(node, anna, "Myself", quoted_id=quoted))).state == State.ACCEPTED


async def test_a_changed_policy_counts_from_then_on(node: Node, anna: Viewer, bert: Viewer) -> None:
    quoted = await say(node, anna, "The pump is loud")
    before = await say(node, bert, "Really?", quoted_id=quoted)
    await node.write_as(anna, quotes.set_policy, quoted, NAMES["nobody"])
    with pytest.raises(Invalid):
        await say(node, bert, "Again", quoted_id=quoted)
    assert (await row_of(node, before)).state == State.ACCEPTED
    with pytest.raises(NotFound):
        await node.write_as(bert, quotes.set_policy, quoted, NAMES["public"])


async def test_whoever_blocks_or_is_blocked_does_not_quote(node: Node, anna: Viewer, bert: Viewer) -> None:
    quoted, answered = await say(node, anna, "The pump is loud"), await say(node, bert, "Yes")
    await node.write_as(anna, social.block, id_of(bert))
    with pytest.raises(NotFound, match="does not appear to exist"):
        await say(node, bert, "Really?", quoted_id=quoted)
    with pytest.raises(Invalid):
        await say(node, anna, "Really?", quoted_id=answered)


async def test_a_block_ends_the_quotes_of_the_blocked_and_no_others(node: Node, anna: Viewer, bert: Viewer) -> None:
    carl = await make_person(node, "carl")
    quoted = await say(node, anna, "The pump is loud")
    by_bert, by_carl = [await say(node, who, "Ha", quoted_id=quoted) for who in (bert, carl)]
    await node.write_as(anna, social.block, id_of(bert))
    assert (await row_of(node, by_bert)).state == State.REVOKED
    assert (await row_of(node, by_carl)).state == State.ACCEPTED
    assert await count_of(node, quoted) == 1


async def test_what_is_not_for_everybody_is_quoted_by_its_author_alone_and_no_further(
    node: Node, anna: Viewer, bert: Viewer
) -> None:
    narrow = await say(node, anna, "For followers", visibility=Visibility.FOLLOWERS)
    await following(node, bert, anna)
    with pytest.raises(Invalid, match="does not let you quote"):
        await say(node, bert, "Look", quoted_id=narrow)
    own = await say(node, anna, "Look", quoted_id=narrow, visibility=Visibility.PUBLIC)
    assert (await node.read_as(anna, posts.get, own)).visibility == Visibility.FOLLOWERS


async def test_a_private_mention_is_quoted_by_nobody(node: Node, anna: Viewer, bert: Viewer) -> None:
    secret = await say(node, anna, "@bert only you", visibility=Visibility.DIRECT)
    for who in (anna, bert):
        with pytest.raises(Invalid, match="Private mentions"):
            await say(node, who, "Look", quoted_id=secret)


async def test_whoever_is_quoted_in_a_private_mention_is_mentioned(node: Node, anna: Viewer, bert: Viewer) -> None:
    await make_person(node, "carl")
    quoted = await say(node, anna, "The pump is loud")
    with pytest.raises(Invalid, match="@anna could not see"):
        await say(node, bert, "@carl look at this", quoted_id=quoted, visibility=Visibility.DIRECT)
    both = await say(node, bert, "@carl @anna look at this", quoted_id=quoted, visibility=Visibility.DIRECT)
    assert (await row_of(node, both)).state == State.ACCEPTED


async def test_a_quote_of_a_department_post_stays_in_the_department(node: Node, anna: Viewer, bert: Viewer) -> None:
    inside = await say(node, anna, "Only for us", local_only=True)
    with pytest.raises(Invalid, match="stays within the department"):
        await say(node, bert, "Look", quoted_id=inside)
    quoting = await say(node, bert, "Look", quoted_id=inside, local_only=True)
    row = await row_of(node, quoting)
    assert (row.state, row.stamp_iri) == (State.ACCEPTED, None)


async def test_what_cannot_be_seen_cannot_be_quoted(node: Node, anna: Viewer, bert: Viewer) -> None:
    hidden = await say(node, anna, "For followers", visibility=Visibility.FOLLOWERS)
    for unknown in (hidden, 12345):
        with pytest.raises(NotFound, match="does not appear to exist"):
            await say(node, bert, "Look", quoted_id=unknown)


async def test_a_consent_is_taken_back_by_the_quoted_author_alone_and_for_good(
    node: Node, anna: Viewer, bert: Viewer
) -> None:
    quoted = await say(node, anna, "The pump is loud")
    quoting = await say(node, bert, "Ha", quoted_id=quoted)
    for stranger in (bert, await make_person(node, "carl")):
        with pytest.raises(NotFound):
            await node.write_as(stranger, quotes.revoke, quoted, quoting)
    for _ in range(2):
        await node.write_as(anna, quotes.revoke, quoted, quoting)
    assert (await row_of(node, quoting)).state == State.REVOKED
    assert await count_of(node, quoted) == 0
    assert await told(node, anna) == []
    assert await said_again(node, quoting) == 1
    assert await node.read_as(anna, quotes.quoting, quoted, Page(20)) == []


async def test_quotes_of_a_deleted_post_say_so_and_their_readers_hear_of_it(
    node: Node, anna: Viewer, bert: Viewer
) -> None:
    quoted = await say(node, anna, "The pump is loud")
    quoting = await say(node, bert, "Ha", quoted_id=quoted)
    before = (await node.read_as(bert, posts.get, quoting)).rev
    await node.write_as(anna, posts.delete, quoted)
    row = await row_of(node, quoting)
    assert (row.state, row.quoted_id) == (State.DELETED, None)
    assert await said_again(node, quoting) == 1
    assert (await node.read_as(bert, posts.get, quoting)).rev > before


async def test_a_deleted_quote_is_counted_no_more(node: Node, anna: Viewer, bert: Viewer) -> None:
    quoted = await say(node, anna, "The pump is loud")
    await node.write_as(bert, posts.delete, await say(node, bert, "Ha", quoted_id=quoted))
    assert await count_of(node, quoted) == 0
    assert await told(node, anna) == []


async def test_who_quotes_a_post_hears_of_its_edit(node: Node, anna: Viewer, bert: Viewer) -> None:
    quoted = await say(node, anna, "The pump is loud")
    quoting = await say(node, bert, "Ha", quoted_id=quoted)
    await node.write_as(anna, posts.edit, quoted, posts.Changes(text="The pump is quiet"))
    assert await told(node, bert) == [("quoted_update", quoting)]


async def test_the_quotes_of_a_post_are_those_that_the_viewer_sees(node: Node, anna: Viewer, bert: Viewer) -> None:
    quoted = await say(node, anna, "The pump is loud")
    open_ = await say(node, bert, "Ha", quoted_id=quoted)
    narrow = await say(node, bert, "Ha", quoted_id=quoted, visibility=Visibility.FOLLOWERS)
    assert await node.read_as(anna, quotes.quoting, quoted, Page(20)) == [open_]
    assert await node.read_as(bert, quotes.quoting, quoted, Page(20)) == [narrow, open_]


async def test_one_key_makes_one_quote(node: Node, anna: Viewer, bert: Viewer) -> None:
    quoted = await say(node, anna, "The pump is loud")
    first, second = [await say(node, bert, "Ha", quoted_id=quoted, idempotency_key="k") for _ in range(2)]
    assert first == second
    assert await count_of(node, quoted) == 1


def test_policies_are_said_in_the_words_of_the_client_api() -> None:
    assert quotes.lists(Policy.PUBLIC) == (["public"], [])
    assert quotes.lists(Policy.FOLLOWERS | Policy.MANUAL_PUBLIC) == (["followers"], ["public"])
    assert quotes.lists(Policy.OTHERS | Policy.MANUAL_OTHERS) == (["unsupported_policy"], ["unsupported_policy"])
    assert [quotes.name_of(policy) for policy in (None, Policy.FOLLOWERS, Policy(0))] == [
        "public",
        "followers",
        "nobody",
    ]


def test_a_policy_that_was_never_said_is_consent_only_of_ours() -> None:
    assert quotes.effective(None, local=True, visibility=Visibility.PUBLIC) == Policy.PUBLIC
    assert quotes.effective(None, local=False, visibility=Visibility.PUBLIC) == Policy(0)
    assert quotes.effective(int(Policy.PUBLIC), local=True, visibility=Visibility.FOLLOWERS) == Policy(0)


async def test_publishing_what_quotes_nothing_asks_nothing_of_quotes(node: Node, anna: Viewer) -> None:
    with counted() as seen:
        await say(node, anna, "The pump is loud")
    assert not [statement for statement in seen if "quote." in statement or "INTO quote" in statement]
