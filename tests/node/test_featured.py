"""Tags that people show on their profiles."""

import pytest

from activitypub.audience import Visibility
from node import featured, tags
from node.errors import Forbidden, Invalid, NotFound
from node.runtime import Node
from node.schema import featured_tag
from node.viewer import NOBODY, Viewer
from tests.support.actors import make_remote
from tests.support.people import make_person
from tests.support.posting import following, heard, say
from tests.support.rows import count_of, id_of, sent
from tests.support.statements import counted


async def shown(node: Node, viewer: Viewer, whose: Viewer) -> dict[str, tuple[int, bool]]:
    rows = await node.read_as(viewer, featured.of_account, id_of(whose))
    return {row.display: (row.uses, row.last_at is not None) for row in rows}


async def test_a_featured_tag_tells_how_often_its_person_used_it(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    await say(node, anna, "one #Pump")
    await say(node, anna, "two #pump", visibility=Visibility.UNLISTED)
    await say(node, bea, "three #pump")
    await node.write_as(anna, featured.feature, "#pump")
    await node.write_as(anna, featured.feature, "seal")
    assert await shown(node, bea, anna) == {"Pump": (2, True), "seal": (0, False)}


async def test_what_is_not_for_all_is_not_counted(node: Node) -> None:
    """Of a department post nobody elsewhere learns, of one for followers nobody by a number."""
    anna, far = await make_person(node, "anna"), await make_remote(node)
    await say(node, anna, "here #pump", local_only=True)
    await say(node, anna, "few #pump", visibility=Visibility.FOLLOWERS)
    await node.write_as(anna, featured.feature, "pump")
    assert await shown(node, anna, anna) == {"pump": (1, True)}
    assert await shown(node, far, anna) == {"pump": (0, False)}


async def test_a_page_of_tags_costs_one_statement(node: Node) -> None:
    anna = await make_person(node, "anna")
    for name in ("pump", "seal", "valve"):
        await say(node, anna, f"about #{name}")
        await node.write_as(anna, featured.feature, name)
    await shown(node, anna, anna)
    with counted() as statements:
        await shown(node, anna, anna)
    assert len(statements) == 1


@pytest.mark.parametrize("name", ["", "two words", "12", "a#b", "x" * 400])
async def test_what_is_no_tag_is_refused(node: Node, name: str) -> None:
    anna = await make_person(node, "anna")
    with pytest.raises(Invalid, match="Tag is invalid"):
        await node.write_as(anna, featured.feature, name)
    assert await count_of(node, featured_tag) == 0


async def test_ten_tags_each_once(node: Node) -> None:
    anna = await make_person(node, "anna")
    for number in range(featured.MOST):
        await node.write_as(anna, featured.feature, f"t{number}")
    with pytest.raises(Invalid, match="already been taken"):
        await node.write_as(anna, featured.feature, "T0")
    with pytest.raises(Invalid, match="maximum number"):
        await node.write_as(anna, featured.feature, "other")
    await node.write_as(anna, featured.feature_tag, "t1")  # it is there
    assert await count_of(node, featured_tag) == featured.MOST


async def test_only_its_person_takes_an_entry_away(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    entry = await node.write_as(anna, featured.feature, "pump")
    with pytest.raises(NotFound):
        await node.write_as(bea, featured.unfeature, entry)
    await node.write_as(bea, featured.unfeature_tag, "pump")
    assert await count_of(node, featured_tag) == 1
    with pytest.raises(Forbidden):
        await node.write_as(NOBODY, featured.feature, "pump")
    await node.write_as(anna, featured.unfeature, entry)
    assert await count_of(node, featured_tag) == 0


async def test_suggestions_are_what_one_uses_most_and_does_not_feature(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    for text in ("#seal #pump", "#seal", "#valve", "#valve", "#valve"):
        await say(node, anna, text)
    await say(node, anna, "#secret", visibility=Visibility.DIRECT)
    await say(node, bea, "#other")
    await node.write_as(anna, featured.feature, "valve")
    assert [row.name for row in await node.read_as(anna, featured.suggestions)] == ["seal", "pump"]


async def test_peers_are_told_and_a_tag_that_nobody_used_is_known_to_who_features_it(node: Node) -> None:
    anna, far = await make_person(node, "anna"), await make_remote(node)
    await following(node, far, anna)
    await node.write_as(anna, featured.feature, "pump")
    await node.write_as(anna, featured.unfeature_tag, "pump")
    assert await sent(node) == ["Add", "Remove"]
    await node.write_as(anna, featured.feature_tag, "quiet")
    assert await node.read_as(anna, tags.seen, "quiet") is not None
    assert await node.read_as(await make_person(node, "bea"), tags.seen, "quiet") is None


async def test_of_peers_people_twenty_are_kept(node: Node) -> None:
    far = await make_remote(node)
    await heard(node, far, "<p>hi</p>", tags=["t3"])
    names = [f"t{number}" for number in range(30)]
    await node.write(featured.record_all, id_of(far), [*names, "not a tag", ""])
    assert await count_of(node, featured_tag) == featured.MOST_OF_PEERS
    assert not await node.write(featured.record, id_of(far), "more")
    await node.write(featured.record_all, id_of(far), ["t3", "t4"])
    anna = await make_person(node, "anna")
    assert await shown(node, anna, far) == {"t3": (1, True), "t4": (0, False)}
    assert await node.write(featured.record, id_of(far), "more")
    assert not await node.write(featured.record, id_of(far), "MORE")
    await node.write(featured.record_removed, id_of(far), "t4")
    assert await shown(node, anna, far) == {"t3": (1, True), "more": (0, False)}
