"""The directory, and mentions."""

from node import accounts, text
from node.accounts import ProfileChanges
from node.runtime import Node
from tests.support.actors import make_remote
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.rows import id_of


async def named(node: Node, username: str, display_name: str = "") -> int:
    return id_of(await make_person(node, username, display_name=display_name))


async def test_the_directory_has_who_wants_to_be_found_the_active_first(node: Node, clock: Clock) -> None:
    first = await named(node, "first")
    clock.advance(1)
    second = await named(node, "second")
    clock.advance(1)
    hidden = await make_person(node, "hidden")
    suspended = await named(node, "suspended")
    await node.write(accounts.suspend, suspended)
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
