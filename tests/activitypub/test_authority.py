"""Each rule twice: what an honest peer sends passes, and the nearest thing to it that is not honest is refused."""

from typing import Any

import pytest

from activitypub import authority, parse
from activitypub.audience import Visibility
from activitypub.documents import Activity, Actor, PublicKey
from activitypub.errors import Malformed, ProtocolError, Refused
from activitypub.vocabulary import Iri

OWN = "https://node.example"
OURS = Iri("https://node.example/users/olga")
ALICE = Iri("https://a.example/users/alice")
CAROL = Iri("https://a.example/users/carol")
BOB = Iri("https://b.example/users/bob")
NOTE = "https://a.example/notes/1"

# Spellings that resemble https://a.example/… and are of another origin, or of none.
NEAR_MISSES = [
    pytest.param("https://a.example@b.example/notes/1", id="userinfo"),
    pytest.param("https://user@a.example/notes/1", id="userinfo of the right host"),
    pytest.param("https://a.example:8443/notes/1", id="port"),
    pytest.param("http://a.example/notes/1", id="scheme"),
    pytest.param("https://а.example/notes/1", id="cyrillic"),
    pytest.param("https://a.example\\@b.example/notes/1", id="backslash"),
    pytest.param("https://a.example\\.b.example/notes/1", id="backslash in the host"),
    pytest.param("https://a.example./notes/1", id="trailing dot"),
    pytest.param("https://www.a.example/notes/1", id="subdomain"),
    pytest.param("https://a.example.b.example/notes/1", id="suffix"),
    pytest.param("https://b.example/notes/1#https://a.example/", id="fragment"),
    pytest.param("https://b.example?https://a.example/notes/1", id="query"),
    pytest.param("https://a.example%2eb.example/notes/1", id="escape"),
    pytest.param("https://b.example/notes/1", id="another host"),
    pytest.param("//a.example/notes/1", id="no scheme"),
    pytest.param("urn:uuid:1", id="urn"),
]

# Spellings of the very same origin.
SAME = [
    pytest.param("https://A.EXAMPLE/notes/1", id="case"),
    pytest.param("https://a.example:443/notes/1", id="default port"),
    pytest.param("https://ａ.example/notes/1", id="full-width letter"),
    pytest.param("https://a.example/notes/1#activity", id="fragment"),
]


def activity(kind: str, **properties: Any) -> dict[str, Any]:
    return {"id": f"{ALICE}#{kind}/1", "type": kind, "actor": ALICE} | properties


def note(**properties: Any) -> dict[str, Any]:
    return {"id": NOTE, "type": "Note", "attributedTo": ALICE, "content": "hi"} | properties


def check(doc: dict[str, Any], signer: Iri = ALICE) -> Activity:
    """Read and judged, as the inbox does it."""
    read = parse.activity(doc)
    authority.check(read, signer=signer, own_origin=OWN)
    return read


# --- Signer, actor, id --------------------------------------------------------------------------------------------


def test_the_actor_is_the_signer() -> None:
    like = activity("Like", object="https://b.example/notes/1")
    check(like)
    for other in (CAROL, BOB, Iri("https://A.example/users/alice"), Iri(f"{ALICE}/"), Iri(f"{ALICE}#main-key")):
        with pytest.raises(Refused, match="signed by somebody else"):
            check(like, signer=other)


def test_an_actor_is_a_document() -> None:
    with pytest.raises(Refused, match="fragment"):
        check(activity("Like", actor=f"{ALICE}#me", object="https://b.example/notes/1"), signer=Iri(f"{ALICE}#me"))


@pytest.mark.parametrize("ours", [OURS, Iri("https://NODE.example:443/users/olga")])
def test_nobody_outside_speaks_for_ours_even_if_signed(ours: Iri) -> None:
    with pytest.raises(Refused, match="an actor of ours"):
        check({"type": "Like", "actor": ours, "object": NOTE}, signer=ours)
    check({"type": "Like", "actor": BOB, "object": NOTE}, signer=BOB)


