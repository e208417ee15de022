"""Administration of peers over the API, and their metrics."""

import re
from functools import partial
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from node.federation import delivery, peers
from node.federation.delivery import Target
from node.schema import audit_entry
from node.schema import delivery as delivery_table
from node.schema import peer as peer_table
from tests.support.rows import count_of
from tests.web.conftest import Person, Served
from web import metrics

PATH = "/api/corridor/v1/admin/peers"
DOMAIN = "field.example"


@pytest.fixture
async def boss(served: Served) -> Person:
    return await served.person("boss", scopes="read admin:read admin:write", roles=("employee", "admin"))


@pytest.fixture(autouse=True)
async def waiting(served: Served, boss: Person) -> None:
    """Two activities wait for the peer."""
    for number in range(2):
        await queue(served, boss, "Listen", number)


async def queue(served: Served, sender: Person, kind: str, number: int, domain: str = DOMAIN) -> None:
    actor = served.node.urls.actor(sender.name)
    doc = {"id": f"{actor}/{kind}/{number}", "type": kind, "actor": actor}
    to = [Target(f"https://{domain}/inbox", domain)]
    await served.node.write(partial(delivery.enqueue, doc=doc, actor_id=sender.id, about=actor, key=actor, to=to))


async def call(served: Served, who: Person, method: str, path: str, **more: Any) -> httpx.Response:
    return await served.http.request(method, PATH + path, headers=who.bearer, **more)


async def audited(served: Served) -> list[str]:
    statement = select(audit_entry.c.action).where(audit_entry.c.action.startswith("peer."))
    return list(await served.node.read(lambda tx: tx.scalars(statement.order_by(audit_entry.c.id))))


async def test_a_peer_is_shown_with_all_that_an_administrator_asks(served: Served, boss: Person) -> None:
    values = {"failures": 7, "failing_since": 1_000, "next_attempt_at": 9_999_999_999_999, "last_status": 502}
    await served.node.write(lambda tx: tx.execute(update(peer_table).values(last_error="answered 502", **values)))
    (one,) = (await call(served, boss, "GET", "")).json()
    assert one == (await call(served, boss, "GET", f"/{DOMAIN}")).json()
    assert (one["domain"], one["state"], one["waiting"], one["set_aside"]) == (DOMAIN, "active", 2, 0)
    assert one["lag_seconds"] >= 0
    assert (one["breaker"], one["failures"], one["failing_since"]) == ("open", 7, "1970-01-01T00:00:01Z")
    assert (one["last_status"], one["last_error"]) == (502, "answered 502")
    assert one["paused_at"] is None


async def test_a_peer_is_paused_drained_and_resumed(served: Served, boss: Person) -> None:
    assert (await call(served, boss, "POST", f"/{DOMAIN}/pause")).json()["paused_at"] is not None
    assert (await call(served, boss, "POST", f"/{DOMAIN}/drain")).json()["state"] == "draining"
    resumed = (await call(served, boss, "POST", f"/{DOMAIN}/resume")).json()
    assert (resumed["state"], resumed["paused_at"], resumed["waiting"]) == ("active", None, 2)
    assert await audited(served) == ["peer.pause", "peer.drain", "peer.resume"]


async def test_what_waits_is_dropped_only_with_the_domain_repeated(served: Served, boss: Person) -> None:
    await queue(served, boss, "Listen", 9, domain="other.example")
    for sent in ({}, {"confirm": "other.example"}, {"confirm": True}):
        answer = await call(served, boss, "POST", f"/{DOMAIN}/purge", json=sent)
        assert (answer.status_code, list(answer.json()["details"])) == (422, ["confirm"])
    assert await count_of(served.node, delivery_table) == 3
    purged = await call(served, boss, "POST", f"/{DOMAIN}/purge", json={"confirm": DOMAIN})
    assert purged.json()["waiting"] == 0
    assert await count_of(served.node, delivery_table) == 1
    assert await audited(served) == ["peer.purge"]


async def test_what_was_given_up_is_tried_once_more(served: Served, boss: Person) -> None:
    await served.node.write(lambda tx: tx.execute(update(delivery_table).values(set_aside_at=1)))
    assert (await call(served, boss, "GET", f"/{DOMAIN}")).json()["set_aside"] == 2
    again = (await call(served, boss, "POST", f"/{DOMAIN}/retry")).json()
    assert (again["set_aside"], again["waiting"]) == (0, 2)


@pytest.mark.parametrize("act", ["pause", "drain", "resume", "retry", "purge"])
async def test_nobody_else_may_and_unknown_peers_are_404(served: Served, boss: Person, act: str) -> None:
    employee = await served.person("employee", scopes="read write admin:read admin:write")
    narrow = await served.person("narrow", scopes="read write", roles=("employee", "admin"))
    reader = await served.person("reader", scopes="admin:read", roles=("employee", "admin"))
    body = {"json": {"confirm": DOMAIN}}
    for who in (employee, narrow, reader):
        assert (await call(served, who, "POST", f"/{DOMAIN}/{act}", **body)).status_code == 403
    for who in (employee, narrow):
        assert (await call(served, who, "GET", "")).status_code == 403
    assert (await call(served, reader, "GET", "")).status_code == 200
    for domain in ("nobody.example", "%00", "a b", "x" * 600, "FIELD.example:99999"):
        answer = await call(served, boss, "POST", f"/{domain}/{act}", json={"confirm": domain})
        assert answer.status_code in (404, 422), domain
    assert await audited(served) == []
    assert await count_of(served.node, delivery_table) == 2


async def test_a_blocked_peer_is_neither_drained_nor_resumed(served: Served, boss: Person) -> None:
    await served.node.write(peers.block, DOMAIN)
    for act in ("drain", "resume"):
        assert (await call(served, boss, "POST", f"/{DOMAIN}/{act}")).status_code == 422
    assert (await call(served, boss, "GET", f"/{DOMAIN}")).json()["state"] == "blocked"


async def test_each_peer_has_metrics_up_to_a_hundred(
    served: Served, boss: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await queue(served, boss, "Listen", 9, domain="other.example")
    text = (await served.http.get("/metrics")).text
    assert f'corridor_peer_waiting{{peer="{DOMAIN}"}} 2.0' in text
    assert re.search(rf'corridor_peer_lag_seconds{{peer="{DOMAIN}"}} [0-9.]+', text)
    assert f'corridor_peer_breaker{{peer="{DOMAIN}"}} 0.0' in text
    monkeypatch.setattr(metrics, "PEERS_NAMED", 1)
    text = (await served.http.get("/metrics")).text
    assert ("other.example" in text, DOMAIN in text) == (False, True)
