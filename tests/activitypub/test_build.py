import json
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activitypub import authority, build, parse
from activitypub.documents import (
    Actor,
    Attachment,
    Emoji,
    Field,
    Mention,
    Option,
    Poll,
    Post,
    PublicKey,
)
from activitypub.vocabulary import CONTEXT, PUBLIC, RFC_9421, Iri

ALICE = Iri("https://a.example/users/alice")
BOB = Iri("https://b.example/users/bob")
T = TypeVar("T")
NOTE = Iri("https://a.example/notes/1")

# --- Round trips --------------------------------------------------------------------------------------------------

moments = st.integers(min_value=0, max_value=4_102_444_800_000)
characters = st.characters(codec="utf-8", exclude_characters="\0")
texts = st.text(characters, min_size=1, max_size=40)
own = st.integers(0, 99).map(lambda number: Iri(f"https://a.example/things/{number}"))
iris = st.sampled_from(["https://b.example", "https://bücher.example", "http://127.0.0.1:8000"]).flatmap(
    lambda home: st.integers(0, 99).map(lambda number: Iri(f"{home}/ü/{number}")),
)
languages = st.sampled_from(["en", "de", "pt-BR", "zh-Hant-TW"])


def some(values: st.SearchStrategy[T], *, at_least: int = 0) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(values, min_size=at_least, max_size=4, unique=True).map(tuple)


def distinct(names: st.SearchStrategy[str], values: st.SearchStrategy[T]) -> st.SearchStrategy[list[tuple[str, T]]]:
    return st.dictionaries(names, values, max_size=4).map(lambda found: list(found.items()))


def maybe(values: st.SearchStrategy[T]) -> st.SearchStrategy[T | None]:
    return st.none() | values


fractions = st.floats(-1, 1, allow_nan=False)
attachments = st.builds(
    Attachment,
    url=iris,
    media_type=st.sampled_from([None, "image/png", "video/mp4", "image/*", "audio/*"]),
    description=maybe(texts),
    blurhash=st.sampled_from([None, "LEHV6nWB2yk8pyo0adR*.7kCMdnj"]),
    width=maybe(st.integers(1, 10_000)),
    height=maybe(st.integers(1, 10_000)),
    focus=maybe(st.tuples(fractions, fractions)),
)
polls = st.builds(
    Poll,
    options=st.dictionaries(texts, st.integers(0, 1000), min_size=1, max_size=20).map(
        lambda found: tuple(Option(name, votes) for name, votes in found.items()),
    ),
    multiple=st.booleans(),
    ends_at=maybe(moments),
    closed_at=maybe(moments),
    voters=maybe(st.integers(0, 1000)),
)
hashtags = texts.map(lambda text: text.strip().lstrip("#＃")).filter(bool)
mentions = distinct(iris, st.text(characters, max_size=20)).map(
    lambda found: tuple(Mention(Iri(a), b) for a, b in found)
)
emojis = distinct(st.from_regex(r"[a-z0-9_]{2,20}", fullmatch=True), iris).map(
    lambda found: tuple(Emoji(a, b) for a, b in found),
)


@st.composite
def posts(draw: st.DrawFn) -> Post:
    poll = draw(maybe(polls))
    content, summary = draw(st.text(characters, max_size=40)), draw(maybe(texts))
    return Post(
        iri=draw(own),
        type="Question" if poll else draw(st.sampled_from(["Note", "Article", "Event"])),
        author=ALICE,
        content=content,
        name=draw(maybe(texts)),
        summary=summary,
        sensitive=draw(st.booleans()),
        language=draw(maybe(languages)) if content or summary else None,
        published=draw(maybe(moments)),
        updated=draw(maybe(moments)),
        in_reply_to=draw(maybe(iris)),
        url=draw(maybe(iris)),
        to=draw(some(iris | st.just(PUBLIC))),
        cc=draw(some(iris | st.just(PUBLIC))),
        mentions=draw(mentions),
        hashtags=draw(some(hashtags)),
        emojis=draw(emojis),
        attachments=draw(st.lists(attachments, max_size=4).map(tuple)),
        poll=poll,
        quote=draw(maybe(iris)),
        context=draw(maybe(iris)),
    )