@pytest.mark.parametrize("iri", NEAR_MISSES)
def test_an_activity_s_id_of_another_origin_is_refused(iri: str) -> None:
    with pytest.raises((Refused, Malformed)):
        check(activity("Like", id=iri, object=NOTE))


@pytest.mark.parametrize("iri", SAME)
def test_an_activity_s_id_of_the_same_origin_passes(iri: str) -> None:
    check(activity("Like", id=iri, object=NOTE))


def test_an_activity_may_have_no_id_but_never_one_of_ours() -> None:
    check(activity("Like", id=None, object=NOTE))
    with pytest.raises(Refused):
        check(activity("Like", id="https://node.example/activities/1", object=NOTE))


def test_an_unknown_activity_is_only_held_to_the_first_rules() -> None:
    check(activity("Zwinker"))
    with pytest.raises(Refused):
        check(activity("Zwinker"), signer=BOB)


# --- Create, Update, Delete ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
@pytest.mark.parametrize("iri", NEAR_MISSES)
def test_an_object_of_another_origin_is_refused_embedded_or_named(kind: str, iri: str) -> None:
    for named in (iri, note(id=iri), note(id=iri, attributedTo=[iri, ALICE])):
        with pytest.raises(ProtocolError):
            check(activity(kind, object=named))


@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
@pytest.mark.parametrize("iri", SAME)
def test_an_object_of_the_same_origin_passes_embedded_or_named(kind: str, iri: str) -> None:
    check(activity(kind, object=iri))
    check(activity(kind, object=note(id=iri)))


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_a_neighbour_s_object_is_refused(kind: str) -> None:
    check(activity(kind, object=note()))
    with pytest.raises(Refused, match="by somebody else"):
        check(activity(kind, object=note(attributedTo=CAROL)))
    with pytest.raises(Refused, match="by somebody else"):
        check(activity(kind, object=note(attributedTo=[CAROL, {"type": "Group", "id": BOB}])))
    with pytest.raises(Malformed, match="no author"):
        check(activity(kind, object=note(attributedTo=None)))


def test_one_of_several_authors_is_the_actor() -> None:
    channel = "https://a.example/channels/1"
    both = [{"type": "Person", "id": ALICE}, {"type": "Group", "id": channel}]
    check(activity("Create", object=note(attributedTo=both)))
    check(activity("Create", actor=channel, object=note(attributedTo=both)), signer=Iri(channel))
    with pytest.raises(Refused):
        check(activity("Create", actor=CAROL, object=note(attributedTo=both)), signer=CAROL)


@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
def test_an_object_needs_an_id(kind: str) -> None:
    nothings: list[Any] = [None, note(id=None), {}, "not an iri"]
    for nothing in nothings:
        with pytest.raises(Refused):
            check(activity(kind, object=nothing))


def test_an_actor_updates_itself_alone() -> None:
    check(activity("Update", object={"id": ALICE, "type": "Person", "name": "Alice"}))
    for other in (CAROL, BOB, OURS, f"{ALICE}/"):
        with pytest.raises(Refused):
            check(activity("Update", object={"id": other, "type": "Person", "attributedTo": ALICE}))


def test_an_actor_s_type_hidden_behind_another_is_still_an_actor_s() -> None:
    for types in (["x:Unknown", "Person"], "as:Person", ["Person", "Note"]):
        with pytest.raises(Refused, match="another actor"):
            check(activity("Update", object={"id": CAROL, "type": types, "attributedTo": ALICE}))


def test_a_delete_of_ours_is_refused() -> None:
    check(activity("Delete", object={"id": NOTE, "type": "Tombstone"}))
    check(activity("Delete", object=ALICE))
    for local in ("https://node.example/notes/1", {"id": "https://node.example/notes/1", "type": "Tombstone"}, OURS):
        with pytest.raises(Refused):
            check(activity("Delete", object=local))


