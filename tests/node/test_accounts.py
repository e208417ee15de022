"""New people, finding one, profile, what the administration decides."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from activitypub.audience import Visibility
from node import accounts, auth
from node.accounts import ProfileChanges, WorkChanges
from node.errors import Forbidden, Invalid, NodeError, NotFound, Unauthorized, Unknown
from node.runtime import Node
from node.schema import account, audit_entry, event, login, media
from node.secrets import token_hash
from tests.support.actors import make_remote
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.rows import count_of, id_of, rows_of, sent


async def make_admin(node: Node) -> Any:
    return await make_person(node, "root", roles=("employee", "admin"))


# --- New people ---------------------------------------------------------------------------------------------------


async def test_a_new_person_has_every_address_and_an_empty_unlocked_profile(node: Node) -> None:
    anna = await make_person(node, "Anna", title="  Engineer\n", executive=True)
    row = await node.read(accounts.get, id_of(anna))
    assert (row.username, row.handle, row.domain) == ("anna", "anna", None)
    assert row.iri == "https://eng.example/users/anna"
    assert row.url == "https://eng.example/@anna"
    assert row.inbox == "https://eng.example/users/anna/inbox"
    assert row.shared_inbox == "https://eng.example/inbox"
    assert row.followers_iri == "https://eng.example/users/anna/followers"
    assert (row.display_name, row.note, row.fields, row.locked) == ("", "", [], False)
    assert (row.title, row.department, row.executive) == ("Engineer", "Engineering", True)
    credentials = await node.read(accounts.login_of, id_of(anna))
    assert credentials.email == "anna@example.org"
    assert credentials.roles == ["employee"]
    assert credentials.default_local_only is False
    assert await count_of(node, audit_entry, audit_entry.c.action == "account.create") == 1


@pytest.mark.parametrize(
    "username",
    ["", "a" * 31, "anna b", "ännа", "anna@x", ".anna", "anna.", "-a", "a/b", "a\x00b", "\ud800", "radar", "Experts"],
)
async def test_a_username_that_cannot_be_one_is_refused(node: Node, username: str) -> None:
    with pytest.raises(Invalid) as refused:
        await make_person(node, username, email="free@example.org")
    assert refused.value.field == "username"
    assert await count_of(node, login) == 0


@pytest.mark.parametrize("username", ["a", "a" * 30, "anna.b-c_d", "4711", "_anna_"])
async def test_a_username_at_the_edge_of_the_rules_is_taken(node: Node, username: str) -> None:
    anna = await make_person(node, username)
    assert (await node.read(accounts.by_handle, username)).id == anna.account_id


async def test_a_name_is_taken_in_every_case_and_stays_so_after_the_account_is_gone(node: Node) -> None:
    anna = await make_person(node, "anna")
    await node.write(accounts.delete_account, id_of(anna))
    with pytest.raises(Invalid, match="already been taken") as refused:
        await make_person(node, "ANNA", email="second@example.org")
    assert refused.value.field == "username"


async def test_an_email_is_taken_once_in_every_case(node: Node) -> None:
    await make_person(node, "anna", email="Anna@Example.org")
    with pytest.raises(Invalid, match="already been taken") as refused:
        await make_person(node, "bea", email="aNNa@example.ORG")
    assert refused.value.field == "email"
    assert await count_of(node, login) == 1


@pytest.mark.parametrize("email", ["", "anna", "a@", "@b", "a b@c", "a@b@c", "a\x00@b", "a\n@b", "x" * 65 + "@b"])
async def test_what_is_no_email_is_refused(node: Node, email: str) -> None:
    with pytest.raises(Invalid) as refused:
        await make_person(node, "anna", email=email)
    assert refused.value.field == "email"


async def test_roles_must_exist(node: Node) -> None:
    for roles in [(), ("king",), ("admin", "king")]:
        with pytest.raises(Invalid):
            await make_person(node, "anna", roles=roles)
    admin = await make_person(node, "anna", roles=("admin", "employee", "admin"))
    assert (await node.read(accounts.login_of, id_of(admin))).roles == ["employee", "admin"]


async def test_a_manager_is_found_by_handle_here_and_at_a_peer(node: Node) -> None:
    await make_remote(node, "bert")
    await make_person(node, "boss")
    anna = await make_person(node, "anna", manager="@Boss")
    carl = await make_person(node, "carl", manager="bert@Field.example")
    assert (await node.read(accounts.get, id_of(anna))).manager_iri == "https://eng.example/users/boss"
    assert (await node.read(accounts.get, id_of(carl))).manager_iri == "https://field.example/users/bert"
    with pytest.raises(Invalid) as refused:
        await make_person(node, "dora", manager="nobody")
    assert refused.value.field == "manager"


async def test_the_nodes_own_actor_is_made_once_and_is_no_person(node: Node) -> None:
    first = await node.read(accounts.node_actor)
    assert (first.iri, first.username, first.actor_type) == ("https://eng.example/actor", "eng.example", "Application")
    assert await node.write(accounts.create_node_actor) == first.id
    assert await count_of(node, account) == 1
    with pytest.raises(NotFound):
        await node.read(accounts.login_of, first.id)


# --- Finding one --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("handle", ["anna", "@anna", "ANNA", " anna ", "anna@eng.example", "@Anna@ENG.example"])
async def test_a_local_handle_is_understood_in_every_spelling(node: Node, handle: str) -> None:
    anna = await make_person(node, "anna")
    assert (await node.read(accounts.by_handle, handle)).id == anna.account_id


@pytest.mark.parametrize(
    "handle", ["", "@", "ann", "anna@field.example", "an\x00na", "anna\ud800", "anna b", "x" * 9000]
)
async def test_an_unknown_or_impossible_handle_is_not_found(node: Node, handle: str) -> None:
    await make_person(node, "anna")
    with pytest.raises(NotFound):
        await node.read(accounts.by_handle, handle)


async def test_a_suspended_account_is_found_by_moderators_alone(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    moderator = await make_person(node, "mo", roles=("moderator",))
    await node.write_as(moderator, accounts.suspend, id_of(bea))
    assert (await node.read_as(moderator, accounts.get, id_of(bea))).suspended_at is not None
    for rule, key in ((accounts.get, id_of(bea)), (accounts.by_handle, "bea")):
        with pytest.raises(NotFound):
            await node.read_as(anna, rule, key)  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        await node.read(accounts.local_by_iri, "https://eng.example/users/bea")
    await node.write_as(moderator, accounts.unsuspend, id_of(bea))
    assert (await node.read_as(anna, accounts.by_handle, "bea")).id == bea.account_id


async def test_an_actor_that_is_not_stored_is_asked_for_and_a_suspended_one_may_not_act(node: Node) -> None:
    bert = await make_remote(node, "bert")
    iri = "https://field.example/users/bert"
    assert (await node.read(accounts.acting, iri)).id == bert.account_id
    with pytest.raises(Unknown) as unknown:
        await node.read(accounts.acting, iri + "x")
    assert unknown.value.iri == iri + "x"
    await node.write(accounts.suspend, id_of(bert))
    assert (await node.read(accounts.known, iri)).id == bert.account_id
    with pytest.raises(Forbidden):
        await node.read(accounts.acting, iri)
    await node.write(accounts.delete_account, id_of(bert))
    with pytest.raises(NotFound):
        await node.read(accounts.known, iri)


async def test_a_remote_actor_is_no_local_one(node: Node) -> None:
    await make_remote(node, "bert")
    with pytest.raises(NotFound):
        await node.read(accounts.local_by_iri, "https://field.example/users/bert")
    with pytest.raises(NotFound):
        await node.read(accounts.local_by_iri, "https://eng.example/users/a\x00b")


async def test_counting_posts_keeps_the_date_of_the_newest(node: Node) -> None:
    anna = await make_person(node, "anna")

    async def counted(delta: int, at: int | None) -> tuple[int, int | None, int]:
        await node.write(accounts.count_posts, id_of(anna), delta, at)
        row = await node.read(accounts.get, id_of(anna))
        return row.posts_count, row.last_post_at, row.rev

    assert await counted(1, 2_000) == (1, 2_000, 1)
    assert await counted(1, 1_000) == (2, 2_000, 2)
    assert await counted(-1, None) == (1, 2_000, 3)
    assert await counted(-5, None) == (0, 2_000, 4)


# --- Profile ------------------------------------------------------------------------------------------------------


async def test_bio_and_fields_are_kept_as_written_and_as_html(node: Node) -> None:
    anna = await make_person(node, "anna")
    await make_remote(node, "bert")
    changes = ProfileChanges(
        display_name="Anna <b>",
        note="Works on #Kafka with @bert@field.example\n\n<script>alert(1)</script>",
        fields=[("Web", "https://example.org/anna"), ("", ""), ("Pronouns", "she & her")],
        locked=True,
    )
    await node.write_as(anna, accounts.update_profile, changes)
    row = await node.read(accounts.get, id_of(anna))
    assert row.note_source.startswith("Works on #Kafka")
    assert 'href="https://eng.example/tags/kafka"' in row.note
    assert 'href="https://field.example/@bert"' in row.note
    assert "<script>" not in row.note
    assert "&lt;script&gt;" in row.note
    web, pronouns = row.fields
    assert (web["name"], web["source"], web["verified_at"]) == ("Web", "https://example.org/anna", None)
    assert web["value"].startswith('<a href="https://example.org/anna"')
    assert pronouns["value"] == "she &amp; her"
    assert (row.locked, row.rev) == (True, 1)


async def test_a_change_that_changes_nothing_tells_nobody(node: Node) -> None:
    anna, bert = await make_person(node, "anna"), await make_remote(node, "bert")
    await follow_from(node, bert, anna)
    await node.write_as(anna, accounts.update_profile, ProfileChanges(display_name="Anna"))
    assert await sent(node) == ["Update"]
    before = await node.read(accounts.get, id_of(anna))
    await node.write_as(anna, accounts.update_profile, ProfileChanges(display_name="Anna", note="", locked=False))
    assert await node.read(accounts.get, id_of(anna)) == before
    assert await sent(node) == ["Update"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        (ProfileChanges(display_name="x" * 101), "display_name"),
        (ProfileChanges(display_name="a\x00"), "display_name"),
        (ProfileChanges(note="x" * 501), "note"),
        (ProfileChanges(note="\ud800"), "note"),
        (ProfileChanges(fields=[("a", "b")] * 5), "fields"),
        (ProfileChanges(fields=[("", "b")]), "fields"),
        (ProfileChanges(fields=[("a", "x" * 256)]), "fields"),
        (ProfileChanges(fields=[("a\x00", "b")]), "fields"),
        (ProfileChanges(default_language="x" * 36), "language"),
    ],
)
async def test_a_profile_out_of_bounds_is_refused_whole(node: Node, changes: ProfileChanges, field: str) -> None:
    anna = await make_person(node, "anna")
    before = await node.read(accounts.get, id_of(anna))
    with pytest.raises(Invalid) as refused:
        await node.write_as(anna, accounts.update_profile, replace(changes, bot=True, default_sensitive=True))
    assert refused.value.field == field
    assert await node.read(accounts.get, id_of(anna)) == before
    assert (await node.read(accounts.login_of, id_of(anna))).default_sensitive is False


async def test_long_links_in_a_bio_count_as_short_ones(node: Node) -> None:
    anna = await make_person(node, "anna")
    note = "x" * 470 + " https://example.org/" + "y" * 300
    await node.write_as(anna, accounts.update_profile, ProfileChanges(note=note))
    assert (await node.read(accounts.get, id_of(anna))).note_source == note


async def test_posting_defaults_are_the_persons_own_and_no_news(node: Node) -> None:
    anna = await make_person(node, "anna")
    changes = ProfileChanges(default_visibility=Visibility.FOLLOWERS, default_language="de", default_local_only=True)
    await node.write_as(anna, accounts.update_profile, changes)
    found = await node.read(accounts.login_of, id_of(anna))
    assert (found.default_visibility, found.default_language, found.default_local_only) == (2, "de", True)
    await node.write_as(anna, accounts.update_profile, ProfileChanges(default_language=""))
    assert (await node.read(accounts.login_of, id_of(anna))).default_language is None
    assert (await node.read(accounts.get, id_of(anna))).rev == 0


async def test_a_replaced_avatar_is_left_to_housekeeping(node: Node) -> None:
    anna = await make_person(node, "anna")
    await node.write_as(anna, accounts.update_profile, ProfileChanges(avatar="one.png"))
    await node.write_as(anna, accounts.update_profile, ProfileChanges(avatar="two.png"))
    await node.write_as(anna, accounts.update_profile, ProfileChanges(avatar=""))
    assert (await node.read(accounts.get, id_of(anna))).avatar is None
    retired = await rows_of(node, media)
    assert [(row.file, row.post_id) for row in retired] == [("one.png", None), ("two.png", None)]


async def follow_from(node: Node, remote: Any, local: Any) -> None:
    from node import social

    await node.write(lambda tx: social.record_follow(tx, id_of(remote), id_of(local)))


# --- Administration -----------------------------------------------------------------------------------------------


async def test_work_is_changed_where_said_and_cleared_where_none(node: Node) -> None:
    admin, anna = await make_admin(node), await make_person(node, "anna", title="Engineer", manager="root")
    bert = await make_remote(node, "bert")
    await follow_from(node, bert, anna)
    changes = WorkChanges(title="Lead", executive=True, away_until=1_800_000_000_000)
    await node.write_as(admin, accounts.set_work, id_of(anna), changes)
    row = await node.read(accounts.get, id_of(anna))
    assert (row.title, row.department, row.executive) == ("Lead", "Engineering", True)
    assert row.manager_iri == "https://eng.example/users/root"
    assert (row.away_until, row.rev) == (1_800_000_000_000, 2)  # 1: the follower
    assert await sent(node) == ["Update"]
    cleared = WorkChanges(title=None, manager=None, away_until=None)
    await node.write_as(admin, accounts.set_work, id_of(anna), cleared)
    row = await node.read(accounts.get, id_of(anna))
    assert (row.title, row.manager_iri, row.away_until, row.executive) == (None, None, None, True)
    assert await count_of(node, audit_entry, audit_entry.c.action == "account.work") == 2


async def test_work_of_nonsense_is_refused(node: Node) -> None:
    admin, anna = await make_admin(node), await make_person(node, "anna")
    for changes, field in [
        (WorkChanges(title="x" * 201), "title"),
        (WorkChanges(department="\x00"), "department"),
        (WorkChanges(manager="anna"), "manager"),
        (WorkChanges(manager="nobody"), "manager"),
        (WorkChanges(away_until=2**60), "away_until"),
        (WorkChanges(away_until=253_402_300_800_000), "away_until"),  # the year 10000: it could not be shown
    ]:
        with pytest.raises(Invalid) as refused:
            await node.write_as(admin, accounts.set_work, id_of(anna), changes)
        assert refused.value.field == field
    assert (await node.read(accounts.get, id_of(anna))).rev == 0


async def test_administration_is_for_the_role_alone(node: Node) -> None:
    anna = await make_person(node, "anna")
    others = [await make_person(node, role, roles=(role,)) for role in ("employee", "comms", "auditor", "moderator")]
    moderator = others[-1]
    for viewer in others:
        for call in _administrative_calls(id_of(anna)):
            with pytest.raises(Forbidden):
                await node.write_as(viewer, call)
        if viewer is not moderator:
            with pytest.raises(Forbidden):
                await node.write_as(viewer, accounts.suspend, id_of(anna))
    await node.write_as(moderator, accounts.suspend, id_of(anna))
    admin = await make_admin(node)
    await node.write_as(admin, accounts.unsuspend, id_of(anna))
    for call in _administrative_calls(id_of(anna)):
        await node.write_as(admin, call)


def _administrative_calls(who: int) -> list[Any]:
    return [
        lambda tx: accounts.set_work(tx, who, WorkChanges(executive=True)),
        lambda tx: accounts.set_roles(tx, who, ["employee", "comms"]),
        lambda tx: accounts.set_password(tx, who, "y"),
        lambda tx: accounts.disable(tx, who),
        lambda tx: accounts.enable(tx, who),
        lambda tx: accounts.delete_account(tx, who),
    ]


async def test_accounts_of_peers_and_the_node_have_no_work_here(node: Node) -> None:
    bert = await make_remote(node, "bert")
    actor = await node.read(accounts.node_actor)
    for account_id in (id_of(bert), actor.id):
        with pytest.raises(NotFound):
            await node.write(accounts.set_work, account_id, WorkChanges(executive=True))
    with pytest.raises(Forbidden):
        await node.write(accounts.suspend, actor.id)
    with pytest.raises(Forbidden):
        await node.write(accounts.delete_account, actor.id)


@pytest.mark.parametrize("ending", [accounts.disable, accounts.suspend, accounts.delete_account])
async def test_whatever_ends_a_login_ends_tokens_sessions_and_streams(node: Node, ending: Any) -> None:
    anna = await make_person(node, "anna")
    token = await node.write(auth.make_token, id_of(anna))
    cookie, _ = await node.write(auth.open_session, id_of(anna))
    assert (await node.read(auth.authenticate, token_hash(token))).account_id == anna.account_id
    await node.write(ending, id_of(anna))
    with pytest.raises(Unauthorized):
        await node.read(auth.authenticate, token_hash(token))
    with pytest.raises(Unauthorized):
        await node.read(auth.session, token_hash(cookie))
    assert await node.read(auth.sign_in_data, "anna") is None
    with pytest.raises(NodeError):
        await node.write(auth.open_session, id_of(anna))
    kills = await rows_of(node, event, event.c.kind == "kill")
    assert [row.account_id for row in kills] == [anna.account_id]


async def test_a_disabled_person_who_is_enabled_again_has_their_tokens_back(node: Node) -> None:
    anna = await make_person(node, "anna")
    token = await node.write(auth.make_token, id_of(anna))
    await node.write(accounts.disable, id_of(anna))
    await node.write(accounts.enable, id_of(anna))
    assert (await node.read(auth.authenticate, token_hash(token))).account_id == anna.account_id


async def test_a_suspended_person_who_is_back_must_sign_in_again(node: Node) -> None:
    anna = await make_person(node, "anna")
    token = await node.write(auth.make_token, id_of(anna))
    await node.write(accounts.suspend, id_of(anna))
    await node.write(accounts.unsuspend, id_of(anna))
    with pytest.raises(Unauthorized):
        await node.read(auth.authenticate, token_hash(token))
    assert await node.read(auth.sign_in_data, "anna") is not None


async def test_a_new_password_throws_out_whoever_had_the_old_one(node: Node) -> None:
    anna = await make_person(node, "anna")
    token = await node.write(auth.make_token, id_of(anna))
    await node.write_as(anna, accounts.set_password, id_of(anna), "new hash")
    assert (await node.read(accounts.login_of, id_of(anna))).password_hash == "new hash"
    with pytest.raises(Unauthorized):
        await node.read(auth.authenticate, token_hash(token))


async def test_people_are_listed_for_the_administration_in_pages(node: Node, clock: Clock) -> None:
    made = []
    for name in ("anna", "bea", "carl"):
        made.append(id_of(await make_person(node, name)))
        clock.advance(1)
    await make_remote(node, "bert")
    await node.write(accounts.delete_account, made[1])
    first = await node.read(lambda tx: accounts.local_people(tx, limit=1))
    rest = await node.read(lambda tx: accounts.local_people(tx, after_id=first[-1].id))
    assert [(row.id, row.email) for row in (*first, *rest)] == [
        (made[0], "anna@example.org"),
        (made[2], "carl@example.org"),
    ]


async def test_work_changes_know_left_out_from_none() -> None:
    assert msgspec.json.decode(b'{"title":null}', type=WorkChanges) == WorkChanges(title=None)
    assert WorkChanges(title=None) != WorkChanges()
