import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activitypub import authority, parse, values
from activitypub.documents import Emoji, Mention, Option
from activitypub.errors import Malformed, ProtocolError, Refused
from activitypub.vocabulary import AS_CONTEXT, LD_TYPE, PUBLIC, Iri

ALICE = Iri("https://a.example/users/alice")
BOB = Iri("https://b.example/users/bob")


def note(**properties: Any) -> dict[str, Any]:
    return {"id": "https://a.example/notes/1", "type": "Note", "attributedTo": ALICE, "content": "hi"} | properties


def person(**properties: Any) -> dict[str, Any]:
    return {"id": ALICE, "type": "Person", "preferredUsername": "alice", "inbox": f"{ALICE}/inbox"} | properties


def like(**properties: Any) -> dict[str, Any]:
    return {
        "id": f"{ALICE}#likes/1",
        "type": "Like",
        "actor": ALICE,
        "object": "https://b.example/notes/1",
    } | properties


# --- JSON ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"x"',
        b"{",
        b"{} x",
        b"\xff{}",
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b'{"a": 1, "a": 1}',
        b'{"x": {"a": 1, "b": 2, "\\u0061": 3}}',
        b'{"a": NaN}',
        b'{"a": [-Infinity]}',
        b'{"a": 1e999}',
        b'{"a": 9223372036854775808}',
        b'{"a": -9223372036854775809}',
        b'{"a": ' + b"1" * 5000 + b"}",
        b'{"a": "\\ud800"}',
        b'{"\\udc00": 1}',
        b'{"a": ["\\ude00\\ud83d"]}',
        b'{"a": "x\\u0000"}',
        b'{"a": "\x00"}',
        b'{"a": "\n"}',
        b'{"a": ' * 65 + b"1" + b"}" * 65,
        b'{"a": ' + b"[" * 64 + b"]" * 64 + b"}",
        b"[" * 1_000_000,
        b'{"a":' * 200_000,
    ],
)
def test_json_with_more_than_one_reading_or_none_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse.load(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b' {"a": 1} ', {"a": 1}),
        (b'{"a": {"b": 1}, "c": {"b": 1}}', {"a": {"b": 1}, "c": {"b": 1}}),
        (b'{"a": 9223372036854775807, "b": -9223372036854775808}', {"a": 2**63 - 1, "b": -(2**63)}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        (b'{"a": "\\\\u0000 \\\\ud800"}', {"a": "\\u0000 \\ud800"}),
        (b'{"a": "' + b"[{" * 500 + b'\\"[["}', {"a": "[{" * 500 + '"[['}),
        (b'{"a": [' + b"{}," * 500 + b"{}]}", {"a": [{}] * 501}),
    ],
)
def test_what_is_near_to_that_is_read(body: bytes, expected: dict[str, Any]) -> None:
    assert parse.load(body) == expected


def test_the_deepest_allowed_nesting_is_read() -> None:
    assert parse.load(b'{"a": ' + b"[" * 63 + b"]" * 63 + b"}")
    assert parse.load(b'{"a": {"b": 1}}', max_depth=2)
    with pytest.raises(Malformed):
        parse.load(b'{"a": {"b": [1]}}', max_depth=2)


