"""Stamps of quotes that others made, and everything that may happen to a quote while its stamp is on the way."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from activitypub.audience import Visibility
from activitypub.documents import QuoteAuthorization
from activitypub.vocabulary import Iri
from node import accounts, posts, quotes, social
from node.errors import Invalid
from node.federation import quoting, render
from node.federation.dispatcher import Dispatcher
from node.federation.network import Network
from node.quotes import NAMES, Policy, State
from node.runtime import Node, Tx
from node.schema import post as post_table
from node.schema import quote
from node.viewer import Viewer
from tests.node.federation.conftest import Post, deliver, run_jobs
from tests.node.federation.test_quotes import ANYBODY, id_at, sent, state_of
from tests.support.posting import say
from tests.support.remote_peer import Doc, RemotePeer


def create(peer: RemotePeer, note: Doc, number: int = 1) -> Doc:
    return peer.activity("Create", note["attributedTo"], note, number=number, to=note["to"], cc=note["cc"])


def stamp(peer: RemotePeer, quoted: Doc, quoting_iri: str, *, number: int = 1, by: str | None = None) -> Doc:
    return peer.serve(
        {
            "id": f"{peer.base}/stamps/{number}",
            "type": "QuoteAuthorization",
            "attributedTo": by or quoted["attributedTo"],
            "interactingObject": quoting_iri,
            "interactionTarget": quoted["id"],
        }
    )


@pytest.fixture
async def carl(peer: RemotePeer, network: Network, alice: Viewer, node: Node) -> str:
    """Somebody of the peer whom alice follows."""
    iri = peer.person("carl")
    carl_id = await network.actor(iri)
    await node.write_as(alice, social.follow, carl_id)
    await node.write(lambda tx: social.record_accept(tx, alice.account_id or 0, carl_id))
    return iri


# --- Others quote others ------------------------------------------------------------------------------------------


async def test_a_quote_is_shown_that_its_stamp_allows(
    node: Node, peer: RemotePeer, network: Network, post: Post, bert: str, carl: str
) -> None:
    quoted = peer.note(1, bert, "The valve is stuck")
    note = peer.note(2, carl, "Ha", quote=quoted["id"], quoteAuthorization=f"{peer.base}/stamps/1")
    stamp(peer, quoted, note["id"])
    assert await post.arrives(peer, create(peer, note)) == "done"
    assert await state_of(node, note["id"]) == State.PENDING
    await run_jobs(node, network)
    assert await state_of(node, note["id"]) == State.ACCEPTED
    count = select(post_table.c.quotes_count).where(post_table.c.iri == quoted["id"])
    assert await node.read(lambda tx: tx.scalar(count)) == 1


@pytest.mark.parametrize("name", ["quote", "quoteUrl", "quoteUri", "_misskey_quote"])
async def test_a_quote_without_consent_stays_a_link(
    node: Node, peer: RemotePeer, network: Network, post: Post, bert: str, carl: str, name: str
) -> None:
    quoted = peer.note(1, bert, "The valve is stuck")
    note = peer.note(2, carl, "Ha", **{name: quoted["id"]})
    await post.arrives(peer, create(peer, note))
    await run_jobs(node, network)
    assert await state_of(node, note["id"]) == State.PENDING
    own = peer.note(3, bert, "As I said", **{name: quoted["id"]})
    await network.fetch_post(own["id"])
    await run_jobs(node, network)
    assert await state_of(node, own["id"]) == State.ACCEPTED  # to oneself one needs no consent


async def test_a_stamp_may_come_with_a_later_update_of_the_same_words(
    node: Node, peer: RemotePeer, network: Network, post: Post, bert: str, carl: str
) -> None:
    quoted = peer.note(1, bert, "The valve is stuck")
    note = peer.note(2, carl, "Ha", quote=quoted["id"])
    await post.arrives(peer, create(peer, note))
    stamp(peer, quoted, note["id"])
    changed = {**note, "quoteAuthorization": f"{peer.base}/stamps/1"}
    await post.arrives(peer, peer.activity("Update", carl, changed, to=note["to"]))
    await run_jobs(node, network)
    assert await state_of(node, note["id"]) == State.ACCEPTED


async def test_another_cannot_use_up_a_stamp(
    node: Node, peer: RemotePeer, network: Network, post: Post, bert: str, carl: str
) -> None:
    """Whoever knows a stamp before it comes here names it in a post of their own: that keeps nobody from theirs."""
    quoted = peer.note(1, bert, "The valve is stuck")
    thief = peer.note(3, carl, "Mine", quote=quoted["id"], quoteAuthorization=f"{peer.base}/stamps/1")
    honest = peer.note(2, carl, "Ha", quote=quoted["id"], quoteAuthorization=f"{peer.base}/stamps/1")
    stamp(peer, quoted, honest["id"])
    for number, note in enumerate((thief, honest)):
        await post.arrives(peer, create(peer, note, number))
        await run_jobs(node, network)
    assert await state_of(node, thief["id"]) == State.PENDING
    assert await state_of(node, honest["id"]) == State.ACCEPTED


async def test_a_stamp_that_changes_its_mind_is_still_one_quotes_alone(
    node: Node, peer: RemotePeer, network: Network, post: Post, bert: str, carl: str
) -> None:
    quoted = peer.note(1, bert, "The valve is stuck")
    for number in (2, 3):
        note = peer.note(number, carl, "Ha", quote=quoted["id"], quoteAuthorization=f"{peer.base}/stamps/1")
        stamp(peer, quoted, note["id"])
        await post.arrives(peer, create(peer, note, number))
        await run_jobs(node, network)
    assert await state_of(node, f"{peer.base}/notes/2") == State.ACCEPTED
    assert await state_of(node, f"{peer.base}/notes/3") == State.PENDING


async def test_nobody_claims_the_consent_of_one_of_ours(
    node: Node, peer: RemotePeer, network: Network, post: Post, alice: Viewer, carl: str
) -> None:
    quoted = await say(node, alice, "The pump is loud")
    iri = f"http://eng.example/users/alice/statuses/{quoted}"
    forged = f"http://eng.example/users/alice/quote_authorizations/{quoted}"
    note = peer.note(2, carl, "Ha", quote=iri, quoteAuthorization=forged)
    await post.arrives(peer, create(peer, note))
    await run_jobs(node, network)
    assert await state_of(node, note["id"]) == State.PENDING


async def test_only_the_quoted_author_takes_a_consent_back(
    node: Node, peer: RemotePeer, network: Network, post: Post, bert: str, carl: str
) -> None:
    quoted = peer.note(1, bert, "The valve is stuck")
    note = peer.note(2, carl, "Ha", quote=quoted["id"], quoteAuthorization=f"{peer.base}/stamps/1")
    given = stamp(peer, quoted, note["id"])
    await post.arrives(peer, create(peer, note))
    await run_jobs(node, network)
    await post.arrives(peer, peer.activity("Delete", carl, given, number=1))
    assert await state_of(node, note["id"]) == State.ACCEPTED
    await post.arrives(peer, peer.activity("Delete", bert, given["id"], number=2))
    assert await state_of(node, note["id"]) == State.REVOKED
    again = {**note, "updated": "2026-09-21T10:05:00Z"}
    await post.arrives(peer, peer.activity("Update", carl, again, number=3, to=note["to"]))
    await run_jobs(node, network)
    assert await state_of(node, note["id"]) == State.REVOKED


async def test_a_policy_is_read_and_follows_its_updates(
    node: Node, peer: RemotePeer, network: Network, post: Post, bert: str, carl: str
) -> None:
    async def stored() -> int | None:
        statement = select(post_table.c.quote_policy).where(post_table.c.iri == f"{peer.base}/notes/2")
        return await node.read(lambda tx: tx.scalar(statement))

    note = peer.note(2, carl, "Hi", interactionPolicy=ANYBODY)
    await post.arrives(peer, create(peer, note))
    assert await stored() == Policy.PUBLIC
    narrower = {"canQuote": {"automaticApproval": [f"{carl}/followers"], "manualApproval": [bert]}}
    await post.arrives(peer, peer.activity("Update", carl, {**note, "interactionPolicy": narrower}, to=note["to"]))
    assert await stored() == Policy.FOLLOWERS | Policy.MANUAL_OTHERS


# --- One of ours waits for a stamp --------------------------------------------------------------------------------


@pytest.fixture
async def waiting(
    node: Node, peer: RemotePeer, network: Network, alice: Viewer, bert: str, dispatcher: Dispatcher
) -> tuple[Doc, Doc]:
    """(bert's note that alice quotes, the stamp that bert's server has for her)."""
    quoted = peer.note(1, bert, "The valve is stuck", interactionPolicy=ANYBODY)
    await say(node, alice, "Ours too", quoted_id=await network.fetch_post(quoted["id"]))
    await deliver(dispatcher)
    (request,) = sent(peer, "QuoteRequest")
    return quoted, stamp(peer, quoted, request["instrument"]["id"])


EVENTS = ["withdrawn", "quoted_deleted", "blocked", "quoting_deleted"]


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("stamp_first", [True, False])
async def test_whatever_comes_first_a_quote_without_consent_is_not_shown(
    node: Node,
    peer: RemotePeer,
    post: Post,
    alice: Viewer,
    bert: str,
    waiting: tuple[Doc, Doc],
    event: str,
    stamp_first: bool,
) -> None:
    """CVE-2026-33869: the stamp was fetched, and before or after it is taken its reason goes away."""
    quoted, given = waiting
    quoting_iri = given["interactingObject"]
    quoting_id = await id_at(node, quoting_iri)
    fetched = QuoteAuthorization(iri=given["id"], author=Iri(bert), quoting=Iri(quoting_iri), quoted=Iri(quoted["id"]))
    if stamp_first:
        await node.write(quoting.believe, quoting_id, fetched)
        assert await state_of(node, quoting_iri) == State.ACCEPTED
    if event == "withdrawn":
        await post.arrives(peer, peer.activity("Delete", bert, given))
    elif event == "quoted_deleted":
        await post.arrives(peer, peer.activity("Delete", bert, quoted["id"]))
    elif event == "blocked":
        await post.arrives(peer, peer.activity("Block", bert, "http://eng.example/users/alice"))
    else:
        await node.write_as(alice, posts.delete, quoting_id)
    if not stamp_first:
        await node.write(quoting.believe, quoting_id, fetched)
    assert await state_of(node, quoting_iri) != State.ACCEPTED
    accepted = select(quote.c.post_id).where(quote.c.state == State.ACCEPTED)
    assert await node.read(lambda tx: tx.rows(accepted)) == []


@pytest.mark.parametrize("event", ["withdrawn", "quoted_deleted"])
async def test_at_the_same_moment_too(
    node: Node, alice: Viewer, bert: str, waiting: tuple[Doc, Doc], event: str
) -> None:
    quoted, given = waiting
    quoting_id = await id_at(node, given["interactingObject"])
    fetched = QuoteAuthorization(
        iri=given["id"], author=Iri(bert), quoting=Iri(given["interactingObject"]), quoted=Iri(quoted["id"])
    )

    def end(tx: Tx) -> None:
        gone = given["id"] if event == "withdrawn" else quoted["id"]
        if not posts.delete_remote(tx, gone, bert):
            quotes.revoke_by_iri(tx, gone, bert)

    believing = [node.write(quoting.believe, quoting_id, fetched) for _ in range(3)]
    await asyncio.gather(*believing[:2], node.write(end), *believing[2:])
    expected = {"withdrawn": (State.REVOKED, State.PENDING), "quoted_deleted": (State.DELETED,)}[event]
    assert await state_of(node, given["interactingObject"]) in expected


async def test_a_stamp_is_taken_once_though_it_comes_twice(
    node: Node, peer: RemotePeer, network: Network, waiting: tuple[Doc, Doc], dispatcher: Dispatcher
) -> None:
    _, given = waiting
    quoting_id = await id_at(node, given["interactingObject"])
    for _ in range(2):
        await node.write(quotes.ask_to_verify, quoting_id, given["id"])
        await run_jobs(node, network)
    await deliver(dispatcher)
    assert len(sent(peer, "Update")) == 1


async def test_the_end_of_a_quote_reaches_the_quoted_authors_server(
    node: Node, peer: RemotePeer, alice: Viewer, waiting: tuple[Doc, Doc], dispatcher: Dispatcher
) -> None:
    _, given = waiting
    await node.write_as(alice, posts.delete, await id_at(node, given["interactingObject"]))
    await deliver(dispatcher)
    assert [one["object"]["id"] for one in sent(peer, "Delete")] == [given["interactingObject"]]


# --- What of ours does not ask ------------------------------------------------------------------------------------


REFUSED = [
    ({"interactionPolicy": {"canQuote": {"automaticApproval": ["BERT"]}}}, {}, "does not let you quote"),
    ({}, {}, "does not let you quote"),
    ({"interactionPolicy": ANYBODY}, {"local_only": True}, "stays within the department"),
    ({"interactionPolicy": ANYBODY}, {"visibility": Visibility.FOLLOWERS}, "could not see that you quote them"),
]


@pytest.mark.parametrize(("note", "draft", "words"), REFUSED)
async def test_nobody_is_asked_who_said_no_or_would_not_see_it(
    node: Node,
    peer: RemotePeer,
    network: Network,
    alice: Viewer,
    bert: str,
    note: dict[str, Any],
    draft: dict[str, Any],
    words: str,
    dispatcher: Dispatcher,
) -> None:
    quoted = await network.fetch_post(peer.note(1, bert, "The valve is stuck", **note)["id"])
    with pytest.raises(Invalid, match=words):
        await say(node, alice, "Ours too", quoted_id=quoted, **draft)
    await deliver(dispatcher)
    assert sent(peer, "QuoteRequest") == []


async def test_a_followers_policy_of_a_peers_author_holds(
    node: Node, peer: RemotePeer, network: Network, alice: Viewer, carl: str, dispatcher: Dispatcher
) -> None:
    policy = {"canQuote": {"automaticApproval": [f"{carl}/followers"]}}
    quoted = await network.fetch_post(peer.note(1, carl, "For my followers", interactionPolicy=policy)["id"])
    await say(node, alice, "Thanks", quoted_id=quoted)
    await deliver(dispatcher)
    assert len(sent(peer, "QuoteRequest")) == 1
    assert (await node.read(accounts.known, carl)).following_iri == f"{carl}/following"


async def test_our_policy_is_in_every_note(node: Node, alice: Viewer) -> None:
    said = {}
    for name, policy in NAMES.items():
        note = await node.read(render.note, await say(node, alice, "Hi", quote_policy=policy))
        (said[name],) = note["interactionPolicy"]["canQuote"]["automaticApproval"]
    actor = "http://eng.example/users/alice"
    public = "https://www.w3.org/ns/activitystreams#Public"
    assert said == {"public": public, "followers": f"{actor}/followers", "nobody": actor}


# --- Consent taken back, for those who are not told by the quoted author -------------------------------------------


async def test_a_quote_that_no_longer_names_its_stamp_ends_if_the_stamp_is_gone(
    node: Node, peer: RemotePeer, network: Network, post: Post, bert: str, carl: str
) -> None:
    quoted = peer.note(1, bert, "The valve is stuck")
    note = peer.note(2, carl, "Ha", quote=quoted["id"], quoteAuthorization=f"{peer.base}/stamps/1")
    given = stamp(peer, quoted, note["id"])
    await post.arrives(peer, create(peer, note))
    await run_jobs(node, network)
    bare = {name: value for name, value in note.items() if name != "quoteAuthorization"}
    await post.arrives(peer, peer.activity("Update", carl, bare, number=3, to=note["to"]))
    await run_jobs(node, network)
    assert await state_of(node, note["id"]) == State.ACCEPTED  # it is there still: what came was only older
    del peer.documents[given["id"].removeprefix(peer.base)]
    await post.arrives(peer, peer.activity("Update", carl, bare, number=4, to=note["to"]))
    await run_jobs(node, network)
    assert await state_of(node, note["id"]) == State.REVOKED


async def test_a_revoked_quote_of_ours_is_told_to_all_who_have_the_post(
    node: Node,
    peer: RemotePeer,
    network: Network,
    post: Post,
    alice: Viewer,
    bert: str,
    waiting: tuple[Doc, Doc],
    dispatcher: Dispatcher,
) -> None:
    quoted, given = waiting
    await node.write(
        quoting.believe,
        await id_at(node, given["interactingObject"]),
        QuoteAuthorization(
            iri=given["id"], author=Iri(bert), quoting=Iri(given["interactingObject"]), quoted=Iri(quoted["id"])
        ),
    )
    await deliver(dispatcher)
    assert sent(peer, "Update")[-1]["object"]["quoteAuthorization"] == given["id"]
    peer.received.clear()
    await post.arrives(peer, peer.activity("Delete", quoted["attributedTo"], given["id"], number=9))
    await deliver(dispatcher)
    (update,) = sent(peer, "Update")
    assert update["object"]["id"] == given["interactingObject"]
    assert update["object"]["quote"] == quoted["id"]
    assert update["object"].get("quoteAuthorization") is None
