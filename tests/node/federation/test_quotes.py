"""Consent to quotes between nodes (FEP-044f): what is asked, what is answered, and what is believed."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from activitypub.audience import Visibility
from activitypub.errors import Refused
from node import notifications, posts, quotes, social
from node.errors import NotFound
from node.federation import quoting
from node.federation.dispatcher import Dispatcher
from node.federation.network import Network
from node.paging import Page
from node.quotes import NAMES, State
from node.runtime import Node
from node.schema import post as post_table
from node.schema import quote
from node.viewer import Viewer
from node.viewer import peer as viewer_of
from tests.node.federation.conftest import Post, deliver, run_jobs
from tests.support.posting import say
from tests.support.remote_peer import Doc, RemotePeer

ANYBODY = {"canQuote": {"automaticApproval": ["https://www.w3.org/ns/activitystreams#Public"]}}


async def state_of(node: Node, iri: str) -> str | None:
    joined = select(quote.c.state).join(post_table, post_table.c.id == quote.c.post_id)
    return await node.read(lambda tx: tx.scalar(joined.where(post_table.c.iri == iri)))


async def id_at(node: Node, iri: str) -> int:
    return int(await node.read(lambda tx: tx.scalar(select(post_table.c.id).where(post_table.c.iri == iri))))


async def iri_of(node: Node, post_id: int) -> str:
    return str(await node.read(lambda tx: tx.scalar(select(post_table.c.iri).where(post_table.c.id == post_id))))


async def is_refused(post: Post, peer: RemotePeer, activity: Doc) -> bool:
    """At the door, or by the worker."""
    try:
        return (await post.arrives(peer, activity)).startswith("refused")
    except Refused:
        return True


def sent(peer: RemotePeer, kind: str) -> list[Doc]:
    return [one.activity for one in peer.received if one.type == kind]


@pytest.fixture
def request_of(peer: RemotePeer) -> Callable[..., Doc]:
    """A QuoteRequest by somebody of the peer, with the quoting note inlined."""

    def make(actor: str, quoted: str, *, number: int = 7, **changes: Any) -> Doc:
        note = peer.note(number, actor, "Look", quote=quoted)
        fields = {"instrument": note, "number": number, **changes}
        return peer.activity("QuoteRequest", actor, quoted, **fields)

    return make


# --- A peer's person asks to quote a post of ours -----------------------------------------------------------------


async def test_a_request_is_granted_with_a_stamp_that_both_may_read(
    node: Node, peer: RemotePeer, post: Post, alice: Viewer, bert: str, dispatcher: Dispatcher, request_of: Any
) -> None:
    quoted = await say(node, alice, "The pump is loud")
    asked = request_of(bert, await iri_of(node, quoted))
    for number in (7, 8):  # asked again, under another id, the answer is the same
        assert await post.arrives(peer, asked | {"id": f"{peer.base}/activities/{number}"}) == "done"
    await deliver(dispatcher)
    answers = sent(peer, "Accept")
    assert len({one["result"] for one in answers}) == 1
    assert answers[0]["object"]["type"] == "QuoteRequest"
    assert answers[0]["object"]["instrument"] == f"{peer.base}/notes/7"
    assert await state_of(node, f"{peer.base}/notes/7") == State.ACCEPTED
    told = await node.read_as(alice, notifications.page, Page(40))
    assert [row.kind for row in told] == ["quote"]
    quoting_id = await id_at(node, f"{peer.base}/notes/7")
    stamp = await node.read_as(viewer_of(peer.domain), quoting.authorization, "alice", quoting_id)
    assert stamp["id"] == answers[0]["result"]
    assert (stamp["interactingObject"], stamp["interactionTarget"]) == (f"{peer.base}/notes/7", asked["object"])


async def test_a_stamp_is_not_for_who_may_not_see_the_quote_and_ends_with_it(
    node: Node, peer: RemotePeer, post: Post, alice: Viewer, bert: str, request_of: Any
) -> None:
    quoted = await say(node, alice, "The pump is loud")
    asked = request_of(bert, await iri_of(node, quoted))
    asked["instrument"] |= {"to": [f"{bert}/followers"], "cc": []}
    assert await post.arrives(peer, asked) == "done"
    quoting_id = await id_at(node, f"{peer.base}/notes/7")
    assert (await node.read_as(viewer_of(peer.domain), quoting.authorization, "alice", quoting_id))[
        "type"
    ] == "QuoteAuthorization"
    for stranger in (viewer_of("other.example"), alice):
        with pytest.raises(NotFound):
            await node.read_as(stranger, quoting.authorization, "alice", quoting_id)
    await node.write_as(alice, quotes.revoke, quoted, quoting_id)
    with pytest.raises(NotFound):
        await node.read_as(viewer_of(peer.domain), quoting.authorization, "alice", quoting_id)


async def test_who_may_not_quote_is_refused_and_who_may_not_see_hears_nothing(
    node: Node, peer: RemotePeer, post: Post, alice: Viewer, bert: str, dispatcher: Dispatcher, request_of: Any
) -> None:
    mine = await say(node, alice, "Mine alone", quote_policy=NAMES["nobody"])
    assert await post.arrives(peer, request_of(bert, await iri_of(node, mine))) == "done"
    for number, options in ((11, {"visibility": Visibility.FOLLOWERS}), (12, {"local_only": True})):
        hidden = await say(node, alice, "Not for you", **options)
        outcome = await post.arrives(peer, request_of(bert, await iri_of(node, hidden), number=number))
        assert outcome.startswith("refused"), outcome
    await deliver(dispatcher)
    assert [one["object"]["object"] for one in sent(peer, "Reject")] == [await iri_of(node, mine)]
    assert sent(peer, "Accept") == []
    assert await node.read(lambda tx: tx.rows(select(quote).where(quote.c.state == State.ACCEPTED))) == []


async def test_who_blocks_somebody_does_not_quote_them(
    node: Node, peer: RemotePeer, post: Post, alice: Viewer, bert: str, dispatcher: Dispatcher, request_of: Any
) -> None:
    quoted = await say(node, alice, "The pump is loud")
    await post.arrives(peer, peer.activity("Block", bert, "http://eng.example/users/alice"))
    assert await post.arrives(peer, request_of(bert, await iri_of(node, quoted))) == "done"
    await deliver(dispatcher)
    assert (len(sent(peer, "Reject")), sent(peer, "Accept")) == (1, [])


async def test_a_request_is_about_the_actors_own_post_that_quotes_this_one(
    node: Node, peer: RemotePeer, network: Network, post: Post, alice: Viewer, bert: str, request_of: Any
) -> None:
    quoted, other = [await iri_of(node, await say(node, alice, text)) for text in ("One", "Two")]
    carl = peer.person("carl")
    await network.actor(carl)
    near_misses = [
        request_of(bert, quoted, number=1, instrument=peer.note(1, carl, quote=quoted)),
        request_of(bert, quoted, number=2, instrument=peer.note(2, bert, quote=other)),
        request_of(bert, quoted, number=3, instrument=peer.note(3, bert)),
        request_of(
            bert, quoted, number=4, instrument={**peer.note(4, bert, quote=quoted), "id": "https://x.example/4"}
        ),
        request_of(bert, f"{peer.base}/notes/99", number=5),
        request_of(bert, quoted, number=6, instrument=None),
    ]
    for one in near_misses:
        assert await is_refused(post, peer, one), one
    assert await node.read(lambda tx: tx.rows(select(quote).where(quote.c.state == State.ACCEPTED))) == []
    named = peer.note(8, bert, quote=quoted)["id"]
    assert await post.arrives(peer, request_of(bert, quoted, number=8, instrument=named)) == "done"
    assert await state_of(node, named) == State.ACCEPTED


async def test_what_was_revoked_is_not_granted_again(
    node: Node, peer: RemotePeer, post: Post, alice: Viewer, bert: str, dispatcher: Dispatcher, request_of: Any
) -> None:
    quoted = await say(node, alice, "The pump is loud")
    asked = request_of(bert, await iri_of(node, quoted))
    await post.arrives(peer, asked)
    await node.write_as(alice, quotes.revoke, quoted, await id_at(node, f"{peer.base}/notes/7"))
    await post.arrives(peer, asked | {"id": f"{peer.base}/activities/again"})
    await deliver(dispatcher)
    (stamp,) = {one["result"] for one in sent(peer, "Accept")}
    (withdrawn,) = [one for one in sent(peer, "Delete") if one["object"]["type"] == "QuoteAuthorization"]
    assert (withdrawn["object"]["id"], withdrawn["object"]["interactingObject"]) == (stamp, f"{peer.base}/notes/7")
    assert len(sent(peer, "Reject")) == 1
    assert await state_of(node, f"{peer.base}/notes/7") == State.REVOKED


@pytest.mark.parametrize("event", ["blocked", "policy", "deleted"])
@pytest.mark.parametrize("request_first", [True, False])
async def test_whatever_comes_first_a_request_is_decided_by_what_is_stored(
    node: Node, peer: RemotePeer, post: Post, alice: Viewer, bert: str, request_of: Any, event: str, request_first: bool
) -> None:
    """CVE-2026-33869: no order of a request and its end leaves a consent that nobody gave."""
    quoted = await say(node, alice, "The pump is loud")
    asked = request_of(bert, await iri_of(node, quoted))
    bert_id = await post.network.actor(bert)

    async def change() -> None:
        if event == "blocked":
            await node.write_as(alice, social.block, bert_id)
        elif event == "policy":
            await node.write_as(alice, quotes.set_policy, quoted, NAMES["nobody"])
        else:
            await node.write_as(alice, posts.delete, quoted)

    if request_first:
        assert await post.arrives(peer, asked) == "done"
        await change()
        expected = {"blocked": State.REVOKED, "policy": State.ACCEPTED, "deleted": State.DELETED}[event]
        assert await state_of(node, f"{peer.base}/notes/7") == expected
    else:
        await change()
        await post.arrives(peer, asked)
        assert await state_of(node, f"{peer.base}/notes/7") in (None, State.PENDING, State.REJECTED)


# --- One of ours quotes a peer's post -----------------------------------------------------------------------------


@pytest.fixture
async def asked(
    node: Node, peer: RemotePeer, network: Network, alice: Viewer, bert: str, dispatcher: Dispatcher
) -> Doc:
    """The QuoteRequest that the peer got, alice having quoted bert's note 1."""
    note = peer.note(1, bert, "The valve is stuck", interactionPolicy=ANYBODY)
    quoted = await network.fetch_post(note["id"])
    await say(node, alice, "Ours too", quoted_id=quoted)
    await deliver(dispatcher)
    (request,) = sent(peer, "QuoteRequest")
    return request