@given(st.binary() | st.text().map(lambda text: f'{{"a": "{text}"}}'.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_read_or_malformed(body: bytes) -> None:
    try:
        doc = parse.load(body)
    except Malformed:
        return
    assert json.loads(body) == doc


# --- One property in many forms -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-03-01T09:30:00Z", 1772357400000),
        ("2026-03-01T09:30:00.5Z", 1772357400500),
        ("2026-03-01t09:30:00.123456789z", 1772357400123),
        ("2026-03-01 09:30:00", 1772357400000),
        ("2026-03-01T09:30Z", 1772357400000),
        ("2026-03-01T11:30:00+02:00", 1772357400000),
        ("2026-03-01T05:00:00-0430", 1772357400000),
        (" 2026-03-01 09:30:00 +00:00 ", 1772357400000),
        (["2026-03-01T09:30:00Z"], 1772357400000),
        ("2026-03-01", 1772323200000),
        ("2016-12-31T23:59:60Z", 1483228799000),
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59Z", None),
        ("1970-01-01T00:00:00+01:00", None),
        ("0001-01-01T00:00:00+23:00", None),
        ("9999-12-31T23:59:59-23:00", None),
        ("2200-01-01T00:00:00Z", None),
        ("2026-02-30T00:00:00Z", None),
        ("2026-03-01T24:30:00Z", None),
        ("2026-03-01T09:30:61Z", None),
        ("2026-W09-7", None),
        ("２０２６-03-01", None),
        ("1772357400", None),
        (1772357400, None),
        ("yesterday", None),
        ("", None),
        (None, None),
        ({}, None),
        ("2026-03-01T09:30:00Z" + "0" * 1_000_000, None),
    ],
)
def test_times_are_read_leniently_and_absurd_ones_dropped(written: Any, expected: int | None) -> None:
    post = parse.post(note(published=written))
    assert post.published == expected
    assert post.content == "hi"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (True, True),
        ("true", True),
        (1, True),
        ([True], True),
        (False, False),
        ("false", False),
        (0, False),
        (None, False),
        ("maybe", False),
        (2, False),
        ({}, False),
    ],
)
def test_sensitive_is_read_from_whatever_means_it(written: Any, expected: bool) -> None:
    assert parse.post(note(sensitive=written)).sensitive is expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("https://www.a.example/@alice/1", "https://www.a.example/@alice/1"),
        (["https://a.example/1", "https://a.example/2"], "https://a.example/1"),
        ({"type": "Link", "href": "https://a.example/1"}, "https://a.example/1"),
        (
            ["https://a.example/1", {"type": "Link", "mediaType": "text/html", "href": "https://a.example/2"}],
            "https://a.example/2",
        ),
        ([{"type": "Link", "mediaType": "video/mp4", "href": "https://a.example/v"}], "https://a.example/v"),
        (["javascript:alert(1)", "https://a.example/1"], "https://a.example/1"),
        ({"mediaType": ["text/html"], "href": {"x": 1}}, None),
        ("javascript:alert(1)", None),
        ("https://a.example@evil.example/", None),
        ("/@alice/1", None),
        (None, None),
        ([], None),
    ],
)
def test_the_url_to_show_is_http_and_prefers_html(written: Any, expected: str | None) -> None:
    assert parse.post(note(url=written)).url == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (None, ()),
        ([], ()),
        (BOB, (BOB,)),
        ([BOB, None, BOB, 7, "nobody", {"id": ALICE}, [ALICE]], (BOB, ALICE)),
        ("as:Public", (PUBLIC,)),
        (["Public", PUBLIC, "as:Public"], (PUBLIC,)),
        ({"type": "Collection", "id": f"{ALICE}/followers"}, (f"{ALICE}/followers",)),
    ],
)
def test_recipients_are_read_in_every_form(written: Any, expected: tuple[str, ...]) -> None:
    assert parse.post(note(to=written)).to == expected
    assert parse.activity(like(cc=written)).cc == expected


@pytest.mark.parametrize(
    ("properties", "content", "language"),
    [
        ({"content": "hi"}, "hi", None),
        ({"content": "hi", "contentMap": {"en": "hi"}}, "hi", "en"),
        ({"content": "hi", "contentMap": {"de": "hallo", "en": "hi"}}, "hi", "en"),
        ({"content": "hi!", "contentMap": {"de": "hallo", "en": "hi"}}, "hi!", None),
        ({"content": "hi!", "contentMap": {"en-GB": "hi"}}, "hi!", "en-GB"),
        ({"content": None, "contentMap": {"de": "hallo", "en": "hi"}}, "hallo", "de"),
        ({"content": "hi", "contentMap": {"und": "hi"}}, "hi", None),
        ({"content": "hi", "contentMap": {"<script>": "hi"}}, "hi", None),
        ({"content": "hi", "contentMap": ["en"]}, "hi", None),
        ({"content": {"@value": "hi", "@language": "en"}}, "hi", "en"),
        ({"content": ["hi", "there"]}, "hi", None),
        ({"content": 7}, "", None),
        ({"content": "hi", "@context": [AS_CONTEXT, {"@language": "fr"}]}, "hi", "fr"),
        ({"content": "hi", "@context": {"@language": "und"}}, "hi", None),
        ({"content": "hi", "summaryMap": {"it": "ciao"}}, "hi", "it"),
    ],
)
def test_language_maps_are_alternatives(properties: dict[str, Any], content: str, language: str | None) -> None:
    post = parse.post(note(**properties))
    assert (post.content, post.language) == (content, language)