keys = st.builds(PublicKey, id=own, owner=st.just(ALICE), pem=texts, multibase=st.none())
multikeys = st.builds(PublicKey, id=own, owner=st.just(ALICE), pem=st.none(), multibase=texts)
actors = st.builds(
    Actor,
    iri=st.just(ALICE),
    type=st.sampled_from(["Person", "Service", "Application", "Group", "Organization"]),
    username=st.from_regex(r"[a-z0-9_.-]{1,30}", fullmatch=True),
    name=maybe(texts),
    summary=maybe(texts),
    url=maybe(iris),
    inbox=maybe(own),
    shared_inbox=maybe(own),
    outbox=maybe(own),
    followers=maybe(own),
    following=maybe(own),
    featured=maybe(own),
    icon=maybe(iris),
    image=maybe(iris),
    fields=st.lists(st.builds(Field, texts, st.text(characters, max_size=40)), max_size=4).map(tuple),
    keys=st.tuples(some(keys), some(multikeys)).map(lambda both: both[0] + both[1]),
    locked=st.booleans(),
    discoverable=maybe(st.booleans()),
    indexable=st.booleans(),
    published=maybe(moments),
    also_known_as=some(iris),
    moved_to=maybe(iris),
    title=maybe(texts),
    department=maybe(texts),
    manager=maybe(iris),
    executive=st.booleans(),
    away_until=maybe(moments),
    implements=some(iris),
)


def over_the_wire(doc: dict[str, Any]) -> dict[str, Any]:
    return parse.load(json.dumps(doc).encode())


@given(posts())
@settings(max_examples=300)
def test_what_is_built_of_a_post_is_parsed_to_the_same_post(post: Post) -> None:
    assert parse.post(over_the_wire(build.note(post, tag_base="https://a.example/tags/"))) == post


@given(actors)
@settings(max_examples=300)
def test_what_is_built_of_an_actor_is_parsed_to_the_same_actor(actor: Actor) -> None:
    assert parse.actor(over_the_wire(build.actor(actor, generator=Iri("https://a.example/actor")))) == actor


@given(moments)
def test_a_time_survives_the_wire(moment: int) -> None:
    post = Post(iri=NOTE, author=ALICE, published=moment)
    assert parse.post(build.note(post)).published == moment


# --- Single documents ---------------------------------------------------------------------------------------------


def test_a_note_says_no_more_than_it_has_to() -> None:
    post = Post(iri=NOTE, author=ALICE, content="<p>hi</p>", language="en", published=0, to=(PUBLIC,))
    assert build.note(post) == {
        "@context": CONTEXT,
        "id": NOTE,
        "type": "Note",
        "attributedTo": ALICE,
        "content": "<p>hi</p>",
        "contentMap": {"en": "<p>hi</p>"},
        "sensitive": False,
        "published": "1970-01-01T00:00:00Z",
        "to": [PUBLIC],
        "cc": [],
        "tag": [],
        "attachment": [],
    }


def test_tags_of_a_note_are_written_as_mastodon_reads_them() -> None:
    post = Post(
        iri=NOTE,
        author=ALICE,
        mentions=(Mention(BOB, "@bob@b.example"),),
        hashtags=("Größe",),
        emojis=(Emoji("x", "https://a.example/x.png"),),
    )
    assert build.note(post, tag_base="https://a.example/tags/")["tag"] == [
        {"type": "Mention", "href": BOB, "name": "@bob@b.example"},
        {"type": "Hashtag", "name": "#Größe", "href": "https://a.example/tags/gr%C3%B6%C3%9Fe"},
        {
            "type": "Emoji",
            "id": "https://a.example/x.png",
            "name": ":x:",
            "icon": {"type": "Image", "url": "https://a.example/x.png"},
        },
    ]
    assert "href" not in build.note(post)["tag"][1]


def test_a_vote_has_a_name_and_no_content() -> None:
    vote = build.note(Post(iri=NOTE, author=ALICE, name="yes", in_reply_to=Iri("https://b.example/q"), to=(BOB,)))
    assert "content" not in vote
    assert parse.post(vote).is_vote


def test_a_post_names_its_collections() -> None:
    collections = {name: Iri(f"{NOTE}/{name}") for name in ("replies", "likes", "shares")}
    doc = build.note(Post(iri=NOTE, author=ALICE), **collections)
    assert {name: doc[name] for name in collections} == collections


def test_one_key_is_an_object_and_several_are_a_list() -> None:
    rsa = PublicKey(id=Iri(f"{ALICE}#main-key"), owner=ALICE, pem="PEM")
    ed = PublicKey(id=Iri(f"{ALICE}#ed"), owner=ALICE, multibase="z6Mk")
    one = build.actor(Actor(iri=ALICE, username="alice", keys=(rsa, ed)))
    assert one["publicKey"] == {"id": f"{ALICE}#main-key", "owner": ALICE, "publicKeyPem": "PEM"}
    assert one["assertionMethod"] == [
        {"id": f"{ALICE}#ed", "type": "Multikey", "controller": ALICE, "publicKeyMultibase": "z6Mk"},
    ]
    assert [key["id"] for key in build.actor(Actor(iri=ALICE, username="alice", keys=(rsa, rsa)))["publicKey"]] == [
        f"{ALICE}#main-key",
    ] * 2


