"""ActivityPub over HTTP: what an inbox takes and refuses, and who may read what."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from activitypub import certificates, keys, parse, proofs, signatures
from activitypub.audience import Visibility
from activitypub.errors import SignatureInvalid
from activitypub.keys import PrivateKey
from activitypub.signatures import Flavour, SigningKey
from activitypub.vocabulary import AP_TYPE, PUBLIC, Iri
from node import accounts, featured, keyring, posts, reactions, social, viewer
from node.config import Settings
from node.posts import Draft
from node.runtime import Node, Tx
from node.schema import inbox_item
from node.secrets import create_secret
from tests.conftest import make_settings
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.web.conftest import Served

BASE = "https://eng.example"
PEER = "https://sales.example"
AS2 = {"Accept": AP_TYPE}


@dataclass(frozen=True)
class Remote:
    """An actor of a peer, known here, with its private key."""

    iri: str
    key: SigningKey

    def headers(self, method: str, url: str, body: bytes | None, now: float, **more: Any) -> dict[str, str]:
        return signatures.sign(method, url, body, self.key, now=now, **{"flavour": Flavour.CAVAGE, **more})


async def known(node: Node, name: str, *, kind: str = "Person", private: PrivateKey | None = None) -> Remote:
    """Store an actor of sales.example with its key, as if it had been fetched."""
    private = private or keys.generate_ed25519()
    iri = f"{PEER}/users/{name}" if kind == "Person" else f"{PEER}/actor"
    pem = keys.to_pem(private.public_key())
    doc = {
        "id": iri,
        "type": kind,
        "preferredUsername": name,
        "inbox": f"{iri}/inbox",
        "followers": f"{iri}/followers",
        "endpoints": {"sharedInbox": f"{PEER}/inbox"},
        "publicKey": {"id": f"{iri}#main-key", "owner": iri, "publicKeyPem": pem},
    }
    await node.write(accounts.store_remote, parse.actor(doc), domain="sales.example")
    return Remote(iri, SigningKey(Iri(f"{iri}#main-key"), private))


def create(actor: str, number: int = 1, **more: Any) -> dict[str, Any]:
    note = {
        "id": f"{actor}/notes/{number}",
        "type": "Note",
        "attributedTo": actor,
        "content": "<p>hello</p>",
        "published": "2026-01-01T00:00:00Z",
        "to": [PUBLIC],
    }
    return {
        "id": f"{actor}/notes/{number}/activity",
        "type": "Create",
        "actor": actor,
        "object": note,
        "to": [PUBLIC],
    } | more


async def stored(node: Node) -> int:
    def count(tx: Tx) -> int:
        return int(tx.scalar(select(func.count()).select_from(inbox_item)) or 0)

    return await node.read(count)


async def deliver(
    served: Served, sender: Remote, activity: Any, *, path: str = "/inbox", now: float | None = None, **more: Any
) -> httpx.Response:
    body = activity if isinstance(activity, bytes) else json.dumps(activity).encode()
    at = served.node.clock() if now is None else now
    headers = sender.headers("POST", BASE + path, body, at, **more)
    return await served.http.post(path, content=body, headers=headers)


@pytest.fixture
async def bob(served: Served) -> Remote:
    return await known(served.node, "bob", private=keys.generate_rsa())


# --- inbox -------------------------------------------------------------------


@pytest.mark.parametrize("flavour", list(Flavour))
async def test_a_signed_activity_is_stored_once_and_answered_202(served: Served, bob: Remote, flavour: Flavour) -> None:
    await make_person(served.node, "anna")
    for path in ("/inbox", "/users/anna/inbox"):
        answer = await deliver(served, bob, create(bob.iri), path=path, flavour=flavour)
        assert answer.status_code == 202
        assert answer.json() == {}
    assert await stored(served.node) == 1


class TestManyFromOneAddress:
    """A peer that was away sends a day's worth at once; a stranger who signs nothing is stopped."""

    @pytest.fixture
    def settings(self, tmp_path: Path, engine_name: str, new_database_url: Callable[[str, Path], str]) -> Settings:
        create_secret(tmp_path)
        url = new_database_url(engine_name, tmp_path)
        return make_settings(tmp_path, database_url=url, limits={"per_address": 4})

    async def test_deliveries_with_a_valid_signature_are_not_counted(self, served: Served, bob: Remote) -> None:
        for number in range(8):
            assert (await deliver(served, bob, create(bob.iri, number))).status_code == 202
        assert await stored(served.node) == 8

    async def test_others_are(self, served: Served, bob: Remote) -> None:
        stranger = Remote(bob.iri, SigningKey(bob.key.id, keys.generate_ed25519()))
        statuses = [(await deliver(served, stranger, create(bob.iri, number))).status_code for number in range(8)]
        assert 429 not in statuses[:4]
        assert set(statuses[4:]) == {429}
        assert await stored(served.node) == 0