@pytest.mark.parametrize(
    "written",
    ["Note", ["Note"], ["x:Strange", "Note"], "as:Note", f"{AS_CONTEXT}#Note", [7, None, "as:Note"]],
)
def test_the_first_known_type_counts(written: Any) -> None:
    assert parse.post(note(type=written)).type == "Note"


@pytest.mark.parametrize("written", [None, "", [], 7, [None], {}, [[]]])
def test_what_has_no_type_is_no_post(written: Any) -> None:
    with pytest.raises(Malformed):
        parse.post(note(type=written))


# --- Ids, actors, authors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "iri", [None, "", 7, "notes/1", "urn:uuid:1", "acct:a@a.example", ["https://a.example/notes/1"], {}]
)
def test_posts_actors_and_named_activities_need_an_http_id(iri: Any) -> None:
    with pytest.raises(Malformed):
        parse.post(note(id=iri))
    with pytest.raises(Malformed):
        parse.actor(person(id=iri))
    if iri in (None, ""):
        assert parse.activity(like(id=iri)).iri is None
    else:
        with pytest.raises(Malformed):
            parse.activity(like(id=iri))


@pytest.mark.parametrize(
    "actor", [[ALICE, BOB], [ALICE, ALICE], [BOB, {"id": ALICE}], [None, ALICE, BOB], [None] * 100 + [ALICE, BOB]]
)
def test_more_than_one_actor_is_refused(actor: Any) -> None:
    with pytest.raises(Refused):
        parse.activity(like(actor=actor))


@pytest.mark.parametrize("actor", [ALICE, [ALICE], {"id": ALICE, "type": "Person"}, [None, ALICE]])
def test_one_actor_is_read_in_every_form(actor: Any) -> None:
    assert parse.activity(like(actor=actor)).actor == ALICE


@pytest.mark.parametrize("actor", [None, [], 7, "alice", {}, [[ALICE]]])
def test_no_actor_is_malformed(actor: Any) -> None:
    with pytest.raises(Malformed):
        parse.activity(like(actor=actor))


CHANNEL = "https://a.example/channels/1"


@pytest.mark.parametrize(
    ("attributed", "author"),
    [
        (ALICE, ALICE),
        ([{"type": "Person", "id": ALICE}, {"type": "Group", "id": CHANNEL}], ALICE),
        ([{"type": "Group", "id": CHANNEL}, {"type": "Person", "id": ALICE}], ALICE),
        ([{"type": "Person", "id": ALICE}, {"type": "Group", "id": "https://b.example/g"}], ALICE),
        ([{"type": "Group", "id": CHANNEL}], CHANNEL),
    ],
)
def test_the_author_is_of_the_object_s_own_origin(attributed: Any, author: str) -> None:
    assert parse.post(note(attributedTo=attributed)).author == author


@pytest.mark.parametrize(
    "attributed", [BOB, [BOB, ALICE], [{"type": "Group", "id": BOB}, ALICE], "http://a.example/users/alice"]
)
def test_a_first_author_of_another_origin_is_refused(attributed: Any) -> None:
    with pytest.raises(Refused):
        parse.post(note(attributedTo=attributed))


@pytest.mark.parametrize("attributed", [None, [], "alice", {}])
def test_a_post_without_author_is_malformed_unless_it_has_an_actor(attributed: Any) -> None:
    with pytest.raises(Malformed):
        parse.post(note(attributedTo=attributed))
    if attributed is None:
        assert parse.post(note(attributedTo=None, actor=ALICE)).author == ALICE


# --- Activities ---------------------------------------------------------------------------------------------------


def test_an_unknown_activity_is_read_all_the_same() -> None:
    activity = parse.activity(like(type="Zwinker", object={"strange": True}, extra=[1]))
    assert (activity.type, activity.object, activity.embedded) == ("Zwinker", None, {"strange": True})
    assert activity.raw["extra"] == [1]


