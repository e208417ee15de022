"""Nodes of one company, served in this process on one clock: how rosters travel, and who is let in by them."""

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from activitypub import keys
from activitypub.errors import FetchFailed, ProtocolError
from activitypub.roster import Member, Roster
from node import accounts, keyring
from node.assembly import open_node
from node.federation import company
from node.federation.fetching import ROSTER_PATH
from node.federation.network import Network, open_network
from node.federation.rosters import ASK_AGAIN_SECONDS, HEADER
from node.jobs import Runner
from node.keyring import KeyPair
from node.runtime import Node
from node.secrets import create_secret
from tests.conftest import make_settings
from tests.support.clocks import Clock
from tests.support.rosters import DAY, Company
from tests.support.serving import listen, serving
from web.app import create_app


@dataclass(frozen=True)
class Department:
    node: Node
    network: Network
    base: str
    member: Member

    @property
    def domain(self) -> str:
        return self.member.domain

    async def brings(self, body: bytes, **headers: str) -> int:
        """Somebody posts a roster here; the status."""
        async with httpx.AsyncClient() as http:
            answer = await http.post(
                self.base + ROSTER_PATH, content=body, headers={"Content-Type": "application/json", **headers}
            )
        return answer.status_code

    async def reads(self, other: "Department") -> httpx.Headers:
        """A signed GET at another's; the headers of the answer. Raises FetchFailed."""
        fetched = await self.network.client.fetch(f"{other.base}/users/anna")
        return fetched.headers

    async def works(self) -> None:
        """Run the jobs that wait."""
        runner = Runner(self.node, self.network)
        while await runner.step():
            await runner.drain()


Start = Callable[[], Awaitable[Department]]


@pytest.fixture
def acme(clock: Clock) -> Company:
    return Company(int(clock() * 1000))


@pytest.fixture
async def start(tmp_path: Path, clock: Clock, sqlite_template: Path, key_pairs: list[KeyPair]) -> AsyncIterator[Start]:
    """`await start()`: another node on a port of its own, that trusts nobody yet."""
    async with contextlib.AsyncExitStack() as stack:

        async def begin() -> Department:
            listener = listen()
            domain = f"127.0.0.1:{listener.getsockname()[1]}"
            folder = tmp_path / domain.replace(":", "_")
            folder.mkdir()
            create_secret(folder)
            shutil.copy(sqlite_template, folder / "corridor.db")
            settings = make_settings(
                folder,
                database_url=f"sqlite:///{folder}/corridor.db",
                node={"scheme": "http", "domain": domain, "department": f"Department {domain}"},
                federation={"mode": "roster", "timeout_seconds": 5.0},
            )
            node = open_node(settings, clock=clock)
            stack.callback(node.close)
            actor_id = await node.write(accounts.create_node_actor)
            await node.write(keyring.store, actor_id, key_pairs)
            network = await open_network(node)
            stack.push_async_callback(network.aclose)
            new = accounts.NewAccount(username="anna", email="anna@example.org", password_hash="x")
            await node.write(keyring.store, await node.write(accounts.create, new), key_pairs)
            base = await stack.enter_async_context(serving(create_app(node, network), listener))
            identity = (await node.write(keyring.ensure_identity)).multibase
            return Department(node, network, base, Member(domain, settings.node.department, identity))

        yield begin


async def give(department: Department, acme: Company, roster: Roster) -> None:
    """As `corridor join` does."""
    if await department.node.read(company.trust) is None:
        await department.node.write(company.found_trust, acme.public)
    await company.receive(department.node, company.verified(roster.body), "invitation")


@pytest.fixture
async def three(start: Start, acme: Company) -> list[Department]:
    """Three departments that hold version 1, which lists them."""
    departments = [await start() for _ in range(3)]
    roster = acme.roster(1, [one.member for one in departments])
    for one in departments:
        await give(one, acme, roster)
    return departments


async def until(check: Callable[[], Any], what: str, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"did not happen within {seconds} s: {what}")


async def test_every_exchange_between_peers_names_the_roster_and_with_strangers_none_does(
    three: list[Department], start: Start
) -> None:
    one, two, _ = three
    assert (await one.reads(two))[HEADER] == "1"
    assert one.network.rosters.headers(two.domain) == {HEADER: "1"}
    assert one.network.rosters.headers("evil.example") == {}
    stranger = await start()
    async with httpx.AsyncClient() as http:
        for path in ("/users/anna", "/actor", ROSTER_PATH, "/inbox"):
            answer = await http.get(one.base + path, headers={"Accept": "application/activity+json", HEADER: "9"})
            assert HEADER not in answer.headers
    with pytest.raises(ProtocolError):
        await stranger.reads(one)


