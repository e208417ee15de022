"""Server-side request forgery: no way into the network leads past the guard (protocol section 8, SSRF).

`inside` stands for a service of the house that never asked to be found. Every way by which a stranger can name an address is
tried twice: towards the peer that the settings list, where it must work, and towards `inside`, which must hear nothing.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from activitypub import keys, signatures
from activitypub.errors import ProtocolError
from activitypub.signatures import Flavour, Request, SigningKey
from activitypub.vocabulary import AP_TYPE, PUBLIC, Iri
from node import accounts, social
from node.errors import NodeError
from node.federation import reach
from node.federation.dispatcher import Dispatcher
from node.federation.network import Network
from node.runtime import Node
from node.viewer import Viewer
from tests.node.federation.conftest import Post, deliver, run_jobs
from tests.security.conftest import LyingPeer
from tests.support.remote_peer import rsa_key
from tests.support.rows import id_of

Way = Callable[["Outside", str], Awaitable[object]]


@pytest.fixture
async def inside() -> AsyncIterator[list[str]]:
    """Requests that a service on another port of this machine has heard, after its own origin."""
    heard: list[str] = []

    async def hear(request: web.Request) -> web.Response:
        heard.append(f"{request.method} {request.path_qs}")
        return web.json_response({}, content_type="application/activity+json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hear)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    heard.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
    yield heard
    await runner.cleanup()


@pytest.fixture
def federation(peer: LyingPeer) -> dict[str, Any]:
    """One address of loopback is a peer's; the rest of it is the house."""
    return {"mode": "open", "allow_loopback": True, "private_peers": [peer.domain], "timeout_seconds": 3.0}


class Outside:
    """What a stranger at the listed peer can have us do with an address."""

    def __init__(self, node: Node, network: Network, post: Post, peer: LyingPeer, alice: Viewer, bert: str) -> None:
        self.node, self.network, self.post, self.peer, self.alice, self.bert = node, network, post, peer, alice, bert
        self.dispatcher = Dispatcher(node, network, randomness=lambda: 0.5)
        self._numbers = itertools.count(1)

    def number(self) -> int:
        """Never the same twice: what failed or arrived once is not asked for again at once."""
        return next(self._numbers)

    async def says(self, kind: str, about: Any, **more: Any) -> None:
        activity = self.peer.activity(kind, self.bert, about, number=self.number(), **more)
        await self.post.arrives(self.peer, activity)
        await run_jobs(self.node, self.network)


async def by_key_id(out: Outside, base: str) -> None:
    signed = out.peer.signed(b"", f"{out.node.urls.base}/actor", by=f"{base}/users/nina", method="GET")
    await out.network.signer(signed)


async def by_key_owner(out: Outside, base: str) -> None:
    """A key document of its own, whose owner is at the address."""
    by = f"{out.peer.base}/keys/{out.number()}"
    pem = keys.to_pem(rsa_key().public_key())
    key = {"id": by, "owner": f"{base}/users/nina", "publicKeyPem": pem}
    out.peer.serve({"type": "Key", **key})
    out.peer.person("nina", publicKey=[key])
    signing = SigningKey(Iri(by), rsa_key())
    url = f"{out.node.urls.base}/actor"
    headers = signatures.sign("GET", url, None, signing, flavour=Flavour.CAVAGE, now=out.peer.clock())
    await out.network.signer(Request("GET", "/actor", [(name.lower(), text) for name, text in headers.items()], b""))


async def by_boost(out: Outside, base: str) -> None:
    await out.says("Announce", f"{base}/notes/1", to=[PUBLIC])


async def by_naming_a_post(out: Outside, base: str) -> None:
    await out.network.learn(f"{base}/notes/1")


async def by_answering(out: Outside, base: str) -> None:
    await out.says("Create", out.peer.note(100 + out.number(), out.bert, inReplyTo=f"{base}/notes/1"))


async def by_search(out: Outside, base: str) -> None:
    await out.network.resolve_url(f"{base}/notes/1")


async def by_redirect(out: Outside, base: str) -> None:
    path = f"/moved/{out.number()}"
    out.peer.redirects[path] = f"{base}/users/nina"
    await out.network.actor(out.peer.base + path)


async def by_handle(out: Outside, base: str) -> None:
    await out.network.resolve_handle(f"nina@{base.removeprefix('http://')}")


