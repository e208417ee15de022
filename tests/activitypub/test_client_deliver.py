"""Deliveries: whatever an inbox answers is a result."""

import asyncio

import pytest

from activitypub.client import Client
from activitypub.errors import FetchFailed
from activitypub.signatures import Flavour, SigningKey
from activitypub.vocabulary import AP_TYPE
from tests.activitypub.loopback import (
    USER_AGENT,
    Peer,
    a_client,
    drip,
    moved,
    reply,
    verified,
)


async def test_a_delivery_is_signed_and_its_answer_is_told(client: Client, peer: Peer, key: SigningKey) -> None:
    inbox = peer.says("/inbox", reply(202, b"thanks"))
    delivered = await client.deliver(inbox, b'{"type":"Follow"}', key)
    assert (delivered.status, delivered.retry_after, delivered.flavour) == (202, None, Flavour.CAVAGE)
    request = peer.asked[0]
    assert (request.method, request.body) == ("POST", b'{"type":"Follow"}')
    assert verified(request, peer, key) is Flavour.CAVAGE
    headers = dict(request.headers)
    assert (headers["content-type"], headers["user-agent"]) == (AP_TYPE, USER_AGENT)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 404, 410, 429, 500, 503])
async def test_whatever_an_inbox_answers_is_a_result_and_nothing_is_followed(
    client: Client, peer: Peer, key: SigningKey, status: int
) -> None:
    peer.says("/other", reply(202))
    delivered = await client.deliver(peer.says("/inbox", moved("/other", status)), b"{}", key)
    assert delivered.status == status
    assert [request.target for request in peer.asked] == ["/inbox"]


async def test_many_deliveries_share_one_connection(client: Client, peer: Peer, key: SigningKey) -> None:
    inbox = peer.says("/inbox", reply(202, b"ok"))
    for _ in range(20):
        await client.deliver(inbox, b"{}", key)
    assert (len(peer.asked), peer.connections) == (20, 1)


async def test_a_delivery_survives_a_peer_that_closes_kept_connections(
    client: Client, peer: Peer, key: SigningKey
) -> None:
    inbox = peer.does("/inbox", lambda request: b"" if len(peer.asked) == 2 else reply(202))
    peer.keep = lambda served: len(peer.asked) != 2
    assert (await client.deliver(inbox, b"1", key)).status == 202
    assert (await client.deliver(inbox, b"2", key)).status == 202
    assert [request.body for request in peer.asked] == [b"1", b"2", b"2"]


async def test_a_peer_that_always_hangs_up_is_tried_twice_and_then_later(
    client: Client, peer: Peer, key: SigningKey
) -> None:
    peer.keep = lambda served: False
    with pytest.raises(FetchFailed, match="without an answer") as failed:
        await client.deliver(peer.says("/inbox", b""), b"{}", key)
    assert failed.value.retry
    assert len(peer.asked) == 2


async def test_an_answer_whose_body_never_ends_is_still_an_answer(
    client: Client, peer: Peer, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activitypub.answers._DRAIN_SECONDS", 0.1)
    head = b"HTTP/1.1 202 Accepted\r\ncontent-length: 100000\r\n\r\n"
    inbox = peer.does("/inbox", lambda request: drip(head, b".", 0.02))
    async with asyncio.timeout(2):
        assert (await client.deliver(inbox, b"{}", key)).status == 202


@pytest.mark.parametrize("encoding", ["br", "gzip", "zstd", "x"])
async def test_an_answer_that_cannot_be_unpacked_is_still_an_answer(
    client: Client, peer: Peer, key: SigningKey, encoding: str
) -> None:
    inbox = peer.says("/inbox", reply(202, b"not compressed", f"content-encoding: {encoding}"))
    for _ in range(2):
        assert (await client.deliver(inbox, b"{}", key)).status == 202
    assert peer.connections == 1


async def test_a_closed_client_stays_closed(peer: Peer) -> None:
    client = a_client()
    await client.fetch(peer.note("/"))
    await client.aclose()
    await client.aclose()
    with pytest.raises(RuntimeError, match="closed"):
        await client.fetch(peer.url("/"))
