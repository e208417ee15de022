"""Notes on people: one each, its writer's alone, gone with either of the two."""

import pytest

from node import accounts, notes, social
from node.errors import Invalid, NotFound
from node.runtime import Node
from node.schema import account_note
from node.viewer import Viewer
from tests.support.people import make_person
from tests.support.rows import id_of
from tests.support.statements import counted


async def note_of(node: Node, who: Viewer, on: Viewer) -> str:
    (found,) = await node.read_as(who, social.relationships, [id_of(on)])
    return found.note


async def test_a_note_is_replaced_and_taken_away_and_nobody_elses(node: Node) -> None:
    anna, bea, cleo = [await make_person(node, name) for name in ("anna", "bea", "cleo")]
    await node.write_as(anna, notes.write, id_of(bea), "first")
    await node.write_as(anna, notes.write, id_of(bea), "knows pumps")
    assert await note_of(node, anna, bea) == "knows pumps"
    assert [await note_of(node, *pair) for pair in ((anna, cleo), (bea, anna), (cleo, bea))] == ["", "", ""]
    await node.write_as(anna, notes.write, id_of(bea), "")
    assert await note_of(node, anna, bea) == ""


async def test_what_cannot_be_noted_changes_nothing(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    await node.write_as(anna, notes.write, id_of(bea), "x" * notes.MAX_NOTE)
    with pytest.raises(Invalid):
        await node.write_as(anna, notes.write, id_of(bea), "y" * (notes.MAX_NOTE + 1))
    with pytest.raises(NotFound):
        await node.write_as(anna, notes.write, 7, "nobody")
    assert await note_of(node, anna, bea) == "x" * notes.MAX_NOTE


@pytest.mark.parametrize("leaver", [0, 1])
async def test_a_note_goes_with_its_writer_and_with_whom_it_is_on(node: Node, leaver: int) -> None:
    people = [await make_person(node, name) for name in ("anna", "bea")]
    await node.write_as(people[0], notes.write, id_of(people[1]), "knows pumps")
    await node.write_as(people[leaver], accounts.delete_account, id_of(people[leaver]))
    assert await node.read(lambda tx: tx.rows(account_note.select())) == []


async def test_notes_are_exported(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    await node.write_as(anna, notes.write, id_of(bea), "knows pumps")
    lines, last, _ = await node.read(notes.lines, 0)
    assert lines == [{"owner": "anna", "on": "bea", "note": "knows pumps"}]
    assert (await node.read(notes.lines, last))[0] == []


async def test_relations_to_forty_people_take_six_statements(node: Node) -> None:
    anna = await make_person(node, "anna")
    ids = [id_of(await make_person(node, f"p{number}")) for number in range(40)]
    with counted() as statements:
        assert len(await node.read_as(anna, social.relationships, ids)) == 40
    assert len(statements) == 6