async def test_whoever_did_not_sign_is_told_what_would_be_taken(served: Served, bob: Remote) -> None:
    answer = await served.http.post("/inbox", json=create(bob.iri), headers={"Content-Type": AP_TYPE})
    assert answer.status_code == 401
    assert answer.headers["accept-signature"] == 'sig1=("@method" "@target-uri" "content-digest");created;keyid'


async def test_what_is_not_signed_properly_is_401_and_not_stored(served: Served, bob: Remote, clock: Clock) -> None:
    body = json.dumps(create(bob.iri)).encode()
    good = bob.headers("POST", f"{BASE}/inbox", body, clock())
    mallory = SigningKey(bob.key.id, keys.generate_rsa())  # claims bob's key id, has another key

    async def send(content: bytes, headers: dict[str, str], path: str = "/inbox") -> int:
        answer = await served.http.post(path, content=content, headers=headers)
        if answer.status_code != 202:
            assert set(answer.json()) == {"error"}
            assert answer.headers["content-type"] == "application/json; charset=utf-8"
        return answer.status_code

    def without(name: str) -> dict[str, str]:
        return {key: value for key, value in good.items() if key != name}

    forged = signatures.sign("POST", f"{BASE}/inbox", body, mallory, flavour=Flavour.CAVAGE, now=clock())
    stale = bob.headers("POST", f"{BASE}/inbox", body, clock() - 2 * 3600)
    early = bob.headers("POST", f"{BASE}/inbox", body, clock() + 2 * 3600)
    elsewhere = bob.headers("POST", "https://other.example/inbox", body, clock())
    assert await send(body, without("Signature")) == 401
    assert await send(body, without("Digest")) == 401
    assert await send(body.replace(b"hello", b"hullo"), good) == 401
    assert await send(body, forged) == 401
    assert await send(body, stale) == 401
    assert await send(body, early) == 401
    assert await send(body, elsewhere | {"Host": "eng.example"}) == 401
    assert await send(body, good | {"Signature": "nonsense"}) == 401
    assert await stored(served.node) == 0
    assert await send(body, good) == 202
    assert await stored(served.node) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"", 400),
        (b'{"type": "Create"}', 400),
        (b'{"id": 7, "type": "Create", "actor": 5}', 400),
        (b'{"a": 1, "a": 2}', 400),
        (b"\xff\xfe", 400),
        (b'{"x":' + b"[" * 200 + b"]" * 200 + b"}", 400),
    ],
)
async def test_a_signed_body_that_cannot_be_read_is_400(served: Served, bob: Remote, body: bytes, status: int) -> None:
    answer = await deliver(served, bob, body)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert await stored(served.node) == 0


async def test_another_content_type_is_415_and_too_much_is_413(served: Served, bob: Remote) -> None:
    for kind in ("application/json", "text/html", 'application/ld+json; profile="https://other.example/"'):
        assert (await deliver(served, bob, create(bob.iri), content_type=kind)).status_code == 415
    large = create(bob.iri, summary="x" * served.node.settings.federation.max_document_bytes)
    assert (await deliver(served, bob, large)).status_code == 413
    assert await stored(served.node) == 0
    kind = 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'
    assert (await deliver(served, bob, create(bob.iri), content_type=kind)).status_code == 202


async def test_nobody_says_anything_for_another(served: Served, bob: Remote) -> None:
    carol = await known(served.node, "carol")
    for kind in ("Create", "Follow", "Like", "Delete"):
        answer = await deliver(served, bob, create(carol.iri, type=kind))
        assert answer.status_code == 403, kind
    assert await stored(served.node) == 0
    assert (await deliver(served, carol, create(carol.iri))).status_code == 202


async def test_an_inbox_of_nobody_is_404(served: Served, bob: Remote) -> None:
    assert (await deliver(served, bob, create(bob.iri), path="/users/nobody/inbox")).status_code == 404
    assert await stored(served.node) == 0


