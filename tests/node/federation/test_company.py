"""When a node takes a roster, and what follows from it: on both engines, beside each rule its near miss."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from sqlalchemy import Row, Select, insert, select

from activitypub import keys
from activitypub.errors import Refused, SignatureInvalid
from node import accounts, jobs, posts, social
from node.errors import Forbidden, Invalid
from node.federation import company, parting, peers
from node.federation.company import STEPS, Taken, Verified
from node.federation.fetching import ROSTER_PATH, PeerGuard
from node.posts import Draft
from node.runtime import Node
from node.schema import account, activity, audit_entry, delivery, follow, job, peer, post, roster
from node.schema import emoji as emoji_table
from node.viewer import Viewer
from tests.support.actors import make_remote
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.posting import heard
from tests.support.rosters import DAY, Company
from tests.support.rows import count_of, id_of

OWN = "eng.example"


@pytest.fixture
def federation() -> dict[str, Any]:
    return {"mode": "roster"}


@pytest.fixture
def acme(clock: Clock) -> Company:
    return Company(int(clock() * 1000))


@pytest.fixture
async def joined(node: Node, acme: Company) -> Node:
    """Holds version 7, which lists itself, sales and field."""
    await node.write(company.found_trust, acme.public)
    assert await company.receive(node, acme.new(7, OWN, "sales.example", "field.example"), "invitation") is Taken.NEW
    return node


async def take(node: Node, new: Verified) -> Taken:
    return await company.receive(node, new, "sales.example")


async def versions(node: Node) -> list[int]:
    return [row.version for row in await rows(node, select(roster.c.version).order_by(roster.c.version))]


# --- taking


async def test_a_node_that_has_not_joined_takes_no_roster_at_all(node: Node, acme: Company) -> None:
    with pytest.raises(Refused, match="has not joined"):
        await take(node, acme.new(1, OWN))
    assert await versions(node) == []


async def test_a_newer_roster_of_the_company_is_taken_and_counts_at_once(joined: Node, acme: Company) -> None:
    assert not joined.company.admits("lab.example")
    assert await take(joined, acme.new(8, OWN, "sales.example", "lab.example")) is Taken.NEW
    assert joined.company.admits("lab.example")
    assert not joined.company.admits("field.example")
    assert joined.company.version == 8


async def test_a_roster_by_another_key_is_refused(joined: Node, acme: Company) -> None:
    with pytest.raises(SignatureInvalid):
        await take(joined, acme.new(8, OWN, "evil.example", key=keys.generate_ed25519()))
    assert joined.company.version == 7


async def test_an_older_roster_changes_nothing(joined: Node, acme: Company) -> None:
    assert await take(joined, acme.new(6, OWN, "evil.example")) is Taken.KNOWN
    assert not joined.company.admits("evil.example")
    assert await versions(joined) == [7]


async def test_the_same_version_with_other_contents_is_refused_and_recorded_until_a_newer_one_comes(
    joined: Node, acme: Company
) -> None:
    same = acme.new(7, OWN, "sales.example", "field.example")
    assert await take(joined, same) is Taken.KNOWN
    for _ in range(2):
        with pytest.raises(Refused, match="two sides"):
            await take(joined, acme.new(7, OWN, "sales.example"))
    assert joined.company.admits("field.example")
    assert await joined.read(company.split_seen) == 7
    assert await count_of(joined, audit_entry, audit_entry.c.action == "roster.split") == 1
    await take(joined, acme.new(8, OWN))
    assert await joined.read(company.split_seen) is None


async def test_versions_rise_by_a_hundred_steps_at_the_most(joined: Node, acme: Company) -> None:
    with pytest.raises(Refused, match="ahead"):
        await take(joined, acme.new(7 + STEPS + 1, OWN))
    assert await take(joined, acme.new(7 + STEPS, OWN)) is Taken.NEW


async def test_the_first_roster_may_have_any_version(node: Node, acme: Company) -> None:
    await node.write(company.found_trust, acme.public)
    assert await take(node, acme.new(5_000, OWN)) is Taken.NEW


async def test_a_roster_that_has_expired_is_not_taken_and_one_about_to_is(
    joined: Node, acme: Company, clock: Clock
) -> None:
    with pytest.raises(Refused, match="expired"):
        await take(joined, acme.new(8, OWN, issued=acme.now - DAY, expires=acme.now))
    assert await take(joined, acme.new(8, OWN, issued=acme.now - DAY, expires=acme.now + 1000)) is Taken.NEW


async def test_a_roster_from_the_future_is_not_taken(joined: Node, acme: Company) -> None:
    ahead = acme.now + company.AHEAD_MS
    with pytest.raises(Refused, match="future"):
        await take(joined, acme.new(8, OWN, issued=ahead + 1000, expires=ahead + DAY))
    assert await take(joined, acme.new(8, OWN, issued=ahead, expires=ahead + DAY)) is Taken.NEW


async def test_a_roster_that_does_not_list_this_node_is_taken_and_leaves_it_without_peers(
    joined: Node, acme: Company
) -> None:
    assert await take(joined, acme.new(8, "sales.example", "field.example")) is Taken.NEW
    assert joined.company.peers() == ()
    with pytest.raises(Refused, match="this node is not on the roster"):
        peers.admit(joined, "sales.example")
    assert company.troubles(joined.company)
    await take(joined, acme.new(9, OWN, "sales.example"))
    peers.admit(joined, "sales.example")
    assert company.troubles(joined.company) == []


# --- the company's key


async def test_the_next_key_is_believed_once_a_roster_named_it_and_the_old_one_no_longer(
    joined: Node, acme: Company
) -> None:
    after = keys.generate_ed25519()
    with pytest.raises(SignatureInvalid):
        await take(joined, acme.new(8, OWN, key=after))
    await take(joined, acme.new(8, OWN, "sales.example", next_key=keys.multibase(after.public_key())))
    assert await take(joined, acme.new(9, OWN, "sales.example", key=after)) is Taken.NEW
    with pytest.raises(SignatureInvalid):
        await take(joined, acme.new(10, OWN))
    assert await take(joined, acme.new(10, OWN, key=after)) is Taken.NEW
    known = await joined.read(company.trust)
    assert known == company.Trust(acme.public, keys.multibase(after.public_key()))


async def test_a_rotation_that_was_only_announced_may_be_given_up(joined: Node, acme: Company) -> None:
    never = keys.generate_ed25519()
    await take(joined, acme.new(8, OWN, next_key=keys.multibase(never.public_key())))
    assert await take(joined, acme.new(9, OWN)) is Taken.NEW
    with pytest.raises(SignatureInvalid):
        await take(joined, acme.new(10, OWN, key=never))


async def test_who_was_away_is_given_what_it_can_take_step_by_step(joined: Node, acme: Company) -> None:
    after = keys.generate_ed25519()
    new_key = keys.multibase(after.public_key())
    await take(joined, acme.new(8, OWN))
    await take(joined, acme.new(9, OWN, next_key=new_key))
    await take(joined, acme.new(10, OWN, key=after))
    await take(joined, acme.new(10 + STEPS, OWN, key=after))

    async def offered(at: int, *signers: str) -> int | None:
        body = await joined.read(company.following, after=at, signers=signers)
        return None if body is None else int(msgspec.json.decode(body)["version"])

    assert await offered(7, acme.public) == 9
    assert await offered(9, acme.public) is None
    assert await offered(9, new_key) == 10
    assert await offered(10, new_key) == 10 + STEPS
    assert await offered(10 + STEPS, new_key) is None
    assert await offered(9, acme.public, new_key) == 10
    assert await offered(7, acme.public, new_key) == 10
    assert await offered(0) == 10 + STEPS
    assert await offered(7, keys.multibase(keys.generate_ed25519().public_key())) is None


async def test_a_key_that_an_administrator_puts_into_the_settings_counts_instead_of_what_was_learnt(
    joined: Node, acme: Company
) -> None:
    other = Company(acme.now)
    section = msgspec.structs.replace(joined.settings.company, key=other.public)
    joined.settings = msgspec.structs.replace(joined.settings, company=section)
    assert await joined.read(company.held) is None
    with pytest.raises(SignatureInvalid):
        await take(joined, acme.new(8, OWN))
    assert await take(joined, other.new(1, OWN, "new.example")) is Taken.NEW
    assert await versions(joined) == [1]
    assert joined.company.admits("new.example")
    assert not joined.company.admits("sales.example")


# --- admission


async def test_only_who_is_on_the_roster_is_a_peer_and_nobody_after_it_expired(
    joined: Node, acme: Company, clock: Clock
) -> None:
    for stranger in ("evil.example", "sales.example:8443", "www.sales.example", OWN):
        with pytest.raises(Refused):
            peers.admit(joined, stranger)
    peers.admit(joined, "sales.example")
    clock.advance(30 * DAY / 1000 - 1)
    peers.admit(joined, "sales.example")
    clock.advance(1)
    with pytest.raises(Refused, match="expired"):
        peers.admit(joined, "sales.example")
    assert company.troubles(joined.company) == ["the roster (version 7) has expired: no peer is dealt with"]
    acme.now = int(clock() * 1000)
    await take(joined, acme.new(8, OWN, "sales.example"))
    peers.admit(joined, "sales.example")


async def test_the_end_is_warned_of_two_weeks_before(joined: Node, clock: Clock) -> None:
    clock.advance(16 * DAY / 1000)
    assert company.days_left(joined.company, joined.now()) is None
    clock.advance(1)
    assert company.days_left(joined.company, joined.now()) == 13


async def test_another_process_and_a_command_see_what_this_one_took(joined: Node, acme: Company, clock: Clock) -> None:
    beside = Node(
        joined.settings,
        storage=joined.storage,
        vault=joined.vault,
        outgoing=joined.outgoing,
        clock=clock,
        ids=joined.ids,
    )
    assert not beside.company.admits("sales.example")
    await beside.write(company.ready)
    assert beside.company.admits("sales.example")
    await take(joined, acme.new(8, OWN, "lab.example"))
    await company.refresh(beside)
    assert beside.company.admits("lab.example")
    assert not beside.company.admits("sales.example")


async def test_the_guard_lets_through_to_private_addresses_of_the_roster_and_to_no_others(
    joined: Node, acme: Company, clock: Clock
) -> None:
    await take(joined, acme.new(8, OWN, "sales.example", "field.example:8443"))
    guard = PeerGuard(joined.settings, joined.company)
    http = "http" if joined.settings.node.scheme == "http" else "https"
    port = 80 if http == "http" else 443
    guard.check_url(f"{http}://sales.example/users/x")
    guard.check_url(f"{http}://field.example:8443/users/x")
    guard.check_address("sales.example", port, "10.1.2.3")
    guard.check_address("field.example", 8443, "127.0.0.1")
    for url in (
        f"{http}://evil.example/",
        f"{http}://sales.example:8443/",
        f"{http}://field.example/",
        f"{http}://10.1.2.3/",
    ):
        with pytest.raises(Exception, match="refused"):
            guard.check_url(url)
    for host, at, address in (
        ("evil.example", port, "10.1.2.3"),
        ("sales.example", 8443, "10.1.2.3"),
        ("sales.example", port, "169.254.169.254"),
    ):
        with pytest.raises(Exception, match="refused"):
            guard.check_address(host, at, address)


async def test_past_an_expired_roster_only_a_newer_one_is_asked_for(joined: Node, clock: Clock) -> None:
    clock.advance(31 * DAY / 1000)
    guard = PeerGuard(joined.settings, joined.company)
    base = f"{joined.settings.node.scheme}://sales.example"
    guard.check_url(f"{base}{ROSTER_PATH}?after=7")
    for url in (f"{base}/inbox", f"{base}{ROSTER_PATH}/x", base.replace("sales", "evil") + ROSTER_PATH):
        with pytest.raises(Exception, match="refused"):
            guard.check_url(url)


# --- who was removed


async def waiting(node: Node, actor_id: int, *domains: str) -> None:
    """One delivery that waits for each, held back after failures."""

    def store(tx: Any) -> None:
        tx.execute(
            insert(activity),
            {
                "id": 1,
                "iri": "x",
                "actor_id": actor_id,
                "kind": "Create",
                "object_iri": "y",
                "body": b"{}",
                "created_at": 1,
            },
        )
        for domain in domains:
            peer_id = peers.ids(tx, [domain])[domain]
            tx.execute(peer.update().where(peer.c.id == peer_id).values(failures=9, next_attempt_at=10**14))
            row = {"activity_id": 1, "peer_id": peer_id, "inbox": domain, "ordering_key": "k", "next_at": 1}
            tx.execute(insert(delivery), row | {"expires_at": 10**14})

    await node.write(store)


async def part(node: Node) -> None:
    """The jobs that a removal left, run as the worker does."""
    for found in await rows(node, select(job.c.kind, job.c.payload)):
        if found.kind == parting.PART_JOB:
            await jobs.KINDS[parting.PART_JOB](node, None, found.payload)  # type: ignore[arg-type]
    await node.write(lambda tx: tx.execute(job.delete().where(job.c.kind == parting.PART_JOB)))


async def test_what_waited_for_a_removed_node_is_dropped_and_its_follows_end_both_ways(
    joined: Node, acme: Company
) -> None:
    alice = await make_person(joined, "alice")
    tom = await make_remote(joined, "tom", domain="sales.example")
    ruth = await make_remote(joined, "ruth", domain="field.example")
    for stranger in (tom, ruth):
        await joined.write_as(alice, social.follow, id_of(stranger))
        await joined.write(social.record_accept, id_of(alice), id_of(stranger))
        await joined.write(social.record_follow, id_of(stranger), id_of(alice), iri=f"https://{stranger.domain}/follow")
    await waiting(joined, id_of(alice), "sales.example", "field.example")
    before = await count_of(joined, delivery)

    await take(joined, acme.new(8, OWN, "field.example"))
    await part(joined)

    left = await rows(joined, select(peer.c.domain).join(delivery, delivery.c.peer_id == peer.c.id))
    assert {row.domain for row in left} == {"field.example"}
    assert before > len(left)
    follows = await rows(joined, select(follow.c.follower_id, follow.c.target_id))
    assert {(row.follower_id, row.target_id) for row in follows} == {
        (id_of(alice), id_of(ruth)),
        (id_of(ruth), id_of(alice)),
    }
    counted = (await rows(joined, select(account).where(account.c.id == id_of(alice))))[0]
    assert (counted.followers_count, counted.following_count) == (1, 1)
    breakers = await rows(joined, select(peer.c.domain, peer.c.failures, peer.c.next_attempt_at))
    assert {(row.domain, row.failures, row.next_attempt_at) for row in breakers} == {
        ("sales.example", 0, None),
        ("field.example", 9, 10**14),
    }


async def test_people_of_a_removed_node_cannot_be_followed_or_called_until_it_is_back(
    joined: Node, acme: Company
) -> None:
    alice = await make_person(joined, "alice")
    tom = await make_remote(joined, "tom", domain="sales.example")
    await take(joined, acme.new(8, OWN, "field.example"))
    await part(joined)
    with pytest.raises(Forbidden):
        await joined.write_as(alice, social.follow, id_of(tom))
    with pytest.raises(Invalid, match="cannot be reached"):
        await joined.write_as(alice, posts.publish, Draft(text="Ask @tom@sales.example"))
    await take(joined, acme.new(9, OWN, "field.example", "sales.example"))
    await joined.write_as(alice, social.follow, id_of(tom))
    await joined.write_as(alice, posts.publish, Draft(text="Ask @tom@sales.example"))


async def test_a_node_that_came_back_before_the_job_ran_keeps_its_follows(joined: Node, acme: Company) -> None:
    alice = await make_person(joined, "alice")
    tom = await make_remote(joined, "tom", domain="sales.example")
    await joined.write_as(alice, social.follow, id_of(tom))
    await take(joined, acme.new(8, OWN))
    await take(joined, acme.new(9, OWN, "sales.example"))
    await part(joined)
    assert await count_of(joined, follow) == 1


@pytest.mark.parametrize("removed_content", ["keep", "remove"])
async def test_what_removed_people_wrote_stays_or_goes_as_the_settings_say(
    joined: Node, acme: Company, removed_content: str
) -> None:
    section = msgspec.structs.replace(joined.settings.company, removed_content=removed_content)
    joined.settings = msgspec.structs.replace(joined.settings, company=section)
    stays = removed_content == "keep"
    tom = await make_remote(joined, "tom", domain="sales.example")
    for number in range(45):
        await heard(joined, tom, f"<p>{number}</p>")
    ruth = await make_remote(joined, "ruth", domain="field.example")
    await heard(joined, ruth, "<p>99</p>")
    common = {"shortcode": "pump", "created_at": 0, "updated_at": 0}
    theirs = [common | {"domain": one, "file": f"{one}.png"} for one in ("sales.example", "field.example")]
    await joined.write(lambda tx: tx.execute(insert(emoji_table), theirs))
    await take(joined, acme.new(8, OWN, "field.example"))
    await part(joined)
    pictures = [one.file for one in await rows(joined, select(emoji_table).order_by(emoji_table.c.domain))]
    assert pictures == ["field.example.png", "sales.example.png" if stays else None]
    assert await written_by(joined, tom) == (45 if stays else 0)
    assert await written_by(joined, ruth) == 1
    row = await joined.read(accounts.get, id_of(tom))
    assert row.display_name == ("Tom" if stays else "")
    assert row.gone_at is None
    assert (id_of(tom) in await joined.read(accounts.search, "tom", limit=5)) is stays
    assert id_of(ruth) in await joined.read(accounts.search, "ruth", limit=5)


async def test_a_node_that_was_removed_itself_keeps_what_the_others_wrote(joined: Node, acme: Company) -> None:
    section = msgspec.structs.replace(joined.settings.company, removed_content="remove")
    joined.settings = msgspec.structs.replace(joined.settings, company=section)
    alice = await make_person(joined, "alice")
    tom = await make_remote(joined, "tom", domain="sales.example")
    await joined.write_as(alice, social.follow, id_of(tom))
    await heard(joined, tom, "<p>1</p>")
    await take(joined, acme.new(8, "sales.example", "field.example"))
    await part(joined)
    assert await written_by(joined, tom) == 1
    assert await count_of(joined, follow) == 0


async def written_by(node: Node, author: Viewer) -> int:
    return await count_of(node, post, post.c.author_id == id_of(author))


async def rows(node: Node, statement: Select[Any]) -> Sequence[Row[Any]]:
    return await node.read(lambda tx: tx.rows(statement))
