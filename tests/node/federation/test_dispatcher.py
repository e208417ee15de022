"""Delivery to a real inbox on loopback: order, back-off, breaker, lease and fence, and what is given up."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from email.utils import formatdate
from functools import partial
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import select, update

from activitypub import keys, signatures
from activitypub.signatures import VerifyKey
from activitypub.vocabulary import Iri
from node import accounts, posts, social
from node.federation import delivery, leases, peers
from node.federation.delivery import Target
from node.federation.dispatcher import TRIES_AMONG_OTHERS, Dispatcher
from node.federation.leases import LEASE_MS, Lease, Outcome
from node.federation.network import Network
from node.posts import Draft
from node.runtime import Node
from node.schema import account, account_key, activity, follow
from node.schema import delivery as delivery_table
from node.schema import peer as peer_table
from node.viewer import Viewer
from tests.node.federation.conftest import deliver, until
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.remote_peer import Delivery, RemotePeer
from tests.support.rows import count_of, id_of, rows_of

_numbers = itertools.count()


async def queue(
    node: Node, sender: Viewer, peer: RemotePeer, *names: str, key: str | None = None, inbox: str = "/inbox"
) -> None:
    """Store an activity for each name; each has a key of its own unless `key` is given."""
    actor = node.urls.actor("alice")
    for name in names:
        doc = {"id": f"{actor}/activities/{name}/{next(_numbers)}", "type": "Listen", "actor": actor, "name": name}
        to = [Target(peer.base + inbox, peer.domain)]
        rule = partial(
            delivery.enqueue, doc=doc, actor_id=id_of(sender), about=f"{actor}/{name}", key=key or name, to=to
        )
        await node.write(rule)


def names(peer: RemotePeer) -> list[str]:
    return [one.activity["name"] for one in peer.received]


def answer(statuses: dict[str, int], headers: dict[str, str] | None = None) -> Any:
    """Answers by name; 202 for the others."""
    return lambda one: web.Response(status=statuses.get(one.activity["name"], 202), headers=headers)


async def peer_row(node: Node, peer: RemotePeer) -> Any:
    (row,) = await rows_of(node, peer_table, peer_table.c.domain == peer.domain)
    return row


async def waiting(node: Node) -> list[Any]:
    return [row for row in await rows_of(node, delivery_table) if row.set_aside_at is None]


async def set_aside(node: Node) -> list[str]:
    return [row.last_error or "" for row in await rows_of(node, delivery_table) if row.set_aside_at is not None]


@pytest.fixture
async def other_peer(clock: Clock) -> AsyncIterator[RemotePeer]:
    started = RemotePeer(clock)
    await started.start()
    yield started
    await started.stop()


async def test_what_is_delivered_is_forgotten_and_was_signed_by_its_actor(
    node: Node, peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher, clock: Clock
) -> None:
    await queue(node, alice, peer, "hello")
    await deliver(dispatcher)
    assert await count_of(node, delivery_table) == 0
    request = peer.received[0].request
    found = signatures.presented(request, authority=peer.domain, scheme="http", now=clock())
    iri = node.urls.actor("alice")
    statement = select(account_key.c.public).where(account_key.c.iri == f"{iri}#main-key")
    pem = await node.read(lambda tx: tx.scalar(statement))
    found.verify(VerifyKey(Iri(f"{iri}#main-key"), Iri(iri), keys.public_from_pem(pem)))
    clock.advance(3600)
    await node.write(delivery.prune, before=0)
    assert await count_of(node, activity) == 0


async def test_keys_are_made_when_somebody_first_sends(
    node: Node, peer: RemotePeer, dispatcher: Dispatcher, network: Network
) -> None:
    bob = await make_person(node, "bob")
    assert await count_of(node, account_key, account_key.c.account_id == id_of(bob)) == 0
    await queue(node, bob, peer, "hello")
    await deliver(dispatcher)
    kinds = [row.kind for row in await rows_of(node, account_key, account_key.c.account_id == id_of(bob))]
    assert (names(peer), sorted(kinds)) == (["hello"], ["ed25519", "rsa"])


async def test_what_is_about_one_object_stays_in_order(
    node: Node, peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher
) -> None:
    sent = [str(number) for number in range(30)]
    await queue(node, alice, peer, *sent, key="one object")
    await deliver(dispatcher)
    assert names(peer) == sent


async def test_nothing_overtakes_what_failed_about_the_same_object(
    node: Node, peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher, clock: Clock
) -> None:
    peer.respond = answer({"create": 401})
    await queue(node, alice, peer, "create", "update", key="post")
    await queue(node, alice, peer, "other")
    await deliver(dispatcher)
    assert set(names(peer)) == {"create", "other"}
    peer.respond = answer({})
    clock.advance(120)
    peer.received.clear()
    await deliver(dispatcher)
    assert names(peer) == ["create", "update"]


async def test_an_activity_that_is_refused_is_set_aside_at_once_and_others_go_on(
    node: Node, peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher
) -> None:
    peer.respond = answer({"bad": 422})
    await queue(node, alice, peer, "bad", "good", key="post")
    await deliver(dispatcher)
    assert names(peer)[-1] == "good"
    assert await set_aside(node) == ["given up: answered 422"]
    assert (await peer_row(node, peer)).failures == 0


async def test_a_redirect_is_not_followed(node: Node, peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher) -> None:
    peer.respond = lambda one: web.Response(status=307, headers={"Location": f"{peer.base}/elsewhere"})
    await queue(node, alice, peer, "hello")
    await deliver(dispatcher)
    assert {one.path for one in peer.received} == {"/inbox"}
    assert len(await waiting(node)) == 1


# --- Breaker


async def test_a_peer_that_is_down_is_left_alone_for_longer_and_longer(
    node: Node, peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher, clock: Clock
) -> None:
    await queue(node, alice, peer, "a", "b")
    await peer.stop()
    waits = []
    for _ in range(peers.BREAKER_OPENS + 3):
        await deliver(dispatcher)
        row = await peer_row(node, peer)
        waits.append((row.next_attempt_at - node.now()) // 1000)
        clock.advance(waits[-1] + 1)
    assert waits == [1, 2, 4, 8, 30, 60, 120, 240]
    assert len(await waiting(node)) == 2


async def test_nothing_is_tried_before_the_breaker_lets_it(
    node: Node, peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher, clock: Clock
) -> None:
    peer.respond = lambda one: web.Response(status=500)
    await queue(node, alice, peer, "a")
    await deliver(dispatcher)
    assert len(peer.received) == 1
    assert await node.read(leases.is_due) is False
    clock.advance(2)
    assert await node.read(leases.is_due) is True


async def test_a_breaker_closes_as_soon_as_the_peer_sends_something_valid(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, dispatcher: Dispatcher, clock: Clock, network: Network
) -> None:
    port = peer.port
    await queue(node, alice, peer, "a")
    await peer.stop()
    for _ in range(8):
        await deliver(dispatcher)
        clock.advance(((await peer_row(node, peer)).next_attempt_at - node.now()) / 1000 + 1)
    await deliver(dispatcher)
    await peer.start(port=port)
    await deliver(dispatcher)
    assert peer.received == []
    hello = peer.activity("Follow", bert, node.urls.actor("alice"), number=1)
    with pytest.raises(Exception, match="signature"):
        await network.receive(peer.signed(hello, node.urls.shared_inbox, by=bert, key=1))
    assert await node.read(leases.is_due) is False
    await network.receive(peer.signed(hello, node.urls.shared_inbox, by=bert))
    await deliver(dispatcher)
    assert "a" in [one.activity.get("name") for one in peer.received]
    assert (await peer_row(node, peer)).failures == 0


async def test_a_peer_that_is_started_anew_in_the_middle_of_a_window_gets_the_rest_as_soon_as_it_is_back(
    node: Node, peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher, clock: Clock
) -> None:
    """What found no connection failed for no fault of its own: it neither waits nor loses a try."""
    port = peer.port

    def goes_away(delivery: Delivery) -> web.Response:
        if len(peer.received) == 3:
            stopping.append(asyncio.create_task(peer.stop()))
        return web.Response(status=202, headers={"Connection": "close"})

    stopping: list[asyncio.Task[None]] = []
    peer.respond = goes_away
    await queue(node, alice, peer, *"abcdefgh", key="same")
    await deliver(dispatcher)
    left = [(row.next_at <= node.now(), row.attempts, row.last_error) for row in await waiting(node)]
    assert 0 < len(left) <= 4
    assert set(left) == {(True, 0, None)}
    await peer.start(port=port)
    clock.advance(2)
    await deliver(dispatcher)
    assert names(peer) == list("abcdefgh")


async def test_what_may_have_arrived_before_the_connection_broke_is_not_overtaken_by_its_deletion(
    node: Node, peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher, clock: Clock
) -> None:
    """Of a kept connection the peer may have read all; only its answer was lost. What found no connection did not arrive."""
    port = peer.port
    await queue(node, alice, peer, "a")
    await deliver(dispatcher)  # this connection is kept
    peer.delay = 30
    await queue(node, alice, peer, "b", "c", key="same")
    sending = asyncio.create_task(deliver(dispatcher))
    await until(lambda: peer.begun == 2)
    await peer.stop()
    await sending
    assert [(row.next_at <= node.now(), row.attempts) for row in await waiting(node)] == [(True, 1), (True, 0)]
    peer.delay = 0
    await peer.start(port=port)
    clock.advance(2)
    await deliver(dispatcher)
    assert names(peer) == list("abc")


class Watched(Dispatcher):
    """Remembers how large the windows were."""

    def __init__(self, node: Node, network: Network) -> None:
        super().__init__(node, network, randomness=lambda: 0.5)
        self.sizes: list[int] = []

    async def _window(self, held: Lease) -> Outcome:
        self.sizes.append(len(held.items))
        return await super()._window(held)


async def test_after_a_failure_or_two_windows_grow(
    node: Node, peer: RemotePeer, alice: Viewer, network: Network
) -> None:
    await queue(node, alice, peer, *(str(number) for number in range(40)))
    await node.write(lambda tx: tx.execute(update(peer_table).values(failures=2)))
    watched = Watched(node, network)
    await deliver(watched)
    assert watched.sizes == [1, 2, 4, 8, 16, 9]
    assert len(peer.received) == 40


async def test_after_an_outage_what_waited_is_released_slowly_first(
    node: Node, peer: RemotePeer, alice: Viewer, network: Network, clock: Clock
) -> None:
    await queue(node, alice, peer, *(str(number) for number in range(200)))
    await node.write(lambda tx: tx.execute(update(peer_table).values(failures=7, failing_since=1)))
    watched = Watched(node, network)
    arrived = []
    for _ in range(16):
        await deliver(watched)
        arrived.append(len(peer.received))
        clock.advance(1)
    assert arrived[:3] == [6, 11, 16]  # the probe, and five a second
    assert arrived[11] - arrived[10] == 10
    clock.advance(60)
    await deliver(watched)
    assert len(peer.received) == 200
    assert watched.sizes[-1] <= leases.WINDOW
    assert (await node.read(peers.state_of, peer.domain)).breaker == "closed"


async def test_a_peer_that_greets_after_an_outage_is_released_to_slowly_as_well(
    node: Node, peer: RemotePeer, alice: Viewer, network: Network, clock: Clock
) -> None:
    await queue(node, alice, peer, *(str(number) for number in range(40)))
    await _was_away(node, peers.RAMP_AFTER_MS)
    await node.write(peers.heard_from, peer.domain)
    assert (await node.read(peers.state_of, peer.domain)).breaker == "ramp"
    await deliver(Watched(node, network))
    assert len(peer.received) == leases.RAMP_RATE


@pytest.mark.parametrize("greets", [True, False])
async def test_a_peer_that_was_only_started_anew_gets_all_at_once(
    node: Node, peer: RemotePeer, alice: Viewer, network: Network, greets: bool
) -> None:
    await queue(node, alice, peer, *(str(number) for number in range(40)))
    await _was_away(node, peers.RAMP_AFTER_MS - 1000, until=3_600_000 if greets else 0)
    if greets:
        await node.write(peers.heard_from, peer.domain)
    await deliver(Watched(node, network))
    assert len(peer.received) == 40
    assert (await node.read(peers.state_of, peer.domain)).breaker == "closed"


async def _was_away(node: Node, for_ms: int, until: int = 3_600_000) -> None:
    """Of the only peer: its breaker opened so long ago, and the next probe is due after `until` ms."""
    values = {"failures": 7, "failing_since": node.now() - for_ms, "next_attempt_at": node.now() + until}
    await node.write(lambda tx: tx.execute(update(peer_table).values(**values)))


@pytest.mark.parametrize(
    ("since", "rate"),
    [(None, None), (-1, None), (0, 5), (10_000, 10), (40_000, 80), (69_999, 639), (70_000, None), (10**12, None)],
)
def test_the_release_doubles_every_ten_seconds_and_ends(since: int | None, rate: int | None) -> None:
    assert leases.release_rate(since) == rate


async def test_a_peer_asks_for_time_and_gets_it(
    node: Node, peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher, clock: Clock
) -> None:
    peer.respond = lambda one: web.Response(status=429, headers={"Retry-After": "120"})
    await queue(node, alice, peer, "a", "b", key="same")
    await deliver(dispatcher)
    assert (len(peer.received), (await peer_row(node, peer)).failures) == (1, 0)
    await node.write(peers.heard_from, peer.domain)  # it lives; that does not mean that it has time
    peer.respond = answer({})
    clock.advance(110)
    await deliver(dispatcher)
    assert len(peer.received) == 1
    clock.advance(20)
    await deliver(dispatcher)
    assert names(peer) == ["a", "a", "b"]


async def test_an_activity_that_a_peer_cannot_digest_is_set_aside_and_not_the_peer(
    node: Node, peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher, clock: Clock
) -> None:
    peer.respond = answer({"poison": 500})
    await queue(node, alice, peer, "poison")
    for number in range(TRIES_AMONG_OTHERS + 3):
        await queue(node, alice, peer, f"good{number}")
        await deliver(dispatcher)
        clock.advance(86_400 / 2)
    assert [error[:8] for error in await set_aside(node)] == ["given up"]
    assert await waiting(node) == []
    assert (await peer_row(node, peer)).failures == 0


async def test_nothing_is_set_aside_when_everything_fails(
    node: Node, peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher, clock: Clock
) -> None:
    peer.respond = lambda one: web.Response(status=500)
    await queue(node, alice, peer, "a", "b", "c")
    for _ in range(TRIES_AMONG_OTHERS + 4):
        await deliver(dispatcher)
        clock.advance(5000)
    assert (await set_aside(node), len(await waiting(node))) == ([], 3)


async def test_one_peer_that_hangs_holds_up_nobody_else(
    node: Node, peer: RemotePeer, other_peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher
) -> None:
    peer.delay = 60
    await queue(node, alice, peer, "slow")
    await queue(node, alice, other_peer, *(str(number) for number in range(12)))
    await dispatcher.step()
    await until(lambda: len(other_peer.received) == 12, 5)
    peer.delay = 0


async def test_what_waits_too_long_is_given_up(
    node: Node, peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher, clock: Clock
) -> None:
    await queue(node, alice, peer, "old")
    clock.advance(7 * 86_400 + 1)
    await queue(node, alice, peer, "new")
    await deliver(dispatcher)
    assert names(peer) == ["new"]
    assert len(await set_aside(node)) == 1


# --- Crashes


async def test_a_crash_between_sending_and_recording_sends_again(
    node: Node, peer: RemotePeer, alice: Viewer, network: Network, dispatcher: Dispatcher, clock: Clock
) -> None:
    await queue(node, alice, peer, "hello")
    (held,) = await node.write(leases.lease, 1)
    key = await network.keys.signing_key(id_of(alice))
    await network.client.deliver(held.items[0].inbox, held.items[0].body, key)
    # ... and here the process is killed. Nobody may send before the lease ends; then the next one does.
    await deliver(dispatcher)
    assert names(peer) == ["hello"]
    clock.advance(LEASE_MS / 1000 + 1)
    await deliver(dispatcher)
    assert names(peer) == ["hello", "hello"]
    assert peer.received[0].activity["id"] == peer.received[1].activity["id"]
    assert await waiting(node) == []


async def test_a_process_that_knows_it_is_alone_does_not_wait_for_the_lease(
    node: Node, peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher
) -> None:
    await queue(node, alice, peer, "hello")
    await node.write(leases.lease, 1)
    await node.write(leases.release_all)
    await deliver(dispatcher)
    assert names(peer) == ["hello"]


async def test_a_result_of_an_older_lease_is_void(
    node: Node, peer: RemotePeer, alice: Viewer, network: Network, clock: Clock
) -> None:
    await queue(node, alice, peer, "hello")
    (old,) = await node.write(leases.lease, 1)
    assert await node.write(leases.lease, 1) == []
    clock.advance(LEASE_MS / 1000 + 1)
    (new,) = await node.write(leases.lease, 1)
    assert await node.write(leases.record, old, Outcome(done=[old.items[0].id]), 0) is None
    assert len(await waiting(node)) == 1
    await node.write(leases.record, new, Outcome(done=[new.items[0].id]), 0)
    assert await waiting(node) == []


async def test_a_post_deleted_while_it_may_be_on_its_way_is_deleted_there_too(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, dispatcher: Dispatcher, clock: Clock
) -> None:
    bert_id = (await node.read(accounts.known, bert)).id
    await node.write(lambda tx: social.record_follow(tx, bert_id, id_of(alice)))
    post_id = await node.write_as(alice, posts.publish, Draft("Hello"))
    await node.write(leases.lease, 1)  # and the process is killed: it may have been sent
    await node.write_as(alice, posts.delete, post_id)
    clock.advance(LEASE_MS / 1000 + 1)
    await deliver(dispatcher)
    assert [one.type for one in peer.received] == ["Create", "Delete"]


async def test_a_stop_records_what_was_answered_and_keeps_the_rest(
    node: Node, peer: RemotePeer, alice: Viewer, network: Network
) -> None:
    def slow_from_the_third(one: Delivery) -> web.Response:
        if len(peer.received) >= 1:
            peer.delay = 30
        return web.Response(status=202)

    peer.respond = slow_from_the_third
    await queue(node, alice, peer, *(str(number) for number in range(5)), key="same")
    stopping = Dispatcher(node, network)
    await stopping.step()
    await until(lambda: len(peer.received) == 2, 5)
    await asyncio.sleep(0.1)
    await stopping.stop(0.1)
    peer.delay, peer.respond = 0, answer({})
    left = await waiting(node)
    assert [row.attempts for row in left] == [1, 0, 0]
    assert (await peer_row(node, peer)).lease_until is None


# --- Inboxes that are no more


async def told(node: Node, peer: RemotePeer, alice: Viewer, inbox: str) -> None:
    await queue(node, alice, peer, "hello", inbox=inbox)


async def test_a_personal_inbox_that_is_gone_with_its_actor_ends_the_account(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, dispatcher: Dispatcher
) -> None:
    peer.respond = lambda one: web.Response(status=410)
    peer.documents["/users/bert"] = 410
    await told(node, peer, alice, "/users/bert/inbox")
    await deliver(dispatcher)
    (row,) = await rows_of(node, account, account.c.iri == bert)
    assert row.gone_at is not None
    assert (await waiting(node), (await peer_row(node, peer)).state) == ([], "active")


async def test_an_inbox_that_is_gone_while_its_actor_lives_ends_nothing(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, dispatcher: Dispatcher
) -> None:
    peer.respond = lambda one: web.Response(status=410)
    await told(node, peer, alice, "/users/bert/inbox")
    await deliver(dispatcher)
    (row,) = await rows_of(node, account, account.c.iri == bert)
    assert row.gone_at is None
    assert len(await waiting(node)) == 1


async def test_a_404_of_an_actor_ends_its_following_and_no_more(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, dispatcher: Dispatcher
) -> None:
    """What was restored from a backup may not know its people for a while: nothing of theirs is removed for that."""
    (known,) = await rows_of(node, account, account.c.iri == bert)
    await node.write(social.record_follow, known.id, id_of(alice))
    peer.respond = lambda one: web.Response(status=404)
    peer.documents["/users/bert"] = 404
    await told(node, peer, alice, "/users/bert/inbox")
    await deliver(dispatcher)
    (row,) = await rows_of(node, account, account.c.iri == bert)
    assert row.gone_at is None
    assert await rows_of(node, follow, follow.c.follower_id == known.id) == []
    assert await waiting(node) == []


async def test_somebody_never_met_yet_is_waited_for(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, dispatcher: Dispatcher
) -> None:
    """An account that an import made, whose own department has not imported it yet."""
    await node.write(lambda tx: tx.execute(update(account).where(account.c.iri == bert).values(fetched_at=None)))
    peer.respond = lambda one: web.Response(status=404)
    peer.documents["/users/bert"] = 404
    await told(node, peer, alice, "/users/bert/inbox")
    await deliver(dispatcher)
    (row,) = await rows_of(node, account, account.c.iri == bert)
    assert row.gone_at is None
    assert len(await waiting(node)) == 1


@pytest.mark.parametrize(("actor_status", "state"), [(404, "gone"), (None, "active")])
async def test_a_peer_is_gone_only_if_its_shared_inbox_and_its_people_are(
    node: Node,
    peer: RemotePeer,
    bert: str,
    alice: Viewer,
    dispatcher: Dispatcher,
    actor_status: int | None,
    state: str,
) -> None:
    peer.respond = lambda one: web.Response(status=404)
    if actor_status is not None:
        peer.documents["/users/bert"] = actor_status
    await told(node, peer, alice, "/inbox")
    await deliver(dispatcher)
    assert (await peer_row(node, peer)).state == state
    await node.write(peers.heard_from, peer.domain)
    assert (await peer_row(node, peer)).state == "active"


# --- Whom we do not deal with


class TestAmongChosenPeers:
    @pytest.fixture
    def federation(self, peer: RemotePeer) -> dict[str, Any]:
        return {"mode": "allowlist", "allowlist": [peer.domain], "allow_loopback": True}

    async def test_nothing_is_stored_for_or_sent_to_others(
        self, node: Node, peer: RemotePeer, other_peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher
    ) -> None:
        await queue(node, alice, peer, "a")
        await queue(node, alice, other_peer, "a")
        await deliver(dispatcher)
        assert (names(peer), other_peer.received) == (["a"], [])
        assert await rows_of(node, peer_table, peer_table.c.domain == other_peer.domain) == []


async def test_a_blocked_peer_gets_nothing_more_and_loses_what_waited(
    node: Node, peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher
) -> None:
    await queue(node, alice, peer, "before")
    await node.write(peers.block, peer.domain)
    await queue(node, alice, peer, "after")
    await deliver(dispatcher)
    assert (peer.received, await count_of(node, delivery_table)) == ([], 0)


async def test_what_was_set_aside_can_be_tried_again(
    node: Node, peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher
) -> None:
    peer.respond = answer({"bad": 422})
    await queue(node, alice, peer, "bad")
    await deliver(dispatcher)
    (state,) = await node.read(peers.listing)
    assert (state.domain, state.waiting, state.set_aside) == (peer.domain, 0, 1)
    peer.respond = answer({})
    assert await node.write(delivery.requeue, peer.domain) == 1
    await deliver(dispatcher)
    assert await waiting(node) == []


# --- The administrator


async def test_what_is_for_a_paused_peer_waits_and_others_are_sent_to(
    node: Node, peer: RemotePeer, other_peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher
) -> None:
    await queue(node, alice, peer, "before")
    await node.write(peers.pause, peer.domain)
    await queue(node, alice, peer, "after")
    await queue(node, alice, other_peer, "other")
    await node.write(peers.heard_from, peer.domain)  # that it lives changes nothing
    await deliver(dispatcher)
    assert (names(peer), names(other_peer)) == ([], ["other"])
    assert await node.read(leases.is_due) is False
    await node.write(peers.resume, peer.domain)
    await deliver(dispatcher)
    assert sorted(names(peer)) == ["after", "before"]


async def test_a_peer_that_is_paused_while_it_is_sent_to_gets_no_further_window(
    node: Node, peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher
) -> None:
    await queue(node, alice, peer, *(str(number) for number in range(leases.WINDOW + 5)), key="same")
    (held,) = await node.write(leases.lease, 1)
    await node.write(peers.pause, peer.domain)
    done = Outcome(done=[item.id for item in held.items])
    assert await node.write(leases.record, held, done, leases.WINDOW) is None
    assert len(await waiting(node)) == 5
    assert (await peer_row(node, peer)).lease_until is None


async def test_a_drained_peer_gets_what_waits_and_of_what_is_new_only_deletions(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, dispatcher: Dispatcher, network: Network
) -> None:
    bert_id = (await node.read(accounts.known, bert)).id
    await node.write(lambda tx: social.record_follow(tx, bert_id, id_of(alice)))
    first = await node.write_as(alice, posts.publish, Draft("First"))
    await node.write(peers.drain, peer.domain)
    await node.write_as(alice, posts.publish, Draft("Second"))
    await node.write(peers.heard_from, peer.domain)  # what drains goes on draining
    await deliver(dispatcher)
    assert [one.type for one in peer.received] == ["Create"]
    assert "First" in peer.received[0].activity["object"]["content"]
    await node.write_as(alice, posts.delete, first)
    await deliver(dispatcher)
    assert [one.type for one in peer.received] == ["Create", "Delete"]
    await node.write(peers.resume, peer.domain)
    await node.write_as(alice, posts.publish, Draft("Third"))
    await deliver(dispatcher)
    assert [one.type for one in peer.received] == ["Create", "Delete", "Create"]


async def test_a_post_deleted_before_a_drained_peer_got_it_is_never_sent(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, dispatcher: Dispatcher
) -> None:
    bert_id = (await node.read(accounts.known, bert)).id
    await node.write(lambda tx: social.record_follow(tx, bert_id, id_of(alice)))
    post_id = await node.write_as(alice, posts.publish, Draft("Hello"))
    await node.write(peers.drain, peer.domain)
    await node.write_as(alice, posts.delete, post_id)
    await deliver(dispatcher)
    assert peer.received == []


async def test_resuming_tries_a_peer_at_once_whose_breaker_is_open(
    node: Node, peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher
) -> None:
    await queue(node, alice, peer, "a")
    later = node.now() + 3_600_000
    values = {"failures": 9, "failing_since": 1, "next_attempt_at": later}
    await node.write(lambda tx: tx.execute(update(peer_table).values(**values)))
    assert (await node.read(peers.state_of, peer.domain)).breaker == "open"
    await deliver(dispatcher)
    assert peer.received == []
    await node.write(peers.resume, peer.domain)
    await deliver(dispatcher)
    assert names(peer) == ["a"]


async def test_a_purge_drops_what_waits_and_what_was_set_aside_of_that_peer_alone(
    node: Node, peer: RemotePeer, other_peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher
) -> None:
    peer.respond = answer({"bad": 422})
    await queue(node, alice, peer, "bad")
    await deliver(dispatcher)
    await queue(node, alice, peer, "a", "b")
    await queue(node, alice, other_peer, "other")
    assert await node.write(peers.purge, peer.domain, 2) == 2
    assert await node.write(peers.purge, peer.domain, 2) == 1
    assert await node.write(peers.purge, peer.domain, 2) == 0
    await deliver(dispatcher)
    assert (names(peer), names(other_peer)) == (["bad"], ["other"])


async def test_the_state_of_a_peer_says_since_when_it_fails_and_what_it_answered(
    node: Node, peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher, clock: Clock
) -> None:
    begun = node.now()
    peer.respond = lambda one: web.Response(status=502)
    await queue(node, alice, peer, "a")
    await deliver(dispatcher)
    clock.advance(2)
    await deliver(dispatcher)
    state = await node.read(peers.state_of, peer.domain)
    assert (state.breaker, state.failures, state.failing_since, state.last_status) == ("failing", 2, begun, 502)
    assert (state.waiting, state.lag_seconds) == (1, 2.0)
    port = peer.port
    await peer.stop()
    clock.advance(3)
    await deliver(dispatcher)
    state = await node.read(peers.state_of, peer.domain)
    assert (state.failures, state.last_status) == (3, None)
    await peer.start(port=port)
    peer.respond = answer({})
    clock.advance(10)
    await deliver(dispatcher)
    state = await node.read(peers.state_of, peer.domain)
    assert (state.breaker, state.failing_since, state.last_status, state.lag_seconds) == ("closed", None, 202, None)


async def test_a_retry_after_that_is_absurd_or_a_date_is_kept_within_bounds(
    node: Node, peer: RemotePeer, alice: Viewer, dispatcher: Dispatcher, clock: Clock
) -> None:
    waits = []
    for header in ("9999999", formatdate(clock.now + 300, usegmt=True), formatdate(clock.now - 300), "soon"):
        peer.respond = partial(_busy, header)
        await queue(node, alice, peer, f"hello {header}")
        await deliver(dispatcher)
        waits.append(((await peer_row(node, peer)).next_attempt_at - node.now()) // 1000)
        await node.write(lambda tx: tx.execute(update(peer_table).values(next_attempt_at=None)))
    assert waits == [86_400, 300, 60, 60]


def _busy(header: str, _one: Delivery) -> web.Response:
    return web.Response(status=503 if header != "soon" else 429, headers={"Retry-After": header})