def stamp_for(peer: RemotePeer, asked: Doc, author: str, **changes: Any) -> Doc:
    return peer.serve(
        {
            "id": f"{peer.base}/stamps/1",
            "type": "QuoteAuthorization",
            "attributedTo": author,
            "interactingObject": asked["instrument"]["id"],
            "interactionTarget": asked["object"],
            **changes,
        }
    )


def accept(peer: RemotePeer, asked: Doc, author: str, **changes: Any) -> Doc:
    return peer.activity("Accept", author, asked, **{"result": f"{peer.base}/stamps/1", **changes})


async def test_a_request_carries_the_post_which_says_that_it_waits_for_consent(
    node: Node, peer: RemotePeer, asked: Doc, bert: str
) -> None:
    note = asked["instrument"]
    assert asked["object"] == note["quote"] == note["quoteUrl"] == note["_misskey_quote"] == f"{peer.base}/notes/1"
    assert "quoteAuthorization" not in note
    assert 'class="quote-inline"' in note["content"]
    assert asked["to"] == [bert]
    assert await state_of(node, note["id"]) == State.PENDING


async def test_a_quote_is_shown_when_the_stamp_was_fetched_and_everybody_is_told(
    node: Node, peer: RemotePeer, network: Network, post: Post, asked: Doc, bert: str, dispatcher: Dispatcher
) -> None:
    stamp_for(peer, asked, bert)
    assert await post.arrives(peer, accept(peer, asked, bert)) == "done"
    assert await state_of(node, asked["instrument"]["id"]) == State.PENDING
    await run_jobs(node, network)
    assert await state_of(node, asked["instrument"]["id"]) == State.ACCEPTED
    await deliver(dispatcher)
    (changed,) = sent(peer, "Update")
    assert changed["object"]["quoteAuthorization"] == f"{peer.base}/stamps/1"