# --- Undo, Accept, Reject -----------------------------------------------------------------------------------------


def test_an_undo_is_of_one_s_own_deed() -> None:
    follow = {"id": f"{ALICE}#follows/1", "type": "Follow", "actor": ALICE, "object": OURS}
    check(activity("Undo", object=follow))
    check(activity("Undo", object=follow | {"id": None}))
    check(activity("Undo", object=follow["id"]))
    check(activity("Undo", object={"id": follow["id"], "type": "Follow"}))
    others: list[Any] = [CAROL, BOB, [ALICE, BOB], [[ALICE]], "nobody", {}]
    for actor in others:
        with pytest.raises(Refused):
            check(activity("Undo", object=follow | {"actor": actor}))
        with pytest.raises(Refused):
            check(activity("Undo", object=follow | {"actor": actor, "id": None}))


@pytest.mark.parametrize("iri", NEAR_MISSES[:-2])
def test_an_undo_of_another_server_s_id_is_refused(iri: str) -> None:
    with pytest.raises(Refused):
        check(activity("Undo", object=iri))
    with pytest.raises(Refused):
        check(
            activity("Undo", object={"id": "https://b.example/f/1", "type": "Follow", "actor": ALICE, "object": OURS})
        )


def test_an_undo_of_nothing_is_refused() -> None:
    nothings: list[Any] = [None, {}, {"type": "Like", "object": NOTE}, "nothing"]
    for nothing in nothings:
        with pytest.raises(Refused):
            check(activity("Undo", object=nothing))


@pytest.mark.parametrize("kind", ["Accept", "Reject", "TentativeAccept", "TentativeReject"])
def test_an_answer_is_to_a_follow_of_ours_of_this_very_actor(kind: str) -> None:
    follow = {"id": "https://node.example/follows/1", "type": "Follow", "actor": OURS, "object": ALICE}
    check(activity(kind, object=follow))
    check(activity(kind, object=follow | {"id": None}))
    check(activity(kind, object=follow | {"object": {"id": ALICE, "type": "Person"}}))
    check(activity(kind, object=follow["id"]))
    for followed in (CAROL, BOB, [ALICE, BOB], [BOB, ALICE], f"{ALICE}#x", "nobody"):
        with pytest.raises(Refused, match="somebody else"):
            check(activity(kind, object=follow | {"object": followed}))
    for follower in (BOB, CAROL, "https://node.example:8443/users/olga", [OURS, BOB], "nobody", [[OURS]]):
        with pytest.raises(Refused, match="not ours"):
            check(activity(kind, object=follow | {"actor": follower}))
    with pytest.raises(Refused, match="of nothing"):
        check(activity(kind))


def test_an_answer_to_something_else_than_a_follow_is_left_to_its_handler() -> None:
    check(activity("Accept", object={"id": "https://node.example/q/1", "type": "QuoteRequest", "actor": OURS}))


# --- Pointing: Announce, Like, Follow, Block, Flag ----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Announce", "Like", "Dislike", "EmojiReact", "Follow", "Block", "Flag"])
def test_one_may_point_at_anything_but_not_at_nothing(kind: str) -> None:
    for there in (NOTE, "https://b.example/notes/1", "https://node.example/notes/1", OURS):
        check(activity(kind, object=there))
    nothings: list[Any] = [None, [], {}, "nothing", {"type": "Note", "content": "no id"}]
    for nothing in nothings:
        with pytest.raises(Refused, match="of nothing"):
            check(activity(kind, object=nothing))


def test_what_its_author_sends_along_is_vouched_for() -> None:
    for kind in ("Create", "Update", "Announce"):
        assert authority.vouched(check(activity(kind, object=note()))) == note()
    person = {"id": ALICE, "type": "Person"}
    assert authority.vouched(check(activity("Update", object=person))) == person