def test_the_server_s_actor_implements_and_others_are_generated_by_it() -> None:
    feature = {"href": RFC_9421, "name": "RFC-9421: HTTP Message Signatures"}
    server = Iri("https://a.example/actor")
    itself = build.actor(Actor(iri=server, type="Application", username="a.example", implements=(RFC_9421,)))
    other = build.actor(Actor(iri=ALICE, username="alice", implements=(RFC_9421,)), generator=server)
    assert itself["implements"] == [feature]
    assert "generator" not in itself
    assert other["generator"] == {"type": "Application", "id": server, "implements": [feature]}
    assert "implements" not in other


def test_our_own_fields_are_sent_only_when_set() -> None:
    ours = {"jobTitle", "department", "manager", "executive", "awayUntil"}
    assert not ours & build.actor(Actor(iri=ALICE, username="alice")).keys()
    full = Actor(iri=ALICE, username="a", title="CTO", department="IT", manager=BOB, executive=True, away_until=0)
    assert ours <= build.actor(full).keys()
    terms = CONTEXT[-1]
    assert ours <= terms.keys()


def activities() -> list[dict[str, Any]]:
    note = build.note(Post(iri=NOTE, author=ALICE, content="hi", published=0, to=(PUBLIC,), cc=(BOB,)))
    iri = Iri("https://a.example/activities/1")
    about: dict[str, Any] = {"iri": iri, "actor": ALICE}
    followed_us = {"id": "https://b.example/f/1", "type": "Follow", "actor": BOB, "object": ALICE, "@context": "x"}
    return [
        build.create(note, iri=iri),
        build.update(note, to=[PUBLIC], **about),
        build.delete(build.tombstone(NOTE, deleted=0), **about),
        build.delete(ALICE, **about),
        build.announce(Iri("https://b.example/notes/1"), to=[PUBLIC], cc=[BOB], published=0, **about),
        build.like(Iri("https://b.example/notes/1"), to=[BOB], **about),
        build.follow(BOB, **about),
        build.accept(followed_us, to=[BOB], **about),
        build.reject(followed_us, to=[BOB], **about),
        build.undo(build.like(Iri("https://b.example/notes/1"), **about), to=[BOB], **about),
        build.block(BOB, **about),
        build.flag([BOB, Iri("https://b.example/notes/1")], content="spam", to=[BOB], **about),
        build.move(Iri("https://c.example/users/alice"), to=[Iri(f"{ALICE}/followers")], **about),
    ]


@pytest.mark.parametrize("doc", activities(), ids=lambda doc: str(doc["type"]))
def test_what_we_send_passes_our_own_rules_and_has_one_context(doc: dict[str, Any]) -> None:
    activity = parse.activity(over_the_wire(doc))
    authority.check(activity, signer=ALICE, own_origin="https://b.example")
    assert activity.object is not None
    assert json.dumps(doc).count("@context") == 1


def test_a_create_has_the_audience_and_the_time_of_its_note() -> None:
    create = parse.activity(activities()[0])
    assert (create.to, create.cc, create.published) == ((PUBLIC,), (BOB,), 0)
    assert authority.vouched(create) == create.embedded


def test_a_tombstone_says_what_it_was() -> None:
    assert build.tombstone(NOTE, former_type="Question", deleted=1500) == {
        "@context": CONTEXT,
        "id": NOTE,
        "type": "Tombstone",
        "formerType": "Question",
        "deleted": "1970-01-01T00:00:01.500Z",
    }


def test_a_report_names_the_account_first() -> None:
    flag = parse.activity(activities()[-2])
    assert flag.objects == (BOB, "https://b.example/notes/1")
    assert flag.content == "spam"


def test_collections_are_read_back() -> None:
    iri, page_iri = Iri(f"{ALICE}/outbox"), Iri(f"{ALICE}/outbox?page=true")
    page = build.collection_page(
        page_iri, part_of=iri, items=[NOTE, build.note(Post(iri=NOTE, author=ALICE))], next=iri
    )
    read = parse.collection(page)
    assert (read.type, read.part_of, read.next) == ("OrderedCollectionPage", iri, iri)
    assert len(read.items) == 2
    whole = parse.collection(build.ordered_collection(iri, total=1, items=[NOTE]))
    assert (whole.total, whole.items, whole.first) == (1, (NOTE,), None)
    paged = parse.collection(build.ordered_collection(iri, total=1, first=page))
    assert isinstance(paged.first, dict)
    assert "@context" not in paged.first
