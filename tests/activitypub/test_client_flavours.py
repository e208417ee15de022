"""Which signatures a host takes: the second knock, and what is remembered of it."""

import pytest

from activitypub.client import FLAVOUR_LIFE, Client
from activitypub.errors import FetchFailed
from activitypub.signatures import Flavour, Request, SigningKey
from tests.activitypub.loopback import NOW, Handler, Peer, a_client, document, reply, verified


def _wants(peer: Peer, flavour: Flavour, refusal: int = 401) -> Handler:
    def handler(request: Request) -> bytes:
        rfc9421 = any(name == "signature-input" for name, _ in request.headers)
        if rfc9421 is not (flavour is Flavour.RFC9421):
            return reply(refusal)
        if request.method == "POST":
            return reply(202)
        return document(id=peer.url("/x"))

    return handler


@pytest.mark.parametrize("refusal", [400, 401, 403])
async def test_the_other_signature_is_tried_once_and_remembered(
    client: Client, peer: Peer, key: SigningKey, refusal: int
) -> None:
    url = peer.does("/x", _wants(peer, Flavour.RFC9421, refusal))
    first = await client.deliver(url, b"{}", key)
    assert (first.status, first.flavour) == (202, Flavour.RFC9421)
    assert [verified(request, peer, key) for request in peer.asked] == [Flavour.CAVAGE, Flavour.RFC9421]
    peer.asked.clear()
    assert (await client.deliver(url, b"{}", key)).status == 202
    assert (await client.document(url))["id"] == url
    assert [verified(request, peer, key) for request in peer.asked] == [Flavour.RFC9421, Flavour.RFC9421]


@pytest.mark.parametrize("status", [202, 404, 410, 429, 500])
async def test_there_is_no_second_knock_for_another_answer(
    client: Client, peer: Peer, key: SigningKey, status: int
) -> None:
    assert (await client.deliver(peer.says("/x", reply(status)), b"{}", key)).status == status
    assert len(peer.asked) == 1


async def test_a_host_that_refuses_both_is_told_by_its_first_answer_and_not_remembered(
    client: Client, peer: Peer, key: SigningKey
) -> None:
    url = peer.does("/x", lambda request: reply(403 if len(peer.asked) % 2 else 401))
    for _ in range(2):
        delivered = await client.deliver(url, b"{}", key)
        assert (delivered.status, delivered.flavour) == (403, Flavour.CAVAGE)
    flavours = [verified(request, peer, key) for request in peer.asked]
    assert flavours == [Flavour.CAVAGE, Flavour.RFC9421] * 2


async def test_what_a_host_understands_is_forgotten_after_its_time_and_unlearned(peer: Peer, key: SigningKey) -> None:
    now = [NOW]
    url = peer.does("/x", _wants(peer, Flavour.RFC9421))
    async with a_client(clock=lambda: now[0]) as client:
        await client.deliver(url, b"{}", key)
        now[0] += FLAVOUR_LIFE - 1
        await client.deliver(url, b"{}", key)
        assert len(peer.asked) == 3
        now[0] += 2
        await client.deliver(url, b"{}", key)
        assert len(peer.asked) == 5
        peer.does("/x", _wants(peer, Flavour.CAVAGE))
        assert (await client.deliver(url, b"{}", key)).flavour is Flavour.CAVAGE
        assert len(peer.asked) == 7
        await client.deliver(url, b"{}", key)
        assert len(peer.asked) == 8


async def test_what_was_learnt_can_outlive_the_client(peer: Peer, key: SigningKey) -> None:
    stored: dict[str, Flavour] = {}
    url = peer.does("/x", _wants(peer, Flavour.RFC9421))
    for requests in (2, 3):
        async with a_client(flavour_for=stored.get, remember=stored.__setitem__) as client:
            await client.deliver(url, b"{}", key)
        assert stored == {peer.authority: Flavour.RFC9421}
        assert len(peer.asked) == requests


async def test_without_a_key_a_get_is_unsigned_and_knocks_once(peer: Peer) -> None:
    async with a_client() as client:
        with pytest.raises(FetchFailed, match="401"):
            await client.fetch(peer.says("/x", reply(401)))
    assert len(peer.asked) == 1
    assert not any(name.startswith("signature") for name, _ in peer.asked[0].headers)


@pytest.mark.parametrize("only", list(Flavour))
async def test_one_flavour_alone_is_tried_once_whatever_the_host_was_seen_to_take(
    peer: Peer, key: SigningKey, only: Flavour
) -> None:
    other = next(flavour for flavour in Flavour if flavour is not only)
    stored = {peer.authority: other}
    url = peer.does("/x", _wants(peer, only))
    refusing = peer.does("/no", _wants(peer, other))
    async with a_client(
        signing_key=lambda: key, flavour_for=stored.get, remember=stored.__setitem__, only=only
    ) as client:
        assert (await client.deliver(url, b"{}", key)).flavour is only
        assert (await client.document(url))["id"] == url
        refused = await client.deliver(refusing, b"{}", key)
        with pytest.raises(FetchFailed, match="401"):
            await client.fetch(refusing)
    assert (refused.status, refused.flavour) == (401, only)
    assert [verified(request, peer, key) for request in peer.asked] == [only] * 4
    assert stored == {peer.authority: other}