@pytest.mark.parametrize(
    "embedded",
    [
        note(id="https://b.example/notes/1", attributedTo=BOB),
        note(id="https://b.example/notes/1"),
        note(attributedTo=BOB),
        note(attributedTo=CAROL),
        note(attributedTo=None),
        note(id="https://node.example/notes/1", attributedTo=OURS),
        {"id": NOTE},
        {"id": CAROL, "type": "Person"},
        {"id": BOB, "type": "Person", "attributedTo": ALICE},
        {"type": "Link", "href": NOTE, "attributedTo": ALICE},
    ],
)
def test_what_another_sends_along_is_a_pointer(embedded: dict[str, Any]) -> None:
    announce = check(activity("Announce", object=embedded))
    assert announce.object is not None
    assert authority.vouched(announce) is None


# --- Add, Remove, Move --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Add", "Remove"])
def test_a_collection_is_of_the_actor_s_origin_and_of_its_owner(kind: str) -> None:
    check(activity(kind, object=NOTE, target=f"{ALICE}/featured"))
    for target in ("https://b.example/featured", "https://node.example/users/olga/featured", None, "x"):
        with pytest.raises(Refused):
            check(activity(kind, object=NOTE, target=target))
    with pytest.raises(Refused):
        check(activity(kind, target=f"{ALICE}/featured"))
    authority.may_collect(ALICE, ALICE)
    with pytest.raises(Refused):
        authority.may_collect(CAROL, ALICE)


def test_one_moves_oneself_and_to_who_expects_one() -> None:
    check(activity("Move", object=ALICE, target=BOB))
    for object_, target in ((CAROL, BOB), (BOB, ALICE), (None, BOB), (ALICE, None), (ALICE, ALICE), (OURS, BOB)):
        with pytest.raises(Refused):
            check(activity("Move", object=object_, target=target))
    authority.may_move(ALICE, Actor(iri=BOB, username="bob", also_known_as=(CAROL, ALICE)))
    for target_actor in (
        Actor(iri=BOB, username="bob"),
        Actor(iri=BOB, username="bob", also_known_as=(CAROL,)),
        Actor(iri=ALICE, username="alice", also_known_as=(ALICE,)),
    ):
        with pytest.raises(Refused):
            authority.may_move(ALICE, target_actor)


# --- Against what is stored ---------------------------------------------------------------------------------------


def test_updates_and_deletes_are_the_author_s_or_of_its_server_s_moderators() -> None:
    for may in (authority.may_update, authority.may_delete):
        may(ALICE, ALICE)
        may(ALICE, CAROL, moderator=True)
        with pytest.raises(Refused):
            may(ALICE, CAROL)
        with pytest.raises(Refused):
            may(ALICE, BOB, moderator=True)
        with pytest.raises(Refused):
            may(OURS, BOB, moderator=True)


def test_undos_and_answers_are_matched_with_who_did_and_who_was_asked() -> None:
    authority.may_undo(ALICE, ALICE)
    authority.may_answer(ALICE, ALICE)
    with pytest.raises(Refused):
        authority.may_undo(ALICE, CAROL)
    with pytest.raises(Refused):
        authority.may_answer(ALICE, CAROL)


@pytest.mark.parametrize(
    ("visibility", "author_may", "others_may"),
    [
        (Visibility.PUBLIC, True, True),
        (Visibility.UNLISTED, True, True),
        (Visibility.FOLLOWERS, True, False),
        (Visibility.DIRECT, False, False),
    ],
)
def test_what_is_not_public_is_not_boosted(visibility: Visibility, author_may: bool, others_may: bool) -> None:
    for actor, may in ((ALICE, author_may), (BOB, others_may), (CAROL, others_may)):
        if may:
            authority.may_announce(ALICE, actor, visibility)
        else:
            with pytest.raises(Refused):
                authority.may_announce(ALICE, actor, visibility)


