"""What runs for every post, window and second finds its rows by an index, however much waits."""

from typing import Any

import pytest
from sqlalchemy import Executable, insert, text

from node.federation import delivery, leases
from node.runtime import Node, Tx
from node.schema import activity, peer
from node.schema import delivery as delivery_table
from node.viewer import Viewer
from tests.support.people import make_person
from tests.support.rows import id_of

PEERS, ACTIVITIES = 10, 300


@pytest.fixture
async def alice(node: Node) -> Viewer:
    """Somebody to whose posts much waits, for peers of which one has put off half."""
    person = await make_person(node, "alice")

    def fill(tx: Tx) -> None:
        tx.execute(insert(peer), [{"domain": f"p{number}.example", "created_at": 1} for number in range(PEERS)])
        rows, waits = [], []
        for number in range(ACTIVITIES):
            id_ = tx.new_id()
            about = {"kind": "Create", "object_iri": f"https://x.example/{number}", "body": b"x", "created_at": 1}
            rows.append({"id": id_, "iri": f"https://x.example/{number}/activity", "actor_id": id_of(person), **about})
            for of in range(1, PEERS + 1):
                later = tx.now + 60_000 if of == 1 and number % 2 else tx.now
                keys = {"activity_id": id_, "peer_id": of, "inbox": f"https://p{of}.example/inbox"}
                waits.append({**keys, "ordering_key": str(number), "next_at": later, "expires_at": tx.now + 9**9})
        tx.execute(insert(activity), rows)
        tx.execute(insert(delivery_table), waits)

    await node.write(fill)
    await node.write(lambda tx: tx.execute(text("ANALYZE")))
    return person


async def plan(node: Node, statement: Executable, values: dict[str, Any]) -> str:
    def explain(tx: Tx) -> str:
        bound = statement.params(**values)  # type: ignore[attr-defined]
        sql = str(bound.compile(dialect=tx.conn.dialect, compile_kwargs={"literal_binds": True}))
        if tx.dialect == "sqlite":
            return "\n".join(row.detail for row in tx.rows(text(f"EXPLAIN QUERY PLAN {sql}".replace(":", r"\:"))))
        tx.execute(text("SET LOCAL enable_seqscan = off"))  # of few rows it reads all, whatever there is
        return "\n".join(row[0] for row in tx.rows(text(f"EXPLAIN {sql}".replace(":", r"\:"))))

    return await node.write(explain)


def statements(node: Node, alice: Viewer) -> dict[str, tuple[Executable, dict[str, Any]]]:
    of = {"of_peer": 1, "now": node.now()}
    about = {"actor_id": id_of(alice), "object_iri": "https://x.example/7"}
    return {
        "who has something due": (leases._CANDIDATES.limit(5), {"now": node.now()}),
        "the next window": (leases._NEXT.limit(20), of),
        "a probe": (leases._HEADS, of),
        "what is unsent of a post": (
            delivery._UNSENT,
            {**about, "peer_ids": [1, 2], "kinds": ["Create", "Update"]},
        ),
        "what is underway of a post": (delivery._UNDERWAY, about),
    }


@pytest.mark.parametrize(
    "name",
    [
        "who has something due",
        "the next window",
        "a probe",
        "what is unsent of a post",
        "what is underway of a post",
    ],
)
async def test_it_finds_deliveries_and_activities_by_index(node: Node, alice: Viewer, name: str) -> None:
    found = await plan(node, *statements(node, alice)[name])
    lines = [line.strip() for line in found.splitlines()]
    if node.settings.is_sqlite:
        whole = [line for line in lines if line.startswith(("SCAN delivery", "SCAN activity")) and "INDEX" not in line]
        assert whole == [], found
        assert "delivery USING" in found
    else:
        assert "Seq Scan on delivery" not in found
        assert "Seq Scan on activity" not in found


async def test_what_is_put_off_is_found_by_its_time_and_an_object_by_its_name(node: Node, alice: Viewer) -> None:
    """Near misses: without these two indexes a window would read all that waits for its peer, an edit all activities."""
    window = await plan(node, *statements(node, alice)["the next window"])
    assert "ix_delivery_peer_id_next_at" in window
    edit = await plan(node, *statements(node, alice)["what is underway of a post"])
    assert "ix_activity_actor_id_object_iri" in edit
