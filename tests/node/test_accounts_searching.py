"""Finding people: by which words, in which order, and whom not."""

from typing import Any

import pytest
from sqlalchemy import text

from node import accounts, jobs, social
from node.accounts import NewAccount, ProfileChanges, WorkChanges
from node.errors import Forbidden
from node.federation.network import open_network
from node.runtime import Node, Tx
from node.viewer import NOBODY, SYSTEM, Viewer
from tests.support.actors import make_actor, make_remote
from tests.support.people import make_person
from tests.support.rows import id_of


async def named(node: Node, username: str, display_name: str = "", **fields: Any) -> int:
    return id_of(await make_person(node, username, display_name=display_name, **fields))


async def find(node: Node, q: str, *, who: Viewer = SYSTEM, limit: int = 10, **options: Any) -> list[int]:
    return await node.read_as(who, lambda tx: accounts.search(tx, q, limit=limit, **options))


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("anna", ["anna", "annabel"]),
        ("@ANNA", ["anna", "annabel"]),
        ("@ann", ["annabel", "anna"]),
        ("anna@eng.example", ["anna"]),
        ("@anna@eng", ["anna"]),
        ("jo", ["joanna"]),
        ("Özil", ["mehmet"]),
        ("özil", ["mehmet"]),
        ("ozi", ["mehmet"]),
        ("mehmet özil", ["mehmet"]),
        ("öz meh", ["mehmet"]),
        ('"mehmet özil"', ["mehmet"]),
        ('"özil mehmet"', []),
        ("mehmet -özil", []),
        ("mehmet -anna", ["mehmet"]),
        ("-anna", []),
        ("mehmet anna", []),
        ("bert@field", ["bert"]),
        ("bert field", []),
        ("@bert@field.example", ["bert"]),
        ("bertram@field", []),
        ("o'connor", ["kim"]),
        ("connor", ["kim"]),
        ("山田", ["yamada"]),
        ("田太", ["yamada"]),
        ("太", ["yamada"]),
        ("田山", []),
        ("%", []),
        ("_", []),
        ("eng.example", []),
        ("", []),
        ("   ", []),
        ('"', []),
        ("*", []),
        ("@", []),
        ("n:anna", []),
        ("AND OR NOT NEAR(", []),
        ("'!|&():*\\", []),
        ("an\x00na", []),
        ("\ud800", []),
        ("x" * 5000, []),
        ("a.b " * 100, []),
        ("#a" * 100, []),
    ],
)
async def test_people_are_found_by_the_beginning_of_any_of_their_names(node: Node, q: str, expected: list[str]) -> None:
    ids = {
        await named(node, "joanna"): "joanna",
        await named(node, "annabel"): "annabel",
        await named(node, "anna"): "anna",
        await named(node, "mehmet", "Mehmet Özil"): "mehmet",
        await named(node, "kim", "Kim O'Connor"): "kim",
        await named(node, "yamada", "山田太郎"): "yamada",
        id_of(await make_remote(node, "bert")): "bert",
    }
    assert [ids[one] for one in await find(node, q)] == expected


async def test_the_place_where_the_words_are_decides_before_anything_else(node: Node) -> None:
    person, knows = await make_person(node, "f1"), await make_person(node, "b")
    await node.write_as(knows, accounts.update_profile, ProfileChanges(note="I know pumps"))
    note = id_of(knows)
    work = await named(node, "c", title="Head of pumps")
    shown = await named(node, "d", "Pumps Miller")
    begins = await named(node, "pumps.miller")
    exact = await named(node, "pumps")
    for one in (note, work):  # neither followers nor the viewer's following lift them above
        await node.write_as(person, social.follow, one)
    assert await find(node, "pumps", who=person) == [exact, begins, shown, work, note]
    assert await find(node, "pumps", who=person, limit=2, offset=2) == [shown, work]
    assert await find(node, "pump") == [begins, exact, shown]  # only of names it may be the beginning
    assert await find(node, "pumps miller") == [begins, shown]


async def test_title_department_bio_and_fields_are_searched(node: Node) -> None:
    anna = await make_person(node, "anna", title="Department head", department="Pump research")
    mine = [id_of(anna)]
    await named(node, "bea", title="Head", department="Sales")
    changes = ProfileChanges(
        note="Sealing rings, 東京 and #Kafka", fields=[("Office", "Building <7>"), ("Phone", "4711")]
    )
    await node.write_as(anna, accounts.update_profile, changes)
    for q in (
        "department head",
        "research head",
        "anna head",
        "sealing RINGS",
        "東京",
        "#kafka",
        "kafka",
        "building 7",
    ):
        assert await find(node, q) == mine, q
    for q in ("head of", "rings sealing pump sales", "building 8", "p"):
        assert await find(node, q) == [], q
    assert await find(node, "4711") == mine