def test_an_audience_is_widened_by_the_author_alone() -> None:
    assert authority.widened(Visibility.FOLLOWERS, Visibility.PUBLIC)
    assert not authority.widened(Visibility.PUBLIC, Visibility.PUBLIC)
    assert not authority.widened(Visibility.PUBLIC, Visibility.DIRECT)
    authority.may_readdress(Visibility.DIRECT, Visibility.PUBLIC, author=ALICE, actor=ALICE)
    authority.may_readdress(Visibility.PUBLIC, Visibility.UNLISTED, author=ALICE, actor=CAROL)
    with pytest.raises(Refused):
        authority.may_readdress(Visibility.UNLISTED, Visibility.PUBLIC, author=ALICE, actor=CAROL)


# --- Keys ---------------------------------------------------------------------------------------------------------

MAIN_KEY = Iri(f"{ALICE}#main-key")


def owner_of(*keys: PublicKey) -> Actor:
    return Actor(iri=ALICE, username="alice", keys=keys)


def key(key_id: str = MAIN_KEY, owner: Iri = ALICE) -> PublicKey:
    return PublicKey(id=Iri(key_id), owner=owner, pem="PEM")


def test_a_key_belongs_to_who_lists_it() -> None:
    authority.key_belongs(ALICE, MAIN_KEY, owner_of(key()))
    separate = Iri("https://a.example/keys/7")
    authority.key_belongs(ALICE, separate, owner_of(key(), key(separate)))


@pytest.mark.parametrize(
    ("owner", "key_id", "actor"),
    [
        pytest.param(ALICE, MAIN_KEY, owner_of(), id="not listed"),
        pytest.param(ALICE, MAIN_KEY, owner_of(key(f"{ALICE}#other")), id="another listed"),
        pytest.param(ALICE, MAIN_KEY, owner_of(key(owner=CAROL)), id="listed as somebody else's"),
        pytest.param(CAROL, MAIN_KEY, owner_of(key()), id="claimed by a neighbour"),
        pytest.param(BOB, MAIN_KEY, owner_of(key()), id="claimed by a stranger"),
        pytest.param(Iri("https://A.example/users/alice"), MAIN_KEY, owner_of(key()), id="another spelling"),
        *(
            pytest.param(ALICE, Iri(str(one.values[0])), owner_of(key(str(one.values[0]))), id=f"listed, but {one.id}")
            for one in NEAR_MISSES
        ),
    ],
)
def test_a_key_belongs_to_nobody_else(owner: Iri, key_id: Iri, actor: Actor) -> None:
    with pytest.raises(Refused):
        authority.key_belongs(owner, key_id, actor)


# --- Documents ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document_id", "final_url"),
    [
        (NOTE, NOTE),
        (NOTE, f"{NOTE}#main-key"),
        (NOTE, "https://A.example:443/notes/1"),
        ("https://a.example", "https://a.example/"),
        ("https://bücher.example/ü?q=ä", "https://xn--bcher-kva.example/%C3%BC?q=%C3%A4"),
        ("https://a.example/?p=1", "https://a.example/?p=1"),
    ],
)
def test_a_document_is_believed_that_came_from_its_id(document_id: str, final_url: str) -> None:
    authority.believed(Iri(document_id), final_url)


@pytest.mark.parametrize(
    ("document_id", "final_url"),
    [
        (NOTE, "https://a.example/notes/2"),
        (NOTE, "https://a.example/notes/1/"),
        (NOTE, "https://a.example/Notes/1"),
        (NOTE, "https://a.example/notes/1?x=1"),
        (NOTE, "https://a.example/redirect?to=/notes/1"),
        (f"{NOTE}#x", NOTE),
        (f"{NOTE}#x", f"{NOTE}#x"),
        ("https://a.example/?p=1", "https://a.example/?p=2"),
        *((NOTE, str(one.values[0])) for one in NEAR_MISSES),
    ],
)
def test_a_document_from_anywhere_else_is_not(document_id: str, final_url: str) -> None:
    with pytest.raises((Refused, Malformed)):
        authority.believed(Iri(document_id), final_url)
