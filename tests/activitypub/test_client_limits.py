"""Whatever a peer sends has an end: in time, in bytes, in connections."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable

import pytest

from activitypub.client import Client, Limits
from activitypub.errors import FetchFailed
from activitypub.signatures import SigningKey
from activitypub.vocabulary import AP_TYPE
from tests.activitypub.loopback import (
    CHUNKED,
    Peer,
    Start,
    a_client,
    drip,
    flood,
    moved,
    reply,
)


@pytest.mark.parametrize(
    "answer",
    [
        lambda: drip(b"", b"", 0.02),
        lambda: drip(b"HTTP/1.1 200 ", b"O", 0.02),
        lambda: drip(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", 0.05),
        lambda: drip(f"{CHUNKED}\r\n".encode(), b"1\r\na\r\n", 0.02),
        lambda: drip(f"HTTP/1.1 200 OK\r\ncontent-type: {AP_TYPE}\r\ncontent-length: 999\r\n\r\n".encode(), b"a", 0.02),
        lambda: drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.02),
    ],
)
async def test_a_peer_that_drips_is_cut_off_at_the_deadline(
    peer: Peer, answer: Callable[[], AsyncIterator[bytes]]
) -> None:
    url = peer.does("/", lambda request: answer())
    async with a_client(limits=Limits(deadline=0.4)) as client:
        async with asyncio.timeout(2):
            with pytest.raises(FetchFailed, match="in time") as failed:
                await client.fetch(url)
    assert failed.value.retry


async def test_the_deadline_is_for_all_redirects_together(peer: Peer) -> None:
    async def slow(to: str) -> AsyncIterator[bytes]:
        await asyncio.sleep(0.25)
        yield moved(to)

    for hop in range(4):
        peer.does(f"/{hop}", lambda request: slow(f"/{int(request.target[1:]) + 1}"))
    peer.note("/4")
    async with a_client(limits=Limits(deadline=0.8)) as client:
        with pytest.raises(FetchFailed, match="in time"):
            await client.fetch(peer.url("/0"))
        assert (await client.fetch(peer.url("/3"))).status == 200


@pytest.mark.parametrize("size", [1000, 1001])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_may_be_as_long_as_the_limit_and_no_longer(
    peer: Peer, size: int, encoding: str, chunked: bool
) -> None:
    body = b"a" * size
    sent = gzip.compress(body) if encoding == "gzip" else body
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\n"
    if chunked:
        raw = f"{head}transfer-encoding: chunked\r\n\r\n{len(sent):x}\r\n".encode() + sent + b"\r\n0\r\n\r\n"
    else:
        raw = f"{head}content-length: {len(sent)}\r\n\r\n".encode() + sent
    url = peer.says("/", raw)
    async with a_client(limits=Limits(document_bytes=1000)) as client:
        if size <= 1000:
            assert (await client.fetch(url)).body == body
        else:
            with pytest.raises(FetchFailed, match="longer than 1000 bytes") as failed:
                await client.fetch(url)
            assert not failed.value.retry
        assert (await client.fetch(url, max_bytes=2000)).body == body


async def test_an_endless_body_is_cut_off_at_the_limit(
    client: Client, peer: Peer, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activitypub.answers._DRAIN_SECONDS", 60.0)  # so that bytes alone end the reading
    chunk = b"4000\r\n" + b"a" * 0x4000 + b"\r\n"
    url = peer.does("/", lambda request: flood(f"{CHUNKED}\r\n".encode(), chunk))
    async with asyncio.timeout(5):
        with pytest.raises(FetchFailed, match="longer than"):
            await client.fetch(url)
        assert (await client.deliver(url, b"{}", key)).status == 200


@pytest.mark.parametrize("layers", [1, 2])
async def test_a_bomb_does_not_go_off(client: Client, peer: Peer, key: SigningKey, layers: int) -> None:
    bomb = b"\0" * 200_000_000
    for _ in range(layers):
        bomb = gzip.compress(bomb, 9)
    assert len(bomb) < 1_000_000
    url = peer.says("/", reply(200, bomb, "content-encoding: " + ", ".join(["gzip"] * layers)))
    del bomb
    tracemalloc.start()
    try:
        with pytest.raises(FetchFailed, match="longer than" if layers == 1 else "did not ask for"):
            await client.fetch(url)
        assert (await client.deliver(url, b"{}", key)).status == 200
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000


async def test_compressed_nothing_without_end_is_cut_off_too(client: Client, peer: Peer) -> None:
    deflater = zlib.compressobj(wbits=31)
    head = deflater.compress(b"") + deflater.flush(zlib.Z_FULL_FLUSH)
    empty = deflater.flush(zlib.Z_FULL_FLUSH) or b"\x00\x00\x00\xff\xff"
    raw = f"{CHUNKED}content-encoding: gzip\r\n\r\n{len(head):x}\r\n".encode() + head + b"\r\n"
    block = empty * 3000
    url = peer.does("/", lambda request: flood(raw, f"{len(block):x}\r\n".encode() + block + b"\r\n"))
    async with asyncio.timeout(5):
        with pytest.raises(FetchFailed, match="longer than"):
            await client.fetch(url)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(b"{}", mtime=0)[:-3]),
        ("gzip", b"{}"),
        ("gzip", gzip.compress(b"{}", mtime=0) + b"more"),
        ("br", b"{}"),
        ("deflate", zlib.compress(b"{}")),
        ("gzip, gzip", gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0)),
    ],
)
async def test_a_body_that_is_not_compressed_as_agreed_is_refused(
    client: Client, peer: Peer, encoding: str, body: bytes
) -> None:
    with pytest.raises(FetchFailed, match="compressed"):
        await client.fetch(peer.says("/", reply(200, body, f"content-encoding: {encoding}")))


async def test_no_host_gets_more_connections_than_its_share(start: Start, key: SigningKey) -> None:
    async def slow() -> AsyncIterator[bytes]:
        await asyncio.sleep(0.1)
        yield reply(202)

    busy, idle = await start(), await start()
    inbox = busy.does("/inbox", lambda request: slow())
    async with a_client(limits=Limits(connections_per_host=3)) as client, asyncio.TaskGroup() as group:
        for _ in range(9):
            group.create_task(client.deliver(inbox, b"{}", key))
        await asyncio.sleep(0.05)
        assert (await client.fetch(idle.note("/"))).status == 200
        assert len(busy.asked) == 3  # the other host did not have to wait for this one
        group.create_task(client.fetch(busy.note("/n")))
    assert len(busy.asked) == 10
    assert busy.busiest == busy.connections == 3
