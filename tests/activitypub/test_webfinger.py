from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activitypub import webfinger
from activitypub.documents import Actor
from activitypub.errors import Malformed, ProtocolError, Refused
from activitypub.vocabulary import AP_TYPE, LD_TYPE, Iri
from activitypub.webfinger import Handle, Jrd

ALICE = Iri("https://social.a.example/users/alice")
HANDLE = Handle("alice", "a.example")


# --- Resources and handles ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("acct:alice@a.example", HANDLE),
        ("ACCT:alice@A.Example", HANDLE),
        ("acct:@alice@a.example", HANDLE),
        ("acct:alice@a.example:443", HANDLE),
        ("acct:alice@localhost:8101", Handle("alice", "localhost:8101")),
        ("acct:al%2Dice@a.example", Handle("al-ice", "a.example")),
        ("acct:a.example@a.example", Handle("a.example", "a.example")),
        ("acct:jörg@bücher.example", Handle("jörg", "xn--bcher-kva.example")),
        (ALICE, ALICE),
        ("https://a.example/", Iri("https://a.example/")),
        ("http://localhost:8101", Iri("http://localhost:8101")),
    ],
)
def test_a_resource_is_a_handle_or_an_address(resource: str, expected: Handle | Iri) -> None:
    assert webfinger.parse_resource(resource) == expected


@pytest.mark.parametrize(
    "resource",
    [
        "",
        "alice",
        "alice@a.example",
        "acct:",
        "acct:alice",
        "acct:@a.example",
        "acct:alice@",
        "acct:alice@a.example/path",
        "acct:alice@user@a.example",
        "acct:alice%40b.example@a.example",
        "acct:al ice@a.example",
        "acct:alice@a.example.",
        "acct:alice\n@a.example",
        "acct:" + "a" * 600 + "@a.example",
        "mailto:alice@a.example",
        "https://user@a.example/",
        "ftp://a.example/",
    ],
)
def test_what_is_neither_is_malformed(resource: str) -> None:
    with pytest.raises(Malformed):
        webfinger.parse_resource(resource)


@pytest.mark.parametrize("text", ["alice@a.example", "@alice@a.example", " @alice@A.example "])
def test_a_handle_is_read_as_people_type_it(text: str) -> None:
    assert webfinger.parse_handle(text) == HANDLE
    assert str(HANDLE) == "alice@a.example"
    assert HANDLE.acct == "acct:alice@a.example"


@pytest.mark.parametrize(
    "text", ["", "@", "alice", "@alice", "@@a.example", "@alice@", "a@b@c.example", "@a/b@c.example"]
)
def test_what_is_no_handle_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        webfinger.parse_handle(text)


@given(st.text() | st.text().map("acct:".__add__) | st.text().map(lambda text: f"acct:{text}@a.example"))
def test_any_resource_is_read_or_malformed(text: str) -> None:
    try:
        webfinger.parse_resource(text)
    except Malformed:
        return


# --- Answers ------------------------------------------------------------------------------------------------------


def test_our_answer_is_read_back() -> None:
    profile, template = "https://social.a.example/@alice", "https://social.a.example/authorize_interaction?uri={uri}"
    doc = webfinger.jrd(HANDLE, ALICE, profile=profile, subscribe=template)
    assert doc == {
        "subject": "acct:alice@a.example",
        "aliases": [profile, ALICE],
        "links": [
            {"rel": "http://webfinger.net/rel/profile-page", "type": "text/html", "href": profile},
            {"rel": "self", "type": AP_TYPE, "href": ALICE},
            {"rel": "http://ostatus.org/schema/1.0/subscribe", "template": template},
        ],
    }
    assert webfinger.parse_jrd(doc, HANDLE) == Jrd(HANDLE, ALICE)


def answer(*links: Any, subject: Any = "acct:alice@a.example") -> dict[str, Any]:
    return {"subject": subject, "links": list(links)}


def test_the_first_self_link_of_an_activitystreams_type_is_the_actor() -> None:
    links = [
        {"rel": "self", "type": "text/html", "href": "https://a.example/page"},
        {"rel": "self", "href": "https://a.example/untyped"},
        {"rel": "me", "type": AP_TYPE, "href": "https://a.example/me"},
        {"rel": "self", "type": AP_TYPE, "href": "javascript:x"},
        {"rel": "self", "type": LD_TYPE, "href": ALICE},
        {"rel": "self", "type": AP_TYPE, "href": "https://a.example/second"},
    ]
    assert webfinger.parse_jrd(answer(None, "x", *links), HANDLE).actor == ALICE
    with pytest.raises(Malformed):
        webfinger.parse_jrd(answer(*links[:4]), HANDLE)


