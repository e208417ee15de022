"""`corridor peers`: what is known of other nodes, blocking them, and whether one can talk to them."""

import asyncio
import io
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, select

from node import accounts
from node.assembly import open_node
from node.config import Settings
from node.doctor import State
from node.errors import Invalid
from node.federation import peers, reach
from node.runtime import Node, Tx
from node.schema import activity, delivery, peer
from node.secrets import create_secret
from tests.cli.conftest import Corridor, opened
from tests.conftest import make_settings
from tests.support.clocks import Clock
from tests.support.remote_peer import RemotePeer

# --- list, block, unblock


def test_peers_are_listed_with_what_is_wrong(corridor: Corridor, eng: Path) -> None:
    assert corridor("peers", "list", "--json").json == []
    _add(eng, domain="sales.example", failures=3, next_attempt_at=1, last_error="connection refused")
    found = corridor("peers", "list", "--json").json
    assert [(one["domain"], one["state"], one["failures"]) for one in found] == [("sales.example", "active", 3)]
    text = corridor("peers", "list").out
    assert "sales.example  active\n  waiting 0, set aside 0\n" in text
    assert "breaker failing: 3 failures since never\n" in text
    assert "last error: connection refused" in text
    assert "heard from never" in text


def test_a_peer_is_blocked_and_unblocked(corridor: Corridor, eng: Path) -> None:
    corridor("peers", "block", "Sales.Example")
    assert corridor("peers", "list", "--json").json[0]["state"] == "blocked"
    corridor("peers", "unblock", "sales.example")
    assert corridor("peers", "list", "--json").json[0]["state"] == "active"
    assert "is not blocked" in corridor("peers", "unblock", "sales.example", status=1).err
    assert corridor("peers", "block", "https://x/", status=1).err


def test_a_peer_is_paused_drained_and_resumed(corridor: Corridor, eng: Path) -> None:
    _add(eng, domain="sales.example", failures=7, failing_since=1, next_attempt_at=9_999_999_999_999)
    assert "breaker open: 7 failures" in corridor("peers", "list").out
    assert "resume sales.example" in corridor("peers", "pause", "Sales.Example").out
    assert "sales.example  active, paused since 2" in corridor("peers", "list").out
    corridor("peers", "drain", "sales.example")
    (one,) = corridor("peers", "list", "--json").json
    assert (one["state"], one["breaker"], one["waiting"], one["lag_seconds"]) == ("draining", "open", 0, None)
    assert one["paused_at"] is not None
    corridor("peers", "resume", "sales.example")
    (one,) = corridor("peers", "list", "--json").json
    assert (one["state"], one["paused_at"], one["failures"], one["next_attempt_at"]) == ("active", None, 0, None)


