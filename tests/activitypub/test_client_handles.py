"""Handles, and plain JSON: whose word counts for an account."""

import json

import pytest

from activitypub.client import Client
from activitypub.errors import FetchFailed, HostRefused, Malformed, Refused
from activitypub.guard import Guard
from activitypub.vocabulary import AP_TYPE
from tests.activitypub.loopback import Peer, Start, a_client, reply


def jrd(subject: str, actor: str) -> bytes:
    links = [{"rel": "self", "type": AP_TYPE, "href": actor}]
    body = json.dumps({"subject": f"acct:{subject}", "links": links}).encode()
    return reply(200, body, content_type="application/jrd+json; charset=utf-8")


def an_actor(peer: Peer, username: str) -> str:
    path = f"/users/{username}"
    boxes = {"inbox": peer.url(f"{path}/inbox"), "outbox": peer.url(f"{path}/outbox")}
    return peer.note(path, type="Person", preferredUsername=username, **boxes)


WEBFINGER = "/.well-known/webfinger"


async def test_a_handle_leads_to_its_actor(client: Client, peer: Peer) -> None:
    actor = an_actor(peer, "alice")
    peer.says(WEBFINGER, jrd(f"alice@{peer.authority}", actor))
    assert await client.webfinger(f"@alice@{peer.authority}") == actor
    assert peer.asked[0].target.startswith(f"{WEBFINGER}?resource=acct")


@pytest.mark.parametrize("content_type", ["text/html", AP_TYPE, "image/png", ""])
async def test_a_webfinger_answer_of_another_type_is_none(client: Client, peer: Peer, content_type: str) -> None:
    answer = jrd(f"alice@{peer.authority}", an_actor(peer, "alice"))
    peer.says(WEBFINGER, answer.replace(b"application/jrd+json; charset=utf-8", content_type.encode()))
    with pytest.raises(FetchFailed, match="wrong type"):
        await client.webfinger(f"alice@{peer.authority}")


async def test_a_handle_domain_may_send_us_to_its_server_by_host_meta(client: Client, start: Start) -> None:
    domain, server = await start(), await start()
    handle, actor = f"alice@{domain.authority}", an_actor(server, "alice")
    template = server.url(f"{WEBFINGER}?resource={{uri}}")
    xrd = f'<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0"><Link rel="lrdd" template="{template}"/></XRD>'
    domain.says("/.well-known/host-meta", reply(200, xrd.encode(), content_type="application/xrd+xml"))
    server.says(WEBFINGER, jrd(handle, actor))
    assert await client.webfinger(handle) == actor
    itself = xrd.replace(server.authority, domain.authority).encode()
    domain.says("/.well-known/host-meta", reply(200, itself, content_type="application/xrd+xml"))
    domain.asked.clear()
    with pytest.raises(FetchFailed):
        await client.webfinger(handle)
    assert [request.target.partition("?")[0] for request in domain.asked] == [WEBFINGER, "/.well-known/host-meta"]
    domain.says("/.well-known/host-meta", reply(404))
    with pytest.raises(FetchFailed) as failed:  # and then it is the first question that was not answered
        await client.webfinger(handle)
    assert failed.value.gone
    assert WEBFINGER in failed.value.url


async def test_a_template_into_the_house_is_refused(start: Start) -> None:
    domain, inner = await start(), await start()
    template = inner.url("/admin?{uri}")
    xrd = f'<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0"><Link rel="lrdd" template="{template}"/></XRD>'
    domain.says("/.well-known/host-meta", reply(200, xrd.encode(), content_type="application/xrd+xml"))
    async with a_client(Guard(allow_http=True, private=(domain.authority,))) as client:
        with pytest.raises(HostRefused):
            await client.webfinger(f"alice@{domain.authority}")
    assert inner.connections == 0


async def test_an_alias_is_believed_if_the_named_host_agrees(client: Client, start: Start) -> None:
    alias, home = await start(), await start()
    actor = an_actor(home, "alice")
    home.says(WEBFINGER, jrd(f"alice@{home.authority}", actor))
    alias.says(WEBFINGER, jrd(f"alice@{home.authority}", actor))
    found = await client.account(f"ceo@{alias.authority}")
    assert (found.actor, str(found.subject)) == (actor, f"alice@{home.authority}")


@pytest.mark.parametrize("case", ["its own name for our actor", "their name for its own actor", "another user name"])
async def test_a_host_that_speaks_for_somebody_elses_account_is_refused(
    client: Client, start: Start, case: str
) -> None:
    evil, home = await start(), await start()
    actor = an_actor(home, "alice")
    home.says(WEBFINGER, jrd(f"alice@{home.authority}", actor))
    lie = {
        "its own name for our actor": jrd(f"alice@{evil.authority}", actor),
        "their name for its own actor": jrd(f"alice@{home.authority}", an_actor(evil, "alice")),
        "another user name": jrd(f"ceo@{evil.authority}", an_actor(evil, "mallory")),
    }[case]
    evil.says(WEBFINGER, lie)
    handle = f"ceo@{evil.authority}" if case == "another user name" else f"alice@{evil.authority}"
    with pytest.raises(Refused):
        await client.webfinger(handle)
    assert await client.webfinger(f"alice@{home.authority}") == actor


@pytest.mark.parametrize(
    "handle", ["", "alice", "alice@", "@alice", "alice@b@c", "alice@a/b", "alice@b#c", "a b@c.test"]
)
async def test_what_is_no_handle_is_malformed(client: Client, handle: str) -> None:
    with pytest.raises(Malformed):
        await client.webfinger(handle)


async def test_plain_json_is_fetched_for_nodeinfo_and_as_nothing_else(client: Client, peer: Peer) -> None:
    url = peer.note(
        "/nodeinfo", content_type='application/json; profile="http://nodeinfo.diaspora.software/ns/schema/2.1#"'
    )
    assert (await client.json(url))["type"] == "Note"
    with pytest.raises(FetchFailed, match="wrong type"):
        await client.document(url)
    with pytest.raises(FetchFailed, match="wrong type"):
        await client.json(peer.note("/note"))