async def test_a_key_that_cannot_be_fetched_is_refused_without_a_server_error(served: Served, bob: Remote) -> None:
    stranger = Remote(f"{PEER}/users/x", SigningKey(Iri("https://127.0.0.9:1/users/x#main-key"), keys.generate_rsa()))
    answer = await deliver(served, stranger, create(stranger.iri))
    assert answer.status_code in (401, 403, 503)
    assert set(answer.json()) == {"error"}
    assert await stored(served.node) == 0


async def test_unknown_activities_are_taken_and_never_a_server_error(served: Served, bob: Remote) -> None:
    for number, odd in enumerate(("Dance", ["Create", "Dance"], "Arrive")):
        activity = create(bob.iri, number, type=odd, id=f"{bob.iri}/odd/{number}")
        assert (await deliver(served, bob, activity)).status_code == 202


# --- reading -----------------------------------------------------------------


async def get(served: Served, path: str, signer: Remote | None = None, **headers: str) -> httpx.Response:
    signed = signer.headers("GET", BASE + path, None, served.node.clock()) if signer else {}
    return await served.http.get(path, headers=AS2 | headers | signed)


async def publish(node: Node, author: viewer.Viewer, text: str, visibility: Visibility, **more: Any) -> int:
    return await node.write_as(author, posts.publish, Draft(text=text, visibility=visibility, **more))


async def test_the_nodes_actor_is_open_and_everything_else_needs_a_signature(served: Served, bob: Remote) -> None:
    anna = await make_person(served.node, "anna")
    post = await publish(served.node, anna, "hello #pumps", Visibility.PUBLIC)
    actor = await served.http.get("/actor", headers=AS2)
    assert actor.status_code == 200
    assert actor.headers["content-type"] == AP_TYPE
    assert actor.json()["id"] == f"{BASE}/actor"
    assert "BEGIN PUBLIC KEY" in actor.json()["publicKey"]["publicKeyPem"]
    paths = [
        "/users/anna",
        "/@anna",
        f"/users/anna/statuses/{post}",
        f"/@anna/{post}",
        f"/users/anna/statuses/{post}/activity",
        f"/users/anna/statuses/{post}/replies",
        f"/users/anna/statuses/{post}/context",
        "/history",
        "/history?page=true",
        "/users/anna/outbox",
        "/users/anna/outbox?page=true",
        "/users/anna/followers",
        "/users/anna/followers_synchronization",
        "/users/anna/following?page=true",
        "/users/anna/collections/featured",
        "/users/anna/collections/tags",
        "/tags/pumps",
    ]
    for path in paths:
        refused = await get(served, path)
        assert refused.status_code == 401, path
        assert set(refused.json()) == {"error"}
        answer = await get(served, path, bob)
        assert answer.status_code == 200, (path, answer.text)
        assert answer.headers["content-type"] == AP_TYPE
        assert answer.headers["vary"] == "Accept, Signature"
        assert answer.headers["cache-control"].startswith("private")


async def test_a_host_is_told_who_of_its_people_follows(served: Served, bob: Remote) -> None:
    anna = await make_person(served.node, "anna")
    bob_id = (await served.node.read(accounts.known, bob.iri)).id
    await served.node.write(social.record_follow, bob_id, anna.account_id or 0)
    other = Iri("https://field.example/users/eve")
    eve = await served.node.write(
        accounts.store_remote,
        parse.actor({"id": other, "type": "Person", "preferredUsername": "eve", "inbox": f"{other}/inbox"}),
        domain="field.example",
    )
    await served.node.write(social.record_follow, eve, anna.account_id or 0)
    document = (await get(served, "/users/anna/followers_synchronization", bob)).json()
    assert document["orderedItems"] == [bob.iri]
    assert document["id"] == f"{BASE}/users/anna/followers_synchronization"
    assert (await get(served, "/users/nobody/followers_synchronization", bob)).status_code == 404


