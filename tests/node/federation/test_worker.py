"""The worker as a whole: it does what is due by itself, survives what fails, stops when asked, and costs little at rest."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import delete, insert, select

from node import accounts, auth, jobs, keyring, posts, presence, social, worker
from node.bell import JOB
from node.errors import NotFound
from node.federation import leases
from node.federation.network import Network
from node.pgbell import Relay
from node.posts import Draft
from node.runtime import Node, Tx
from node.schema import account_key, activity, delivery, event, follow, idempotency, job, web_session
from node.secrets import SecretError, Vault
from node.viewer import Viewer
from node.worker import Worker
from tests.node.federation.conftest import until
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.remote_peer import RemotePeer
from tests.support.rows import count_of, id_of, rows_of


@pytest.fixture
async def running(node: Node, network: Network) -> AsyncIterator[Worker]:
    started = Worker(node, network)
    task = asyncio.create_task(started.run())
    yield started
    await started.stop()
    await task


async def test_what_arrives_is_dealt_with_and_answered_by_itself(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer, network: Network, running: Worker
) -> None:
    asked = peer.activity("Follow", bert, node.urls.actor("alice"), number=1)
    await network.receive(peer.signed(asked, node.urls.shared_inbox, by=bert))

    await until(lambda: any(one.type == "Accept" for one in peer.received))
    assert [row.state for row in await rows_of(node, follow)] == ["accepted"]
    assert running.stuck == []


async def test_a_start_greets_the_peers_and_a_stop_is_quick(
    node: Node, peer: RemotePeer, bert: str, network: Network
) -> None:
    started = Worker(node, network)
    task = asyncio.create_task(started.run())

    await until(lambda: any(one.type == "Update" for one in peer.received))
    assert peer.received[0].activity["object"]["id"] == node.urls.node_actor
    before = time.monotonic()
    await started.stop()
    await task
    assert time.monotonic() - before < 2


async def test_a_stop_before_the_start_does_not_hang(node: Node, network: Network) -> None:
    await asyncio.wait_for(Worker(node, network).stop(), 2)


async def test_tidying_up_removes_what_has_outlived_its_time_and_nothing_else(
    node: Node, network: Network, clock: Clock
) -> None:
    def store(tx: Tx) -> None:
        tx.emit("update", post_id=1)
        tx.execute(insert(idempotency).values(account_id=tx.new_id(), key="k", post_id=1, created_at=tx.now))

    bob = await make_person(node, "bob")
    await node.write(auth.open_session, id_of(bob))
    clock.advance(31 * 86_400)
    await node.write(auth.open_session, id_of(bob))
    await node.write(store)
    clock.advance(25 * 3600)
    await node.write(store)
    await Worker(node, network).tidy_up()
    assert (await count_of(node, event), await count_of(node, idempotency)) == (1, 1)
    assert await count_of(node, web_session) == 1


# --- Jobs


async def test_a_job_runs_once_and_is_gone(node: Node, network: Network, running: Worker) -> None:
    bob = await make_person(node, "bob")
    await node.write(lambda tx: tx.enqueue(accounts.KEYS_JOB, {"account_id": id_of(bob)}))

    for _ in range(1000):
        if await count_of(node, job) == 0:
            break
        await asyncio.sleep(0.01)
    assert not await node.read(keyring.missing, id_of(bob))


async def test_a_job_that_cannot_succeed_is_dropped_and_one_that_fails_is_kept_for_later(
    node: Node, network: Network, clock: Clock
) -> None:
    await node.write(lambda tx: tx.enqueue(accounts.KEYS_JOB, {"account_id": 1}))
    await node.write(lambda tx: tx.enqueue("no such kind", {}))
    runner = jobs.Runner(node, network)
    for _ in range(jobs.ATTEMPTS + 1):
        await runner.step()
        await runner.drain()
        clock.advance(86_400)
    (left,) = await rows_of(node, job)
    assert (left.kind, left.attempts, left.failed_at is not None) == ("no such kind", jobs.ATTEMPTS, True)
    assert "no such kind" in left.last_error


async def test_a_job_of_a_killed_worker_is_anybodys_after_its_lease(node: Node, clock: Clock) -> None:
    await node.write(lambda tx: tx.enqueue(accounts.KEYS_JOB, {"account_id": 1}))
    assert len(await node.write(jobs.claim, 5)) == 1
    assert await node.write(jobs.claim, 5) == []
    clock.advance(jobs.LEASE_MS / 1000 + 1)
    assert len(await node.write(jobs.claim, 5)) == 1


async def test_a_role_is_held_by_one_until_it_leaves_or_falls_silent(node: Node, clock: Clock) -> None:
    assert await node.write(worker.take_role, "inbox", "one") is True
    assert await node.write(worker.take_role, "inbox", "two") is False
    assert await node.write(worker.take_role, "inbox", "one") is True
    clock.advance(worker.ROLE_MS / 1000 + 1)
    assert await node.write(worker.take_role, "inbox", "two") is True
    await node.write(worker.leave_role, "inbox", "two")
    assert await node.write(worker.take_role, "inbox", "one") is True


# --- The bell between processes


@pytest.mark.parametrize("engine_name", ["postgresql"])
async def test_a_ring_is_heard_in_another_process(node: Node) -> None:
    from node.assembly import open_node

    other = open_node(node.settings)
    relays = [Relay(node), Relay(other)]
    for relay in relays:
        relay.start()
    try:
        with other.bell.listen(JOB) as bell:
            await asyncio.sleep(0.5)
            await bell.wait(0.1)  # the ring at the start
            await node.write(lambda tx: tx.enqueue("x", {}))
            assert await bell.wait(3) is True
    finally:
        for relay in relays:
            await relay.stop()
        other.close()


@pytest.mark.parametrize("engine_name", ["postgresql"])
async def test_what_a_killed_process_held_is_anybodys_at_once_and_what_a_live_one_holds_is_not(
    node: Node, bert: str, alice: Viewer
) -> None:
    from node.assembly import open_node

    bert_id = (await node.read(accounts.known, bert)).id
    await node.write(lambda tx: social.record_follow(tx, bert_id, id_of(alice)))
    await node.write_as(alice, posts.publish, Draft("on its way"))
    await node.write(lambda tx: tx.execute(delete(job)))
    await node.write(lambda tx: tx.enqueue(accounts.KEYS_JOB, {"account_id": 1}))
    other = open_node(node.settings, clock=node.clock)
    relay = Relay(other)
    relay.start()
    await until(lambda: other.presence is not None)
    number = other.presence or 0
    assert len(await other.write(leases.lease, 5)) == 1
    assert len(await other.write(jobs.claim, 5)) == 1
    assert await other.write(worker.take_role, "inbox", "other") is True

    async def take_over() -> tuple[int, int, bool]:
        await node.write(leases.void_of_the_dead)
        await node.write(jobs.void_of_the_dead)
        role = await node.write(worker.take_role, "inbox", "this")
        return len(await node.write(leases.lease, 5)), len(await node.write(jobs.claim, 5)), role

    assert await take_over() == (0, 0, False)
    await relay.stop()  # its connection ends, as that of a killed process does
    assert other.presence is None
    for _ in range(500):
        if await node.read(presence.is_gone, number):
            break
        await asyncio.sleep(0.01)
    assert await take_over() == (1, 1, True)
    other.close()


# --- Keys


async def test_private_keys_are_sealed_and_bound_to_their_place(node: Node, alice: Viewer) -> None:
    row = await node.read(lambda tx: tx.first(select(account_key).where(account_key.c.kind == "rsa")))
    assert row is not None
    assert b"PRIVATE" not in row.private
    assert keyring.opened(node.vault, row.iri, row.private).id == row.iri
    with pytest.raises(SecretError):
        keyring.opened(Vault(b"x" * 32), row.iri, row.private)
    with pytest.raises(SecretError):
        keyring.opened(node.vault, f"{row.iri}2", row.private)


async def test_only_accounts_of_this_node_get_keys(node: Node, bert: str) -> None:
    bert_id = (await node.read(accounts.known, bert)).id
    with pytest.raises(NotFound):
        await keyring.ensure(node, bert_id)


async def test_one_transaction_holds_the_post_and_its_deliveries(
    node: Node, peer: RemotePeer, bert: str, alice: Viewer
) -> None:
    bert_id = (await node.read(accounts.known, bert)).id
    await node.write(lambda tx: social.record_follow(tx, bert_id, id_of(alice)))

    def breaks_off(tx: Tx) -> None:
        posts.publish(tx, Draft("Hello"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await node.write_as(alice, breaks_off)
    assert (await count_of(node, activity), await count_of(node, delivery)) == (0, 0)