def test_several_objects_are_for_reports_only() -> None:
    several = ["https://b.example/notes/1", {"id": "https://b.example/notes/2"}, "https://b.example/notes/1"]
    assert parse.activity(like(type="Flag", object=several)).objects == tuple(
        f"https://b.example/notes/{n}" for n in (1, 2)
    )
    with pytest.raises(Malformed):
        parse.activity(like(type="Delete", object=several))
    with pytest.raises(Malformed):
        parse.activity(like(object=[None, "https://b.example/notes/1", "https://b.example/notes/2"]))
    assert parse.activity(like(object=["https://b.example/notes/1"])).objects == ()


def test_a_link_points_and_embeds_nothing() -> None:
    link = {"type": ["Link", "Note"], "href": "https://b.example/notes/1", "id": "https://a.example/notes/1"}
    activity = parse.activity(like(type="Create", object=link))
    assert (activity.object, activity.embedded, activity.object_type) == ("https://b.example/notes/1", None, None)


def test_a_follow_of_public_asks_a_relay() -> None:
    assert parse.activity(like(type="Follow", object="as:Public")).object == PUBLIC


# --- Posts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Note", "Article", "Page", "Question", "Event", "Video", "Audio", "Image"])
def test_known_kinds_of_posts_need_no_url(kind: str) -> None:
    assert parse.post(note(type=kind)).type == kind


def test_an_unknown_kind_is_a_post_if_there_is_something_to_show_and_a_place() -> None:
    assert parse.post(note(type="pt:Podcast", url="https://a.example/p")).type == "pt:Podcast"
    assert parse.post(note(type="Podcast", content=None, name="Listen", url="https://a.example/p")).name == "Listen"
    with pytest.raises(Malformed):
        parse.post(note(type="Podcast"))
    with pytest.raises(Malformed):
        parse.post(note(type="Podcast", content=None, url="https://a.example/p"))


@pytest.mark.parametrize("kind", ["Person", "Create", "Tombstone", "OrderedCollection", "Follow"])
def test_what_is_known_to_be_something_else_is_no_post(kind: str) -> None:
    with pytest.raises(Malformed):
        parse.post(note(type=kind, url="https://a.example/p"))


def test_tags_are_read_singly_and_in_lists_and_each_once() -> None:
    mention = {"type": "Mention", "href": BOB, "name": "@bob@b.example"}
    hashtag = {"type": "as:Hashtag", "name": "#Kafka"}
    emoji = {"type": "toot:Emoji", "name": ":x:", "icon": [{"type": "Image", "url": "https://a.example/x.png"}]}
    assert parse.post(note(tag=mention)).mentions == (Mention(BOB, "@bob@b.example"),)
    post = parse.post(note(tag=[mention, hashtag, emoji, None, "x", mention, hashtag, emoji, {"type": "Hashtag"}]))
    assert (post.mentions, post.hashtags) == ((Mention(BOB, "@bob@b.example"),), ("Kafka",))
    assert post.emojis == (Emoji("x", "https://a.example/x.png"),)


@pytest.mark.parametrize(
    "emoji",
    [
        {"name": ":x:", "icon": None},
        {"name": ":x:", "icon": {"url": "javascript:x"}},
        {"name": ":x y:", "icon": {"url": "https://a.example/x.png"}},
        {"name": "<b>", "icon": {"url": "https://a.example/x.png"}},
        {"icon": {"url": "https://a.example/x.png"}},
    ],
)
def test_an_emoji_without_a_usable_name_or_image_is_left_out(emoji: dict[str, Any]) -> None:
    assert parse.post(note(tag={"type": "Emoji"} | emoji)).emojis == ()


def test_what_is_over_the_caps_is_dropped() -> None:
    mentions = [{"type": "Mention", "href": f"https://b.example/{n}"} for n in range(5000)]
    hashtags = [{"type": "Hashtag", "name": f"#{n}"} for n in range(5000)]
    files = [{"type": "Document", "url": f"https://b.example/{n}", "mediaType": "image/png"} for n in range(500)]
    options = [{"name": f"{n}"} for n in range(500)]
    assert len(parse.post(note(tag=mentions)).mentions) == 100
    assert len(parse.post(note(tag=hashtags)).hashtags) == 100
    assert len(parse.post(note(attachment=files)).attachments) == 16
    poll = parse.post(note(type="Question", oneOf=options)).poll
    assert poll is not None
    assert len(poll.options) == 20
    assert len(parse.post(note(to=[f"https://b.example/{n}" for n in range(5000)])).to) == 500
    assert len(parse.post(note(name="n" * 5000)).name or "") == 500
    items = [f"https://b.example/{n}" for n in range(5000)]
    page = {"id": f"{ALICE}/outbox", "type": "OrderedCollection", "orderedItems": items}
    assert len(parse.collection(page).items) == 1000