def test_what_waits_is_dropped_only_after_a_yes(corridor: Corridor, eng: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _add(eng, domain="sales.example")
    _queue(eng, "sales.example", waiting=2, set_aside=1)
    assert "waiting 2 for " in corridor("peers", "list").out
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert "Drop 3 activities for sales.example?" in corridor("peers", "purge", "sales.example", status=130).out
    assert corridor("peers", "list", "--json").json[0]["waiting"] == 2
    assert corridor("peers", "retry", "sales.example").out == "1 activities are sent once more.\n"
    assert corridor("peers", "list", "--json").json[0]["waiting"] == 3
    said = corridor("peers", "purge", "sales.example", "--yes").out
    assert said == "3 activities for sales.example are dropped.\n"
    assert corridor("peers", "list", "--json").json[0]["waiting"] == 0


@pytest.mark.parametrize("act", ["pause", "drain", "resume", "retry", "purge"])
def test_an_unknown_peer_is_named(corridor: Corridor, small: Path, act: str) -> None:
    assert "nobody.example is no peer" in corridor("peers", act, "nobody.example", status=1).err
    assert corridor("peers", act, "not a domain", status=1).err.startswith("corridor: ")


def _queue(path: Path, domain: str, *, waiting: int, set_aside: int) -> None:
    def store(tx: Tx) -> None:
        sender = accounts.node_actor(tx).id
        peer_id = tx.scalar(select(peer.c.id).where(peer.c.domain == domain))
        for number in range(waiting + set_aside):
            id_, aside = tx.new_id(), tx.now if number < set_aside else None
            about = {"actor_id": sender, "kind": "Listen", "object_iri": "x", "body": b"{}", "created_at": tx.now}
            tx.execute(insert(activity), {"id": id_, "iri": f"https://eng.example/{id_}", **about})
            times = {"next_at": tx.now, "expires_at": tx.now + 10**9, "set_aside_at": aside}
            keys = {"activity_id": id_, "peer_id": peer_id, "inbox": "https://x", "ordering_key": str(id_)}
            tx.execute(insert(delivery), keys | times)

    node = opened(path)
    try:
        asyncio.run(node.write(store))
    finally:
        node.close()


def _add(path: Path, **values: Any) -> None:
    node = opened(path)
    try:
        asyncio.run(node.write(lambda tx: tx.execute(insert(peer), {"created_at": 1, **values})))
    finally:
        node.close()


# --- test


def test_a_peer_that_is_not_on_the_list_is_a_fault_with_the_setting_to_change(
    corridor: Corridor, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "corridor join" in corridor("peers", "test", "sales.example", "--json", status=1).json["checks"][0]["advice"]
    monkeypatch.setenv("CORRIDOR_FEDERATION__MODE", "allowlist")
    said = corridor("peers", "test", "sales.example", "--json", status=1).json
    assert not said["healthy"]
    assert [one["check"] for one in said["checks"]] == ["allowed"]
    assert "federation.allowlist" in said["checks"][0]["advice"]
    assert corridor("peers", "test", "sales.example", status=1).out.startswith("FAULT  allowed: ")
    assert corridor("peers", "test", "no domain", status=1).err.startswith("corridor: DOMAIN: ")


@pytest.fixture
def settings(tmp_path: Path, new_database_url: Callable[[str, Path], str]) -> Settings:
    create_secret(tmp_path)
    federation = {"mode": "open", "allow_loopback": True, "timeout_seconds": 5.0}
    url = new_database_url("sqlite", tmp_path)
    return make_settings(tmp_path, database_url=url, node={"scheme": "http"}, federation=federation)


@pytest.fixture
async def remote(clock: Clock) -> AsyncIterator[RemotePeer]:
    """A peer that says what it is. It answers with the machine's own time, so the node's clock is set by that."""
    clock.now = time.time()
    server = RemotePeer(clock)
    await server.start()
    link = {"rel": "http://nodeinfo.diaspora.software/ns/schema/2.1", "href": f"{server.base}/nodeinfo/2.1"}
    server.documents["/.well-known/nodeinfo"] = {"links": [link]}
    server.documents["/nodeinfo/2.1"] = {"software": {"name": "corridor", "version": "0.1.0"}}
    yield server
    await server.stop()


async def test_a_peer_with_which_all_is_well(node: Node, remote: RemotePeer) -> None:
    found = await reach.test(node, remote.domain)
    assert [(one.check, one.state) for one in found] == [
        (check, State.OK) for check in ("allowed", "reach", "clock", "signature")
    ]
    assert found[1].message == "it runs corridor 0.1.0"
    assert remote.fetched[-1] == f"/{reach.NOBODY}"


@pytest.fixture
def guarded(settings: Settings) -> Settings:
    """The same, with loopback closed but to who is listed: as private addresses are in production."""
    listed = msgspec.structs.replace(settings.federation, private_peers=("127.0.0.1:1",))
    return msgspec.structs.replace(settings, federation=listed)


async def test_a_peer_at_a_private_address_is_told_from_one_that_is_down(
    node: Node, guarded: Settings, remote: RemotePeer, clock: Clock
) -> None:
    closed = open_node(guarded, clock=clock)
    found = await reach.test(closed, remote.domain)
    closed.close()
    assert [(one.check, one.state) for one in found] == [("allowed", State.OK), ("peers", State.FAULT)]
    assert f'add "{remote.domain}" to federation.private_peers' in found[-1].advice
    assert remote.fetched == []
    listed = msgspec.structs.replace(guarded.federation, private_peers=(remote.domain,))
    opened_up = open_node(msgspec.structs.replace(guarded, federation=listed), clock=clock)
    found = await reach.test(opened_up, remote.domain)
    opened_up.close()
    assert {one.state for one in found} == {State.OK}


async def test_a_peer_that_refuses_our_signature(node: Node, remote: RemotePeer) -> None:
    remote.documents[f"/{reach.NOBODY}"] = 401
    found = await reach.test(node, remote.domain)
    assert (found[-1].check, found[-1].state) == ("signature", State.FAULT)
    assert "can it reach http://eng.example/actor" in found[-1].advice


async def test_a_peer_whose_clock_differs(node: Node, remote: RemotePeer, clock: Clock) -> None:
    clock.now += 300
    found = {one.check: one for one in await reach.test(node, remote.domain)}
    assert found["clock"].state is State.WARN
    assert "ahead of the peer's" in found["clock"].message
    clock.now -= 2 * 86_400
    found = {one.check: one for one in await reach.test(node, remote.domain)}
    assert found["clock"].state is State.FAULT
    assert "behind the peer's" in found["clock"].message
    assert "signature" not in found


async def test_a_peer_that_cannot_be_reached(node: Node) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    found = await reach.test(node, f"127.0.0.1:{port}")
    assert (found[-1].check, found[-1].state) == ("reach", State.FAULT)


async def test_a_peer_that_we_blocked(node: Node, remote: RemotePeer) -> None:
    await node.write(peers.block, remote.domain)
    found = await reach.test(node, remote.domain)
    assert [(one.check, one.state) for one in found] == [("allowed", State.FAULT)]
    assert found[0].advice == f"corridor peers unblock {remote.domain}"
    assert remote.fetched == []


async def test_something_that_is_no_domain(node: Node) -> None:
    with pytest.raises(Invalid):
        await reach.test(node, "not a domain")