async def by_webfinger_redirect(out: Outside, base: str) -> None:
    name = f"nora{out.number()}"
    out.peer.person(name)
    resource = f"acct:{name}@{out.peer.domain}"
    out.peer.redirects["/.well-known/webfinger"] = f"{base}/webfinger"
    out.peer.documents["/webfinger"] = out.peer.handles[resource]
    out.peer.types["/webfinger"] = "application/jrd+json"
    await out.network.resolve_handle(resource.removeprefix("acct:"))


async def by_webfinger_link(out: Outside, base: str) -> None:
    link = {"rel": "self", "type": AP_TYPE, "href": f"{base}/users/nina"}
    subject = f"acct:nina@{out.peer.domain}"
    out.peer.handles[subject] = {"subject": subject, "links": [link]}
    await out.network.resolve_handle(subject.removeprefix("acct:"))


async def by_move(out: Outside, base: str) -> None:
    await out.says("Move", out.bert, target=f"{base}/users/nina")


async def by_inbox(out: Outside, base: str) -> None:
    """An actor of the peer whose boxes are elsewhere is given a Follow to deliver."""
    name = f"olga{out.number()}"
    iri = out.peer.person(name, inbox=f"{base}/inbox", endpoints={"sharedInbox": f"{base}/inbox"})
    await out.network.actor(iri)
    target = (await out.node.read(accounts.known, iri)).id
    await out.node.write_as(out.alice, social.follow, target)
    await deliver(out.dispatcher)


# The way, and what an honest peer is asked for at its end.
WAYS: dict[str, tuple[Way, str]] = {
    "keyId": (by_key_id, "/users/nina"),
    "a key's owner": (by_key_owner, "/users/nina"),
    "a boosted post": (by_boost, "/notes/1"),
    "a post that is only named": (by_naming_a_post, "/notes/1"),
    "what a post answers": (by_answering, "/notes/1"),
    "a pasted address": (by_search, "/notes/1"),
    "a redirect": (by_redirect, "/users/nina"),
    "a handle": (by_handle, "/users/nina"),
    "a redirect of WebFinger": (by_webfinger_redirect, "/webfinger"),
    "a link of WebFinger": (by_webfinger_link, "/users/nina"),
    "the target of a Move": (by_move, "/users/nina"),
    "an inbox": (by_inbox, "/inbox"),
}


@pytest.mark.parametrize("way", WAYS)
async def test_an_address_of_the_house_is_never_asked(
    node: Node, network: Network, post: Post, peer: LyingPeer, alice: Viewer, bert: str, inside: list[str], way: str
) -> None:
    out = Outside(node, network, post, peer, alice, bert)
    bert_id = int((await node.read(accounts.known, bert)).id)
    await node.write_as(alice, social.follow, bert_id)
    await node.write(lambda tx: social.record_accept(tx, id_of(alice), bert_id))
    attempt, landmark = WAYS[way]
    base = inside.pop()
    peer.person("nina")
    peer.note(1, bert)
    for address in (base, base.replace("127.0.0.1", "localhost"), base.replace("127.0.0.1", "[::ffff:127.0.0.1]")):
        with contextlib.suppress(ProtocolError, NodeError):
            await asyncio.wait_for(attempt(out, address), 20)
        assert inside == [], address
    peer.fetched.clear()
    await attempt(out, peer.base)
    assert landmark in peer.fetched + [delivery.path for delivery in peer.received]
    await out.dispatcher.stop(1)


async def test_the_nodeinfo_of_a_peer_is_its_own(
    node: Node, network: Network, peer: LyingPeer, inside: list[str]
) -> None:
    """`corridor peers test` and the like follow the link that a peer's discovery document names."""
    base = inside.pop()
    rel = "http://nodeinfo.diaspora.software/ns/schema/2.1"
    info = {"version": "2.1", "software": {"name": "x", "version": "1"}, "protocols": ["activitypub"], "usage": {}}
    peer.documents["/nodeinfo/2.1"] = info
    for address, works in ((base, False), (peer.base, True)):
        peer.documents["/.well-known/nodeinfo"] = {"links": [{"rel": rel, "href": f"{address}/nodeinfo/2.1"}]}
        peer.fetched.clear()
        await reach.test(node, peer.domain)
        assert ("/nodeinfo/2.1" in peer.fetched) is works
    assert inside == []
