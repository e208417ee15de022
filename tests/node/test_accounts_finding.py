"""Search, directory, mentions."""

from functools import partial

import pytest

from node import accounts, social, text
from node.accounts import ProfileChanges
from node.errors import Forbidden
from node.runtime import Node
from node.viewer import NOBODY
from tests.support.actors import make_remote
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.rows import id_of


async def named(node: Node, username: str, display_name: str = "") -> int:
    return id_of(await make_person(node, username, display_name=display_name))


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("anna", ["anna", "annabel", "joanna"]),
        ("@ANNA", ["anna", "annabel", "joanna"]),
        ("anna@eng.example", ["anna", "annabel", "joanna"]),
        ("jo", ["joanna"]),
        ("Özil", ["mehmet"]),
        ("özil", ["mehmet"]),
        ("mehmet özil", ["mehmet"]),
        ("mehmet anna", []),
        ("bert@field", ["bert"]),
        ("%", []),
        ("_", []),
        ("eng.example", []),
        ("", []),
        ("   ", []),
        ("an\x00na", []),
        ("\ud800", []),
        ("x" * 5000, []),
    ],
)
async def test_search_finds_by_handle_and_name(node: Node, q: str, expected: list[str]) -> None:
    ids = {
        await named(node, "joanna"): "joanna",
        await named(node, "annabel"): "annabel",
        await named(node, "anna"): "anna",
        await named(node, "mehmet", "Mehmet Özil"): "mehmet",
        id_of(await make_remote(node, "bert")): "bert",
    }
    found = await node.read(lambda tx: accounts.search(tx, q, limit=10))
    assert [ids[one] for one in found] == expected


async def test_search_puts_whom_one_follows_first_and_can_leave_out_the_rest(node: Node) -> None:
    viewer = await make_person(node, "viewer")
    near, far = await named(node, "x_near", "Kim"), await named(node, "x_far", "Kim")
    for name in ("f1", "f2"):
        fan = await make_person(node, name)
        await node.write_as(fan, social.follow, far)
    assert await node.read_as(viewer, lambda tx: accounts.search(tx, "kim", limit=10)) == [far, near]
    await node.write_as(viewer, social.follow, near)
    assert await node.read_as(viewer, lambda tx: accounts.search(tx, "kim", limit=10)) == [near, far]
    assert await node.read_as(viewer, lambda tx: accounts.search(tx, "kim", limit=10, following=True)) == [near]
    assert await node.read_as(viewer, lambda tx: accounts.search(tx, "kim", limit=1, offset=1)) == [far]
    with pytest.raises(Forbidden):
        await node.read_as(NOBODY, lambda tx: accounts.search(tx, "kim", limit=10, following=True))


async def test_the_suspended_and_the_gone_are_not_found(node: Node) -> None:
    kim, kai = await named(node, "kim"), await named(node, "kai")
    await node.write(accounts.suspend, kim)
    await node.write(accounts.delete_account, kai)
    for q in ("kim", "kai", "k"):
        assert await node.read(partial(accounts.search, limit=10), q) == []
    assert await node.read(lambda tx: accounts.directory(tx, limit=10)) == []


async def test_the_directory_has_who_wants_to_be_found_the_active_first(node: Node, clock: Clock) -> None:
    first = await named(node, "first")
    clock.advance(1)
    second = await named(node, "second")
    clock.advance(1)
    hidden = await make_person(node, "hidden")
    remote = id_of(await make_remote(node, "bert"))
    await node.write_as(hidden, accounts.update_profile, ProfileChanges(discoverable=False))
    await node.write(accounts.count_posts, first, 1, node.now())
    assert await node.read(lambda tx: accounts.directory(tx, limit=10, local=True)) == [first, second]
    assert await node.read(lambda tx: accounts.directory(tx, limit=10, order="new", local=True)) == [second, first]
    assert remote in await node.read(lambda tx: accounts.directory(tx, limit=10))


async def test_mentions_are_resolved_with_one_look_and_the_unknown_are_named_once(node: Node) -> None:
    anna, bert = await make_person(node, "anna"), await make_remote(node, "bert")
    gone = await make_remote(node, "gone")
    await node.write(accounts.delete_account, id_of(gone))
    written = text.analyse(
        "@Anna @bert@FIELD.example @nobody @carl@field.example @Carl@field.example @gone@field.example @a@b.example",
        local_domain="eng.example",
    )
    found = await node.read(accounts.resolve, written.mentions)
    assert {key: row.id for key, row in found.items()} == {
        ("Anna", None): anna.account_id,
        ("bert", "field.example"): bert.account_id,
    }
    unknown = await node.read(accounts.unknown_handles, written.mentions)
    assert [(name.lower(), domain) for name, domain in unknown] == [("carl", "field.example"), ("a", "b.example")]
    assert await node.read(accounts.resolve, []) == {}
    assert await node.read(accounts.unknown_handles, []) == []