@pytest.mark.parametrize("subject", [None, "", 7, "alice", ALICE, "acct:alice", ["acct:alice@a.example"]])
def test_an_answer_without_a_handle_is_malformed(subject: Any) -> None:
    self_link = {"rel": "self", "type": AP_TYPE, "href": ALICE}
    assert webfinger.parse_jrd(answer(self_link), HANDLE)
    with pytest.raises(Malformed):
        webfinger.parse_jrd(answer(self_link, subject=subject), HANDLE)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["subject", "links", "rel", "href"]), inner),
    ),
)
def test_nothing_but_our_errors_comes_of_any_json(doc: Any) -> None:
    with pytest.raises(ProtocolError):
        webfinger.parse_jrd(doc, HANDLE)


def test_a_host_speaks_for_its_own_handles_and_for_others_only_if_they_say_the_same() -> None:
    own, other = Jrd(Handle("alicia", "a.example"), ALICE), Jrd(Handle("alice", "b.example"), ALICE)
    assert not webfinger.needs_confirmation(own, HANDLE)
    assert webfinger.needs_confirmation(other, HANDLE)
    webfinger.confirm(other, Jrd(Handle("Alice", "b.example"), ALICE))
    for reverse in (
        Jrd(Handle("alice", "b.example"), Iri("https://b.example/users/alice")),
        Jrd(Handle("alice", "b.example"), Iri("https://Social.a.example/users/alice")),
        Jrd(Handle("bob", "b.example"), ALICE),
        Jrd(HANDLE, ALICE),
    ):
        with pytest.raises(Refused):
            webfinger.confirm(other, reverse)


def test_the_actor_maps_back_to_the_handle() -> None:
    said = Jrd(HANDLE, ALICE)
    webfinger.maps_back(said, Actor(iri=ALICE, username="Alice"))
    for actor in (
        Actor(iri=Iri(f"{ALICE}x"), username="alice"),
        Actor(iri=ALICE, username="bob"),
        Actor(iri=ALICE, username=""),
    ):
        with pytest.raises(Refused):
            webfinger.maps_back(said, actor)


def test_the_subject_s_spelling_of_the_same_handle_is_the_asked_one() -> None:
    doc = answer({"rel": "self", "type": AP_TYPE, "href": ALICE}, subject="acct:ALICE@A.example")
    assert webfinger.parse_jrd(doc, HANDLE).subject == HANDLE


def test_a_query_carries_the_resource_whole() -> None:
    assert webfinger.query_url("a.example", "acct:a&b=c@a.example") == (
        "https://a.example/.well-known/webfinger?resource=acct%3Aa%26b%3Dc%40a.example"
    )
    assert webfinger.query_url("localhost:81", "x", scheme="http").startswith("http://localhost:81/")


# --- host-meta ----------------------------------------------------------------------------------------------------


def test_our_host_meta_leads_to_our_webfinger() -> None:
    template = webfinger.parse_host_meta(webfinger.host_meta("https://social.a.example").encode())
    assert webfinger.from_template(template, HANDLE.acct) == webfinger.query_url("social.a.example", HANDLE.acct)


def xrd(*links: str, before: str = "") -> bytes:
    body = "".join(links)
    return f"{before}<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>{body}</XRD>".encode()


GOOD = "<Link rel='lrdd' template='https://w.example/?r={uri}'/>"


@pytest.mark.parametrize(
    "body",
    [
        xrd(GOOD),
        b"\xef\xbb\xbf" + xrd(GOOD),
        xrd("<Link rel='x' template='https://no.example/{uri}'/>", GOOD),
        xrd("<Link rel='lrdd'/>", "<Link rel='lrdd' template='ftp://no.example/{uri}'/>", GOOD),
        xrd("<Link rel='lrdd' template='https://no.example/none'/>", GOOD),
        xrd(GOOD, before="<?xml version='1.0' encoding='UTF-8'?>"),
    ],
)
def test_the_first_usable_template_is_taken(body: bytes) -> None:
    assert webfinger.parse_host_meta(body) == "https://w.example/?r={uri}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<XRD",
        b"\xff",
        xrd(),
        GOOD.encode(),
        xrd("<Link rel='lrdd' template='https://{uri}.w.example/'/>"),
        xrd("<Link rel='lrdd' template='{uri}'/>"),
        xrd("<Link rel='lrdd' template='https://u@w.example/{uri}'/>"),
        xrd(GOOD, before="<!DOCTYPE x [<!ENTITY a 'b'>]>"),
        xrd(GOOD, before="<!doctype XRD>"),
        xrd(GOOD, before="<?xml version='1.0'?><!DOCTYPE x SYSTEM 'file:///etc/hostname'>"),
        xrd(GOOD).decode().encode("utf-16"),
        xrd(GOOD) + b" " * 70_000,
    ],
)
def test_a_host_meta_without_a_safe_template_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        webfinger.parse_host_meta(body)
