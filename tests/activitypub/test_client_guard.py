"""The guard at work: what is dialled is what was checked, and nothing of the environment is believed."""

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout
from aiohttp.abc import AbstractResolver, ResolveResult

from activitypub.client import Client
from activitypub.errors import FetchFailed, HostRefused
from activitypub.guard import Guard, GuardedConnector
from activitypub.signatures import SigningKey
from tests.activitypub.loopback import (
    Peer,
    Start,
    a_client,
    reply,
)


async def test_a_name_is_looked_up_once_and_what_was_checked_is_what_is_dialled(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: a public address for whoever checks, a private one for whoever connects."""
    answers = ["93.184.215.14", "127.0.0.1"]
    looked_up, dialled = [], []

    async def lookup(host: str, port: int) -> Sequence[str]:
        looked_up.append(host)
        return [answers[min(len(looked_up), len(answers)) - 1]]

    async def dial(sock: object, address: tuple[str, int]) -> None:
        dialled.append(address)
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", dial)
    async with a_client(Guard(allow_http=True), lookup=lookup) as client:
        with pytest.raises(FetchFailed, match="Network is unreachable"):
            await client.fetch("http://rebinding.test/")
    assert (len(looked_up), dialled) == (1, [("93.184.215.14", 80)])
    async with a_client(Guard(allow_http=True), lookup=lookup) as client:
        with pytest.raises(HostRefused, match=r"127\.0\.0\.1"):
            await client.fetch("http://rebinding.test/")
    assert (len(looked_up), len(dialled)) == (2, 1)


async def test_a_connection_to_an_address_that_nobody_checked_is_closed_unused(peer: Peer) -> None:
    class Lying(AbstractResolver):
        async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
            found = ("127.0.0.1", peer.port, 2)
            return [ResolveResult(hostname=host, host=found[0], port=found[1], family=found[2], proto=0, flags=0)]

        async def close(self) -> None:
            return None

    for guard, verdict in ((Guard(private=("x.test:443",)), False), (Guard(private=(f"x.test:{peer.port}",)), True)):
        connector = GuardedConnector(
            guard, resolver=Lying(), tls=ssl.create_default_context(), limit=1, limit_per_host=1
        )
        async with ClientSession(connector=connector, timeout=ClientTimeout(total=5)) as session:
            if verdict:
                async with session.get(f"http://x.test:{peer.port}/") as response:
                    assert response.status == 404
            else:
                with pytest.raises(HostRefused):
                    await session.get(f"http://x.test:{peer.port}/")
                assert peer.asked == []


async def test_a_mixed_answer_of_a_name_server_is_refused(peer: Peer, key: SigningKey) -> None:
    async def lookup(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1", "10.0.0.1"]

    url = f"http://x.test:{peer.port}/"
    async with a_client(lookup=lookup) as client:
        for attempt in (
            client.fetch(url),
            client.deliver(url, b"", key),
        ):
            with pytest.raises(HostRefused, match=r"10\.0\.0\.1"):
                await attempt
    assert peer.connections == 0


async def test_a_peer_that_is_struck_off_loses_its_kept_connection(peer: Peer, key: SigningKey) -> None:
    roster = {("127.0.0.1", peer.port)}
    guard = Guard(allow_http=True, also=lambda host, port: (host, port) in roster)
    async with a_client(guard) as client:
        assert (await client.deliver(peer.says("/", reply(202)), b"{}", key)).status == 202
        roster.clear()
        with pytest.raises(HostRefused):
            await client.deliver(peer.url("/"), b"{}", key)
    assert len(peer.asked) == 1


async def test_proxies_and_passwords_of_the_environment_are_not_used(
    client: Client, peer: Peer, start: Start, key: SigningKey, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proxy = await start()
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url("/"))
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    await client.fetch(peer.note("/"))
    await client.deliver(peer.url("/"), b"{}", key)
    assert proxy.connections == 0
    assert len(peer.asked) == 2
    assert not any(name == "authorization" for request in peer.asked for name, _ in request.headers)


async def test_cookies_are_not_taken(client: Client, peer: Peer, key: SigningKey) -> None:
    url = peer.says("/", reply(200, b"", "set-cookie: track=me; Path=/"))
    for _ in range(2):
        await client.fetch(url)
        await client.deliver(url, b"{}", key)
    assert len(peer.asked) == 4
    assert not any(name == "cookie" for request in peer.asked for name, _ in request.headers)