@pytest.mark.parametrize(
    "changes",
    [
        {"attributedTo": "CARL"},
        {"interactingObject": "https://eng.example/users/alice/statuses/1"},
        {"interactionTarget": "PEER/notes/2"},
        {"type": "Note"},
        {"interactingObject": None},
    ],
)
async def test_a_stamp_of_something_else_shows_nothing(
    node: Node, peer: RemotePeer, network: Network, post: Post, asked: Doc, bert: str, changes: dict[str, str]
) -> None:
    names = {"CARL": peer.person("carl"), "PEER/notes/2": f"{peer.base}/notes/2"}
    stamp_for(peer, asked, bert, **{name: names.get(value, value) for name, value in changes.items()})
    await post.arrives(peer, accept(peer, asked, bert))
    await run_jobs(node, network)
    assert await state_of(node, asked["instrument"]["id"]) == State.PENDING


async def test_only_the_quoted_author_answers_and_only_what_was_asked(
    node: Node, peer: RemotePeer, network: Network, post: Post, asked: Doc, bert: str
) -> None:
    stamp_for(peer, asked, bert)
    carl = peer.person("carl")
    await network.actor(carl)
    near_misses = [
        accept(peer, asked, carl),
        accept(peer, asked, bert, result=None),
        accept(peer, asked, bert, result="https://elsewhere.example/stamps/1"),
        accept(peer, {**asked, "object": f"{peer.base}/notes/2"}, bert),
        accept(peer, {**asked, "id": f"{asked['id']}0"}, bert),
        accept(peer, {**asked, "instrument": f"{peer.base}/notes/3"}, bert),
        peer.activity("Reject", carl, asked),
    ]
    for number, one in enumerate(near_misses):
        assert await is_refused(post, peer, one | {"id": f"{peer.base}/near/{number}"}), one
    await run_jobs(node, network)
    assert await state_of(node, asked["instrument"]["id"]) == State.PENDING
    by_id = accept(peer, asked, bert) | {"object": asked["id"]}
    assert await post.arrives(peer, by_id) == "done"
    await run_jobs(node, network)
    assert await state_of(node, asked["instrument"]["id"]) == State.ACCEPTED


async def test_a_no_is_a_no_and_later_it_takes_the_yes_back(
    node: Node, peer: RemotePeer, network: Network, post: Post, asked: Doc, bert: str
) -> None:
    iri = asked["instrument"]["id"]
    await post.arrives(peer, peer.activity("Reject", bert, asked, number=1))
    assert await state_of(node, iri) == State.REJECTED
    stamp_for(peer, asked, bert)
    await post.arrives(peer, accept(peer, asked, bert))
    await run_jobs(node, network)
    assert await state_of(node, iri) == State.ACCEPTED
    await post.arrives(peer, peer.activity("Reject", bert, asked, number=2))
    assert await state_of(node, iri) == State.REVOKED