async def test_the_node_vouches_for_the_documents_of_its_people(served: Served, bob: Remote) -> None:
    await make_person(served.node, "anna")
    own = (await get(served, "/actor")).json()
    (working,) = own["assertionMethod"]
    identity = (await served.node.write(keyring.ensure_identity)).multibase
    own = (await get(served, "/actor")).json()
    certificate = certificates.read(
        own["nodeKeys"], identity=identity, domain=served.node.settings.node.domain, now=served.node.now()
    )
    key = certificate.multibase(working["id"])
    assert key is not None
    doc = (await get(served, "/users/anna", bob)).json()
    proofs.verify(doc, keys.from_multibase(key), method=working["id"], now=served.node.now())
    with pytest.raises(SignatureInvalid):
        proofs.verify({**doc, "executive": True}, keys.from_multibase(key), method=working["id"])


async def test_a_persons_actor_document_has_its_keys(served: Served, bob: Remote) -> None:
    await make_person(served.node, "anna", title="Engineer")
    doc = (await get(served, "/users/anna", bob)).json()
    assert doc["publicKey"]["owner"] == doc["id"] == f"{BASE}/users/anna"
    assert doc["assertionMethod"][0]["type"] == "Multikey"
    assert doc["jobTitle"] == "Engineer"
    again = (await get(served, "/users/ANNA", bob)).json()
    assert again["publicKey"] == doc["publicKey"]


@pytest.mark.parametrize("visibility", [Visibility.FOLLOWERS, Visibility.DIRECT])
async def test_a_post_for_some_is_404_for_others(served: Served, bob: Remote, visibility: Visibility) -> None:
    """@bob is mentioned, @carol is not; both are of the same peer."""
    carol = await known(served.node, "carol")
    anna = await make_person(served.node, "anna")
    post = await publish(served.node, anna, "for @bob@sales.example alone", visibility)
    for path in (f"/users/anna/statuses/{post}", f"/users/anna/statuses/{post}/activity"):
        assert (await get(served, path, bob)).status_code == 200
        assert (await get(served, path, carol)).status_code == 404
    for signer, seen in ((bob, 1), (carol, 0)):
        page = (await get(served, "/users/anna/outbox?page=true", signer)).json()
        assert len(page["orderedItems"]) == seen
    assert (await get(served, "/users/anna/outbox", carol)).json()["totalItems"] == 0


async def test_a_post_of_the_department_is_nowhere(served: Served, bob: Remote) -> None:
    anna = await make_person(served.node, "anna")
    open_post = await publish(served.node, anna, "company #pumps", Visibility.PUBLIC)
    secret = await publish(served.node, anna, "department #pumps", Visibility.PUBLIC, local_only=True)
    reply = await publish(served.node, anna, "inside", Visibility.PUBLIC, local_only=True, in_reply_to_id=open_post)
    for post in (secret, reply):
        for tail in ("", "/activity", "/replies"):
            assert (await get(served, f"/users/anna/statuses/{post}{tail}", bob)).status_code == 404
    for path in ("/users/anna/outbox?page=true", "/tags/pumps?page=true"):
        found = (await get(served, path, bob)).text
        assert str(open_post) in found
        assert str(secret) not in found
        assert str(reply) not in found
    replies = (await get(served, f"/users/anna/statuses/{open_post}/replies", bob)).json()
    assert replies["first"]["orderedItems"] == []


async def test_replies_and_pins_are_listed(served: Served, bob: Remote) -> None:
    anna = await make_person(served.node, "anna")
    post = await publish(served.node, anna, "first", Visibility.PUBLIC)
    reply = await publish(served.node, anna, "second", Visibility.PUBLIC, in_reply_to_id=post)
    await served.node.write_as(anna, reactions.pin, reply)
    replies = (await get(served, f"/users/anna/statuses/{post}/replies", bob)).json()
    assert replies["first"]["orderedItems"] == [f"{BASE}/users/anna/statuses/{reply}"]
    featured = (await get(served, "/users/anna/collections/featured", bob)).json()
    assert [item["id"] for item in featured["orderedItems"]] == [f"{BASE}/users/anna/statuses/{reply}"]


async def test_tags_on_a_profile_are_listed_and_the_actor_says_where(served: Served, bob: Remote) -> None:
    anna = await make_person(served.node, "anna")
    await served.node.write_as(anna, featured.feature, "Pump")
    actor = (await get(served, "/users/anna", bob)).json()
    tags = (await get(served, actor["featuredTags"].removeprefix(BASE), bob)).json()
    assert tags["orderedItems"] == [{"type": "Hashtag", "name": "#Pump", "href": f"{BASE}/tags/pump"}]
    assert (await get(served, "/users/nobody/collections/tags", bob)).status_code == 404
    assert "featuredTags" not in (await get(served, "/actor")).json()