@pytest.mark.parametrize(
    "attachment",
    [
        {"type": "Document", "url": "javascript:x"},
        {"type": "Document"},
        {"type": "Link", "href": "https://b.example/page"},
        {"type": "PropertyValue", "name": "a", "value": "b"},
        "https://b.example/1.png",
    ],
)
def test_what_is_no_file_is_no_attachment(attachment: Any) -> None:
    assert parse.post(note(attachment=attachment)).attachments == ()


@pytest.mark.parametrize(
    "focus", [None, [], [1], [1, 2, 3], ["0", "0"], [0, 1.1], [float("nan"), 0], [True, False], {}]
)
def test_odd_measures_of_a_file_are_left_out(focus: Any) -> None:
    odd = {
        "type": "Image",
        "url": "https://b.example/1",
        "focalPoint": focus,
        "width": -1,
        "height": 1e300,
        "blurhash": "<",
    }
    file = parse.post(note(attachment=odd)).attachments[0]
    assert (file.focus, file.width, file.height, file.blurhash) == (None, None, None, None)


def test_a_poll_has_distinct_named_options() -> None:
    options = [{"name": "a"}, {"name": "a", "replies": {"totalItems": 9}}, {"name": ""}, "x", {"nameMap": {"en": "b"}}]
    poll = parse.post(note(type="Question", oneOf=options, closed=True, votersCount=-1, endTime="2026-03-01")).poll
    assert poll is not None
    assert poll.options == (Option("a", 0), Option("b", 0))
    assert (poll.multiple, poll.closed_at, poll.voters) == (False, 1772323200000, None)
    assert parse.post(note(type="Question", oneOf=[], anyOf=[])).poll is None
    assert parse.post(note(oneOf=options)).poll is None


def test_a_quote_is_found_under_each_of_its_names_and_the_consented_one_first() -> None:
    quoted, older = "https://b.example/notes/1", "https://b.example/notes/2"
    assert parse.post(note(quote=quoted, quoteUrl=older)).quote == quoted
    for name in ("quoteUrl", "quoteUri", "_misskey_quote"):
        assert parse.post(note(**{name: older})).quote == older
    link = {
        "type": "Link",
        "mediaType": LD_TYPE,
        "href": older,
    }
    assert parse.post(note(tag=[link])).quote == older
    assert parse.post(note(tag=[link | {"mediaType": "text/html"}])).quote is None


# --- Actors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["inbox", "outbox", "followers", "following", "featured"])
def test_an_actor_s_boxes_are_of_its_own_origin(name: str) -> None:
    assert getattr(parse.actor(person(**{name: f"https://A.example:443/{name}"})), name) is not None
    assert getattr(parse.actor(person(**{name: f"https://b.example/{name}"})), name) is None
    assert getattr(parse.actor(person(**{name: PUBLIC})), name) is None


@pytest.mark.parametrize("username", [None, "", "a@b.example", "a b", "a/b", "<b>", "a" * 129, 7])
def test_a_username_that_is_no_part_of_a_handle_is_none(username: Any) -> None:
    assert parse.actor(person(preferredUsername=username)).username == ""


def test_an_actor_s_id_is_a_document_s() -> None:
    with pytest.raises(Malformed):
        parse.actor(person(id=f"{ALICE}#me"))
    with pytest.raises(Malformed):
        parse.actor(person(type="Note"))


def test_keys_are_read_from_both_places_singly_and_in_lists() -> None:
    rsa = {"id": f"{ALICE}#main-key", "owner": ALICE, "publicKeyPem": "PEM"}
    ed = {"id": f"{ALICE}#ed", "type": "Multikey", "controller": ALICE, "publicKeyMultibase": "z6Mk"}
    actor = parse.actor(person(publicKey=[rsa, {"id": "x"}, None], assertionMethod=["#ed", ed]))
    assert [(key.id, key.owner, key.pem, key.multibase) for key in actor.keys] == [
        (f"{ALICE}#main-key", ALICE, "PEM", None),
        (f"{ALICE}#ed", ALICE, None, "z6Mk"),
    ]
    assert parse.actor(person(publicKey=rsa)).keys == actor.keys[:1]