async def test_what_changes_is_found_anew_and_no_longer_as_before(node: Node) -> None:
    anna = await make_person(node, "anna", display_name="Anna Berger", title="Welder")
    mine = [id_of(anna)]
    await node.write(accounts.set_work, id_of(anna), WorkChanges(title="Chemist"))
    await node.write_as(anna, accounts.update_profile, ProfileChanges(display_name="Anna Keller", note="polymers"))
    assert [await find(node, q) for q in ("welder", "berger")] == [[], []]
    assert [await find(node, q) for q in ("chemist", "keller", "polymers", "anna")] == [mine] * 4
    bert = id_of(await make_remote(node, "bert", summary="<p>sea<b>ling</b> rings</p>", indexable=True))
    assert await find(node, "sealing") == [bert]
    changed = make_actor("bert", name="Robert", summary="<p>valves</p>", indexable=True)
    await node.write(lambda tx: accounts.store_remote(tx, changed, domain="field.example"))
    assert [await find(node, q) for q in ("sealing", "robert", "valves")] == [[], [bert], [bert]]


async def test_people_of_peers_who_opted_out_are_found_by_their_exact_handle_alone(node: Node) -> None:
    shy = id_of(await make_remote(node, "shy", name="Shy Keller", discoverable=False, indexable=True))
    quiet = id_of(await make_remote(node, "quiet", name="Quiet Keller", summary="<p>valves</p>", indexable=False))
    open_ = id_of(await make_remote(node, "open", name="Open Keller", summary="<p>valves</p>", indexable=True))
    assert await find(node, "keller") == [quiet, open_]
    assert await find(node, "valves") == [open_]
    assert await find(node, "@Shy@field.example") == [shy]
    assert [await find(node, q) for q in ("shy", "shy@field", "@shy@field.exampl")] == [[], [], []]
    colleague = await make_person(node, "colleague", display_name="Colleague Keller")
    await node.write_as(colleague, accounts.update_profile, ProfileChanges(discoverable=False, indexable=False))
    assert id_of(colleague) in await find(node, "keller")
    wanted = make_actor("shy", name="Shy Keller", discoverable=True)
    await node.write(lambda tx: accounts.store_remote(tx, wanted, domain="field.example"))
    assert await find(node, "shy") == [shy]


async def test_whom_one_follows_comes_first_and_the_rest_can_be_left_out(node: Node) -> None:
    viewer = await make_person(node, "viewer")
    near, far = await named(node, "x_near", "Kim"), await named(node, "x_far", "Kim")
    for name in ("f1", "f2"):
        fan = await make_person(node, name)
        await node.write_as(fan, social.follow, far)
    assert await find(node, "kim", who=viewer) == [far, near]
    await node.write_as(viewer, social.follow, near)
    assert await find(node, "kim", who=viewer) == [near, far]
    assert await find(node, "kim", who=viewer, following=True) == [near]
    assert await find(node, "x_far", who=viewer, following=True) == []
    assert await find(node, "kim", who=viewer, limit=1, offset=1) == [far]
    with pytest.raises(Forbidden):
        await find(node, "kim", who=NOBODY, following=True)


async def test_a_word_that_very_many_have_still_puts_whom_one_follows_first(node: Node) -> None:
    def many(tx: Tx) -> list[int]:
        made = [
            NewAccount(username=f"p{n}", email=f"p{n}@x.example", password_hash="x", title="Welder") for n in range(230)
        ]
        return [accounts.create(tx, new) for new in made]

    ids = await node.write(many)
    viewer = await make_person(node, "viewer")
    await node.write_as(viewer, social.follow, ids[-1])
    assert (await find(node, "welder", who=viewer))[0] == ids[-1]
    assert len(await find(node, "welder", who=viewer, limit=40, offset=100)) == 40


async def test_the_suspended_the_gone_and_the_node_itself_are_not_found(node: Node) -> None:
    kim, kai = await named(node, "kim", "Kim Keller"), await named(node, "kai", "Kai Keller")
    await node.write(accounts.suspend, kim)
    await node.write(accounts.delete_account, kai)
    for q in ("kim", "kai", "k", "keller", "eng.example", "engineering"):
        assert await find(node, q) == []
    await node.write(accounts.unsuspend, kim)
    assert await find(node, "keller") == [kim]
    assert await node.read(lambda tx: tx.scalar(text("SELECT count(*) FROM account_search"))) == 1


async def test_who_lost_their_handle_to_another_actor_is_not_found_by_it(node: Node) -> None:
    first = id_of(await make_remote(node, "bert", name="First"))
    other = make_actor("bert", id="https://field.example/people/2", name="Second")
    second = await node.write(lambda tx: accounts.store_remote(tx, other, domain="field.example"))
    assert await find(node, "bert@field.example") == [second]
    assert await find(node, "first") == [first]


async def test_the_job_writes_down_everybody_who_is_missing(node: Node) -> None:
    ids = [await named(node, f"p{number}", "Kim") for number in range(3)]
    remote = id_of(await make_remote(node, "bert", name="Kim"))
    await node.write(lambda tx: tx.execute(text("DELETE FROM account_search")))
    assert await find(node, "kim") == []
    await node.write(lambda tx: tx.enqueue(accounts.INDEX_JOB, {}, dedupe=accounts.INDEX_JOB))
    network = await open_network(node)
    runner = jobs.Runner(node, network)
    while await runner.step():
        await runner.drain()
    await network.aclose()
    assert await find(node, "kim") == [*ids, remote]