async def test_an_outbox_can_be_paged_from_end_to_end_and_back(served: Served, bob: Remote) -> None:
    anna = await make_person(served.node, "anna")
    made = [await publish(served.node, anna, f"post {number}", Visibility.PUBLIC) for number in range(45)]
    outbox = (await get(served, "/users/anna/outbox", bob)).json()
    assert outbox["totalItems"] == 45
    seen: list[str] = []
    page = (await get(served, outbox["first"].removeprefix(BASE), bob)).json()
    while True:
        seen += [item["object"]["id"] for item in page["orderedItems"]]
        assert page["partOf"] == outbox["id"]
        if "next" not in page:
            break
        page = (await get(served, page["next"].removeprefix(BASE), bob)).json()
    assert seen == [f"{BASE}/users/anna/statuses/{post}" for post in reversed(made)]
    back = (await get(served, page["prev"].removeprefix(BASE), bob)).json()
    assert [item["object"]["id"] for item in back["orderedItems"]] == seen[:40]
    for bad in ("max_id=x", "max_id=-1", "min_id=99999999999999999999"):
        assert (await get(served, f"/users/anna/outbox?page=true&{bad}", bob)).status_code == 400


async def test_what_was_deleted_is_gone_with_a_tombstone(served: Served, bob: Remote) -> None:
    anna = await make_person(served.node, "anna")
    post = await publish(served.node, anna, "short-lived", Visibility.PUBLIC)
    path = f"/users/anna/statuses/{post}"
    assert (await get(served, path, bob)).status_code == 200
    await served.node.write_as(anna, posts.delete, post)
    answer = await get(served, path, bob)
    assert answer.status_code == 410
    assert answer.json()["type"] == "Tombstone"
    assert answer.json()["id"] == BASE + path
    assert (await get(served, f"/users/anna/statuses/{post + 1}", bob)).status_code == 404
    assert anna.account_id is not None
    await served.node.write(accounts.delete_account, anna.account_id)
    answer = await get(served, "/users/anna", bob)
    assert (answer.status_code, answer.json()["formerType"]) == (410, "Person")


async def test_whom_the_author_blocks_reads_nothing(served: Served, bob: Remote) -> None:
    from node import social

    anna = await make_person(served.node, "anna")
    post = await publish(served.node, anna, "hello", Visibility.PUBLIC)
    target = (await served.node.read(accounts.known, bob.iri)).id
    await served.node.write_as(anna, social.block, target)
    assert (await get(served, f"/users/anna/statuses/{post}", bob)).status_code == 404
    carol = await known(served.node, "carol")
    assert (await get(served, f"/users/anna/statuses/{post}", carol)).status_code == 200


async def test_browsers_are_sent_to_the_page(served: Served, bob: Remote) -> None:
    await make_person(served.node, "anna")
    html = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    for path, page in (("/users/anna", "/@anna"), ("/users/anna/statuses/5", "/@anna/5")):
        answer = await served.http.get(path, headers=html)
        assert answer.status_code == 303
        assert answer.headers["location"] == BASE + page
        assert "Accept" in answer.headers["vary"]
    signed = bob.headers("GET", f"{BASE}/users/anna", None, served.node.clock())
    ld = {"Accept": 'application/ld+json; profile="https://www.w3.org/ns/activitystreams", text/html;q=0.5'}
    assert (await served.http.get("/users/anna", headers=ld | signed)).status_code == 200


async def test_an_unknown_name_or_a_strange_path_is_404(served: Served, bob: Remote) -> None:
    for path in (
        "/users/nobody",
        "/users/nobody/outbox",
        "/users/eng.example/statuses/1",
        "/tags/unheard",
        "/users/%00",
    ):
        assert (await get(served, path, bob)).status_code == 404, path


async def test_a_peers_own_actor_reads_for_its_people(served: Served) -> None:
    await known(served.node, "bob")
    service = await known(served.node, "sales.example", kind="Application")
    anna = await make_person(served.node, "anna")
    for_bob = await publish(served.node, anna, "for @bob@sales.example", Visibility.DIRECT)
    for_none = await publish(served.node, anna, "for nobody there", Visibility.DIRECT)
    assert (await get(served, f"/users/anna/statuses/{for_bob}", service)).status_code == 200
    assert (await get(served, f"/users/anna/statuses/{for_none}", service)).status_code == 404