def test_our_own_fields_are_read_and_odd_ones_left_out() -> None:
    ours = person(jobTitle="CTO", department="IT", manager=BOB, executive=True, awayUntil="2026-03-01T09:30:00Z")
    actor = parse.actor(ours)
    assert (actor.title, actor.department, actor.manager, actor.executive) == ("CTO", "IT", BOB, True)
    assert actor.away_until == 1772357400000
    odd = parse.actor(person(jobTitle={}, department=7, manager="me", executive="very", awayUntil=True))
    assert (odd.title, odd.department, odd.manager, odd.executive, odd.away_until) == (None, None, None, False, None)


def test_implements_is_read_from_the_actor_and_from_its_generator() -> None:
    feature = {"href": "https://f.example/1", "name": "x"}
    itself = parse.actor(person(type="Application", implements=feature))
    other = parse.actor(person(generator={"type": "Application", "implements": [feature, "https://f.example/2", 7]}))
    assert itself.implements == ("https://f.example/1",)
    assert other.implements == ("https://f.example/1", "https://f.example/2")


# --- Anything -----------------------------------------------------------------------------------------------------

_TYPE_NAMES = """
    Note Question Person Create Undo Flag Accept Follow Tombstone Link Mention Hashtag Emoji Image
    OrderedCollectionPage Collection PropertyValue Move Add Group
"""
_PROPERTY_NAMES = """
    id type actor object attributedTo content contentMap name summary url href to cc tag attachment icon
    oneOf anyOf replies totalItems closed endTime published language @context @language @value quote
    target publicKey endpoints assertionMethod publicKeyPem owner orderedItems items first next
    mediaType width focalPoint sensitive implements generator preferredUsername followers value
"""
_FREQUENT = """
    actor object attributedTo content tag attachment oneOf published url target publicKey
    assertionMethod icon items orderedItems first to replies endTime
"""

_IRIS = st.sampled_from([ALICE, BOB, PUBLIC, "as:Public", "https://a.example/notes/1", "urn:x", "https://[", "//", ""])
_TYPES = st.sampled_from(_TYPE_NAMES.split())
_KEYS = st.sampled_from(_PROPERTY_NAMES.split())
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | _IRIS | _TYPES
JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=8),
    max_leaves=15,
)
DOCUMENTS = st.fixed_dictionaries(
    {"id": _IRIS, "type": _TYPES | st.lists(_TYPES)},
    optional=dict.fromkeys(_FREQUENT.split(), JSON),
)
READERS: list[Callable[[Any], object]] = [
    parse.activity,
    parse.post,
    parse.actor,
    parse.collection,
    parse.author,
    parse.type_of,
]


@given(JSON | DOCUMENTS)
@settings(max_examples=200)
def test_nothing_but_our_errors_comes_of_any_json(doc: Any) -> None:
    for read in READERS:
        try:
            read(doc)
        except ProtocolError:
            continue


@given(DOCUMENTS | JSON, st.sampled_from([ALICE, BOB]))
@settings(max_examples=200)
def test_any_activity_is_judged_without_other_errors(doc: Any, signer: Iri) -> None:
    try:
        activity = parse.activity(doc)
        authority.vouched(activity)
        authority.check(activity, signer=signer, own_origin="https://node.example")
    except ProtocolError:
        return
    assert activity.actor == signer


def test_documents_nested_as_deep_as_python_allows_do_no_harm() -> None:
    doc: Any = "x"
    for _ in range(sys.getrecursionlimit() * 2):
        doc = {"type": "Note", "id": ALICE, "object": [doc], "tag": [doc], "first": doc}
    for read in READERS:
        try:
            read(doc)
        except ProtocolError:
            continue


@given(st.floats() | st.integers())
def test_counts_are_whole_and_bounded(number: float) -> None:
    counted = values.count(number)
    assert counted is None or (0 <= counted <= 2**53 and counted == number)
