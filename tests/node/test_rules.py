"""The rules of the department, and reports that name them."""

import pytest

from node import moderation, rules
from node.errors import Forbidden, Invalid, NotFound
from node.runtime import Node
from node.schema import audit_entry, report
from tests.support.people import make_person
from tests.support.rows import count_of, id_of, rows_of


async def texts(node: Node) -> list[str]:
    return [row.text for row in await node.read(rules.shown)]


async def test_rules_are_added_moved_and_removed(node: Node) -> None:
    first, second, third = [await node.write(rules.add, text, "why") for text in ("one", " two ", "three")]
    assert await texts(node) == ["one", "two", "three"]
    await node.write(rules.move, third, 1)
    assert await texts(node) == ["three", "one", "two"]
    await node.write(rules.move, third, 99)
    assert await texts(node) == ["one", "two", "three"]
    await node.write(rules.remove, second)
    assert await texts(node) == ["one", "three"]
    for gone in (second, 99):
        with pytest.raises(NotFound):
            await node.write(rules.remove, gone)
        with pytest.raises(NotFound):
            await node.write(rules.move, gone, 1)
    assert await node.write(rules.add, "four") > third
    assert await texts(node) == ["one", "three", "four"]
    assert first in [row.id for row in await node.read(rules.shown)]
    assert [row.action for row in await rows_of(node, audit_entry)].count("rule.add") == 4


@pytest.mark.parametrize("text", ["", "  ", "x" * 301, "a\x00b"])
async def test_what_is_no_rule_is_refused(node: Node, text: str) -> None:
    with pytest.raises(Invalid):
        await node.write(rules.add, text)
    assert await texts(node) == []


async def test_only_administrators_make_rules(node: Node) -> None:
    root = await make_person(node, "root", roles=("admin",))
    moderator = await make_person(node, "mo", roles=("moderator",))
    rule_id = await node.write_as(root, rules.add, "one")
    for rule, args in ((rules.add, ("two",)), (rules.remove, (rule_id,)), (rules.move, (rule_id, 1))):
        with pytest.raises(Forbidden):
            await node.write_as(moderator, rule, *args)
    assert await texts(node) == ["one"]


async def test_a_report_names_the_rules_that_were_broken(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    one, gone = await node.write(rules.add, "one"), await node.write(rules.add, "gone")
    await node.write(rules.remove, gone)

    async def filed(**said: object) -> None:
        await node.write_as(anna, moderation.file_report, id_of(bea), (), "", **said)  # type: ignore[arg-type]

    await filed(category="spam", rule_ids=[one, one])
    await filed(category="legal")
    await filed()
    told = [(row.category, row.rule_ids) for row in await rows_of(node, report)]
    assert told == [("violation", [one]), ("legal", []), ("other", [])]
    for wrong in ({"category": "violation"}, {"rule_ids": [gone]}, {"rule_ids": [one, 99]}, {"category": "x"}):
        with pytest.raises(Invalid):
            await filed(**wrong)
    assert await count_of(node, report) == 3
