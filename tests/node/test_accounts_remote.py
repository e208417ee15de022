"""People of peers: what their documents say is kept, made safe, and never revives what is dead."""

from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from node import accounts
from node.errors import Invalid, NotFound
from node.runtime import Node
from node.schema import account, account_key
from tests.support.actors import DOMAIN, actor_document, make_actor, make_remote
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.rows import count_of, id_of, rows_of

IRI = f"https://{DOMAIN}/users/bert"


async def store(node: Node, username: str = "bert", *, domain: str = DOMAIN, **changes: Any) -> int:
    actor = make_actor(username, **changes)
    return await node.write(lambda tx: accounts.store_remote(tx, actor, domain=domain))


async def test_an_actor_becomes_an_account_with_its_work(node: Node) -> None:
    bert_id = await store(
        node,
        "Bert",
        jobTitle="Technician",
        department="Field",
        manager=f"https://{DOMAIN}/users/chef",
        executive=True,
        awayUntil="2026-12-24T00:00:00Z",
        attachment=[{"type": "PropertyValue", "name": "Site", "value": '<a href="https://x.example">x</a>'}],
        icon={"type": "Image", "url": f"https://{DOMAIN}/b.png"},
        published="2020-01-01T00:00:00Z",
    )
    row = await node.read(accounts.get, bert_id)
    assert (row.username, row.domain, row.handle) == ("Bert", DOMAIN, "bert@field.example")
    assert (row.inbox, row.shared_inbox) == (f"https://{DOMAIN}/users/Bert/inbox", f"https://{DOMAIN}/inbox")
    assert (row.title, row.department, row.executive) == ("Technician", "Field", True)
    assert row.manager_iri == f"https://{DOMAIN}/users/chef"
    assert row.away_until == 1_798_070_400_000
    assert row.avatar == f"https://{DOMAIN}/b.png"
    assert row.fields[0]["name"] == "Site"
    assert 'href="https://x.example"' in row.fields[0]["value"]
    assert row.created_at == 1_577_836_800_000


async def test_markup_is_made_safe(node: Node) -> None:
    bert_id = await store(
        node,
        name="<b>Bert</b>\u202e",
        summary='<p onclick="x()">Hi<script>alert(1)</script><a href="javascript:x()">y</a></p>',
        attachment=[{"type": "PropertyValue", "name": "<i>a</i>", "value": "<img src=x onerror=y>z"}],
        url="javascript:alert(1)",
    )
    row = await node.read(accounts.get, bert_id)
    assert row.display_name == "Bert"
    for text in (row.note, row.fields[0]["value"], row.url):
        assert "script" not in text
        assert "onclick" not in text
        assert "onerror" not in text
    assert row.fields[0]["name"] == "a"
    assert row.url == IRI


async def test_an_update_changes_the_row_and_its_rev_but_a_mere_reread_does_not(node: Node, clock: Clock) -> None:
    bert_id = await store(node)
    clock.advance(60)
    assert await store(node) == bert_id
    reread = await node.read(accounts.get, bert_id)
    assert (reread.rev, reread.fetched_at) == (0, node.now())
    clock.advance(60)
    assert await store(node, name="Bertram") == bert_id
    changed = await node.read(accounts.get, bert_id)
    assert (changed.display_name, changed.rev, changed.created_at) == ("Bertram", 1, reread.created_at)


async def test_a_birth_in_the_future_is_now(node: Node) -> None:
    bert_id = await store(node, published="2099-01-01T00:00:00Z")
    assert (await node.read(accounts.get, bert_id)).created_at == node.now()


async def test_keys_are_replaced_by_those_the_actor_lists_as_its_own(node: Node) -> None:
    bert_id = await store(node)
    keys = await rows_of(node, account_key)
    assert [(key.account_id, key.iri, key.kind) for key in keys] == [(bert_id, f"{IRI}#main-key", "rsa")]
    foreign = {"id": "https://evil.example/key", "owner": IRI, "publicKeyPem": "PEM"}
    not_mine = {"id": f"{IRI}#other", "owner": f"https://{DOMAIN}/users/else", "publicKeyPem": "PEM"}
    new = {"id": f"{IRI}#new", "owner": IRI, "publicKeyPem": "PEM"}
    multi = [{"id": f"{IRI}#ed", "type": "Multikey", "controller": IRI, "publicKeyMultibase": "z6Mk"}]
    await store(node, publicKey=[foreign, not_mine, new], assertionMethod=multi)
    keys = await rows_of(node, account_key)
    assert {(key.iri, key.kind, key.public) for key in keys} == {
        (f"{IRI}#new", "rsa", "PEM"),
        (f"{IRI}#ed", "ed25519", "z6Mk"),
    }


async def test_a_key_of_somebody_else_is_not_taken_over(node: Node) -> None:
    bert_id = await store(node)
    stolen = {"id": f"{IRI}#main-key", "owner": f"https://{DOMAIN}/users/eve", "publicKeyPem": "EVIL"}
    await store(node, "eve", publicKey=stolen)
    keys = await rows_of(node, account_key)
    assert [(key.account_id, "BEGIN" in key.public) for key in keys] == [(bert_id, True)]


@pytest.mark.parametrize(
    "changes",
    [
        {"preferredUsername": None},
        {"preferredUsername": "a b"},
        {"inbox": None},
        {"inbox": "https://elsewhere.example/inbox"},
        {"summary": "<b>" * 6000},
    ],
)
async def test_an_actor_that_cannot_be_an_account_is_invalid(node: Node, changes: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        await store(node, **changes)
    assert await count_of(node, account, account.c.domain.is_not(None)) == 0


async def test_nobody_speaks_for_our_own_people(node: Node) -> None:
    await make_person(node, "anna")
    ours = make_actor("anna", domain="eng.example", name="Not Anna")
    for actor, domain in ((ours, "eng.example"), (ours, DOMAIN), (make_actor("bert"), "eng.example")):
        with pytest.raises(Invalid):
            await node.write(partial(accounts.store_remote, domain=domain), actor)
    assert (await node.read(accounts.by_handle, "anna")).display_name == ""


async def test_a_handle_goes_to_the_actor_its_domain_names_now(node: Node) -> None:
    old = await store(node)
    reinstalled = actor_document("bert") | {"id": f"https://{DOMAIN}/ap/1", "inbox": f"https://{DOMAIN}/ap/1/inbox"}
    reinstalled |= {"publicKey": None, "outbox": None, "followers": None, "following": None}
    new = await store(node, **reinstalled)
    assert new != old
    assert (await node.read(accounts.by_handle, "bert@field.example")).id == new
    assert (await node.read(accounts.known, IRI)).id == old


async def test_the_suspended_are_left_as_they_are_and_the_deleted_stay_so(node: Node) -> None:
    bert_id = await store(node)
    await node.write(accounts.suspend, bert_id)
    assert await store(node, name="Back again") == bert_id
    row = await node.read(accounts.get, bert_id)
    assert row.suspended_at is not None
    assert row.display_name == "Bert"
    await node.write(accounts.delete_account, bert_id)
    with pytest.raises(NotFound):
        await store(node)
    gone = await node.read(lambda tx: tx.first(select(account).where(account.c.iri == IRI)))
    assert gone is not None
    assert (gone.gone_at is not None, gone.note) == (True, "")


async def test_a_username_of_two_peers_is_two_accounts(node: Node) -> None:
    first = await make_remote(node, "bert")
    second = await make_remote(node, "bert", domain="sales.example")
    assert id_of(first) != id_of(second)
    assert (await node.read(accounts.by_handle, "bert@sales.example")).id == second.account_id