async def test_who_sees_a_newer_version_fetches_it_from_there_whether_it_asked_or_was_asked(
    three: list[Department], acme: Company
) -> None:
    one, two, other = three
    await give(two, acme, acme.roster(2, [each.member for each in three]))
    await one.reads(two)  # the answer names version 2
    await until(lambda: one.node.company.version == 2, "one has it")
    await one.reads(other)  # the request names it
    await until(lambda: other.node.company.version == 2, "the third has it")


async def test_a_peer_is_asked_once_a_minute_however_often_it_says_so(
    three: list[Department], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, _ = three
    asked: list[str] = []

    async def ask(domain: str) -> bool:
        asked.append(domain)
        return False

    monkeypatch.setattr(one.network.rosters, "ask", ask)
    for said in ("5", "5", "6", "x", "-1", "5.0", "", "9" * 40, "²"):
        one.network.rosters.heard(two.domain, said)
        one.network.rosters.heard("evil.example", said)
    await asyncio.sleep(0.05)
    assert asked == [two.domain]
    one.network.rosters._asked[two.domain] -= ASK_AGAIN_SECONDS + 1
    for said in ("1", "0"):
        one.network.rosters.heard(two.domain, said)
    await asyncio.sleep(0.05)
    assert asked == [two.domain]
    one.network.rosters.heard(two.domain, "5")
    await asyncio.sleep(0.05)
    assert asked == [two.domain] * 2


async def test_a_node_that_joins_is_let_in_by_all_once_it_has_told_them(
    three: list[Department], start: Start, acme: Company
) -> None:
    new = await start()
    with pytest.raises(ProtocolError):
        await new.reads(three[0])
    await give(new, acme, acme.roster(2, [each.member for each in (*three, new)]))
    with pytest.raises(FetchFailed):
        await new.reads(three[0])  # they do not know it yet
    await new.network.rosters.announce()
    assert [one.node.company.version for one in three] == [2, 2, 2]
    await new.reads(three[0])
    await three[1].reads(new)


async def test_a_removed_node_is_refused_both_ways_from_the_next_exchange_on(
    three: list[Department], acme: Company
) -> None:
    one, two, gone = three
    await gone.reads(one)
    await one.reads(gone)
    await give(one, acme, acme.roster(2, [one.member, two.member]))
    with pytest.raises(FetchFailed) as caught:
        await gone.reads(one)
    assert caught.value.status == 403
    with pytest.raises(FetchFailed, match="is refused"):
        await one.reads(gone)
    await one.reads(two)
    await until(lambda: two.node.company.version == 2, "it heard of it")
    with pytest.raises(FetchFailed):
        await gone.reads(two)
    with pytest.raises(FetchFailed):
        await gone.network.rosters.ask(one.domain)  # nor is it told who the company is now
    await give(one, acme, acme.roster(3, [each.member for each in three]))
    await gone.reads(one)


async def test_an_expired_roster_lets_nobody_in_until_a_peer_that_has_a_newer_one_gives_it(
    three: list[Department], acme: Company, clock: Clock
) -> None:
    one, two, other = three
    clock.advance(29 * DAY / 1000)
    acme.now = int(clock() * 1000)
    await give(two, acme, acme.roster(2, [each.member for each in three]))
    clock.advance(DAY / 1000)
    with pytest.raises(FetchFailed, match="expired"):
        await one.reads(other)
    with pytest.raises(FetchFailed) as caught:
        await two.reads(one)
    assert caught.value.status == 403
    async with httpx.AsyncClient() as http:
        health = await http.get(one.base + "/healthz")
        assert (health.status_code, health.json()["status"]) == (200, "ok")
        assert "has expired" in health.json()["degraded"][0]
        assert "degraded" not in (await http.get(two.base + "/healthz")).json()
    await one.node.write(company.want)
    for _ in range(10):  # it asks at random, and the third has nothing newer
        await one.network.rosters.ask_somebody()
    assert one.node.company.version == 2
    await two.reads(one)


async def test_a_roster_that_is_withheld_keeps_nobody_in_for_longer_than_it_lasts(
    three: list[Department], acme: Company, clock: Clock
) -> None:
    one, two, dismissed = three
    await give(one, acme, acme.roster(2, [one.member, two.member]))
    dismissed_network = dismissed.network  # it goes on showing the old roster, and never the new one
    await dismissed_network.client.fetch(f"{two.base}/users/anna")  # the other has not heard of it: still a peer
    clock.advance(30 * DAY / 1000)
    with pytest.raises(FetchFailed) as caught:
        await dismissed_network.client.fetch(f"{two.base}/users/anna")
    assert caught.value.status is None or caught.value.status == 403


async def test_a_node_that_slept_through_a_change_of_the_key_comes_along_by_itself(
    three: list[Department], acme: Company
) -> None:
    one, _, sleeper = three
    after = keys.generate_ed25519()
    nodes = [each.member for each in three]
    await give(one, acme, acme.roster(2, nodes))
    await give(one, acme, acme.roster(3, nodes, next_key=keys.multibase(after.public_key())))
    await give(one, acme, acme.roster(4, nodes, key=after))
    await give(one, acme, acme.roster(104, nodes, key=after))
    await give(one, acme, acme.roster(150, nodes, key=after))
    assert await sleeper.network.rosters.ask(one.domain)
    assert sleeper.node.company.version == 150
    assert not await sleeper.network.rosters.ask(one.domain)
    known = await sleeper.node.read(company.trust)
    assert known == company.Trust(acme.public, keys.multibase(after.public_key()))


async def test_only_a_peers_signature_is_given_the_roster(three: list[Department], start: Start, acme: Company) -> None:
    one, two, _ = three
    async with httpx.AsyncClient() as http:
        assert (await http.get(one.base + ROSTER_PATH)).status_code == 401
    stranger = await start()
    with pytest.raises(ProtocolError):
        await stranger.network.client.fetch(one.base + ROSTER_PATH)
    fetched = await two.network.client.fetch(one.base + ROSTER_PATH, accept="application/json")
    assert company.verified(fetched.body).roster == one.node.company.roster
    for query, status in (("after=x", 400), ("after=-1", 400), ("after=" + "9" * 30, 400), ("signer=z6Mk", 400)):
        with pytest.raises(FetchFailed) as caught:
            await two.network.client.fetch(f"{one.base}{ROSTER_PATH}?{query}")
        assert caught.value.status == status
    newest = await two.network.client.fetch(f"{one.base}{ROSTER_PATH}?after=1")
    assert (newest.status, newest.body) == (204, b"")


async def test_anybody_may_bring_a_roster_but_only_the_companys_is_taken(
    three: list[Department], acme: Company
) -> None:
    one = three[0]
    nodes = [each.member for each in three]
    assert await one.brings(acme.roster(1, nodes).body) == 202  # known
    assert await one.brings(acme.roster(2, nodes, key=keys.generate_ed25519()).body) == 401
    assert await one.brings(acme.roster(2, nodes).body.replace(b'"version":2', b'"version":3')) == 401
    assert await one.brings(acme.roster(102, nodes).body) == 403
    assert await one.brings(acme.roster(1, nodes[:1]).body) == 403  # split
    assert await one.brings(b"{}") == 400
    assert await one.brings(b"\xff") == 400
    assert await one.brings(b" " * (512 * 1024 + 1)) == 413
    assert await one.brings(acme.roster(2, nodes).body, **{"Content-Type": "text/plain"}) == 415
    assert one.node.company.version == 1
    assert await one.brings(acme.roster(2, nodes).body) == 202
    assert one.node.company.version == 2


async def test_one_address_cannot_have_us_check_signatures_for_ever(three: list[Department], acme: Company) -> None:
    statuses = [await three[0].brings(b"{}") for _ in range(61)]
    assert statuses == [400] * 60 + [429]


async def test_a_node_that_has_not_joined_is_degraded_and_serves_its_people(start: Start) -> None:
    alone = await start()
    async with httpx.AsyncClient() as http:
        health = await http.get(alone.base + "/healthz")
        assert health.status_code == 200
        assert "has not joined" in health.json()["degraded"][0]
        assert (await http.get(alone.base + "/api/v1/instance")).status_code == 200


async def test_the_worker_asks_at_its_start_and_announces_what_was_handed_to_it(
    three: list[Department], acme: Company
) -> None:
    one, two, other = three
    nodes = [each.member for each in three]
    await give(two, acme, acme.roster(2, nodes))
    await give(other, acme, acme.roster(2, nodes))
    await one.network.rosters.look_round()
    await one.works()
    assert one.node.company.version == 2
    await give(one, acme, acme.roster(3, nodes))
    await one.node.write(lambda tx: tx.enqueue(company.ANNOUNCE_JOB, {}, dedupe=company.ANNOUNCE_JOB))
    await one.works()
    assert [two.node.company.version, other.node.company.version] == [3, 3]
