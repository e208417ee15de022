"""Events as peers write them (FEP-8a8e), and as we do."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activitypub import authority, build, events, parse
from activitypub.documents import Activity, Event, Post
from activitypub.errors import Refused
from activitypub.vocabulary import CONTEXT, PUBLIC, Iri

ALICE = Iri("https://a.example/users/alice")
EVENT = Iri("https://a.example/events/1")
OLGA = Iri("https://node.example/users/olga")
JOIN = Iri("https://node.example/users/olga/activities/join/1")

written = st.builds(
    Event,
    starts_at=st.integers(0, 4_000_000_000).map(lambda seconds: seconds * 1000),
    timezone=st.sampled_from([None, "Europe/Berlin", "UTC", "America/Argentina/Salta"]),
    place=st.sampled_from(["", "Hall 3", "Raum <5> & Küche"]),
    link=st.sampled_from([None, "https://meet.example/a?b=1"]),
    join_mode=st.sampled_from(events.JOIN_MODES),
    status=st.sampled_from(events.STATUSES),
    capacity=st.none() | st.integers(1, 1000),
    guests=st.integers(0, 1000),
)


@given(written)
def test_what_we_write_is_what_we_read(event: Event) -> None:
    post = Post(iri=EVENT, type="Event", author=ALICE, name="Party", content="<p>x</p>", to=(PUBLIC,), event=event)
    assert parse.post(json.loads(json.dumps(build.note(post)))).event == event


def test_the_terms_of_events_go_along_with_events_alone() -> None:
    event = Post(iri=EVENT, type="Event", author=ALICE, name="Party", event=Event(starts_at=0))
    note = build.note(event)
    created = build.create(note, iri=Iri(f"{EVENT}/activity"))
    assert note["@context"][-1] == created["@context"][-1] == dict(events.CONTEXT)
    assert build.note(Post(iri=EVENT, author=ALICE))["@context"] == CONTEXT


def test_an_event_of_mobilizon() -> None:
    path = Path(__file__).parent / "documents" / "mobilizon_event.json"
    event = parse.post(json.loads(path.read_text())).event
    assert event is not None
    assert (event.starts_at, event.ends_at, event.place) == (1_777_651_200_000, 1_777_658_400_000, "Hall 3")
    assert event.join_mode == "free"  # it does not say, and that is Mobilizon's default


@pytest.mark.parametrize(
    ("said", "mode"),
    [
        ({}, "free"),
        ({"joinMode": "restricted"}, "restricted"),
        ({"joinMode": "mz:invite"}, "invite"),
        ({"joinMode": "lottery"}, "external"),
        ({"externalParticipationUrl": "https://tickets.example/1"}, "external"),
        ({"joinMode": "free", "externalParticipationUrl": "https://tickets.example/1"}, "free"),
    ],
)
def test_how_one_joins_is_as_the_author_says_and_free_if_not_said(said: dict[str, str], mode: str) -> None:
    event = events.read({"startTime": "2026-05-01T18:00:00Z"} | said)
    assert event is not None
    assert event.join_mode == mode


MOBILIZON = {
    "startTime": "2026-05-01T18:00:00+02:00",
    "endTime": "2026-05-01T20:00:00+02:00",
    "timezone": "Europe/Paris",
    "joinMode": "restricted",
    "ical:status": "TENTATIVE",
    "maximumAttendeeCapacity": 50,
    "participantCount": 3,
    "location": {
        "type": "Place",
        "name": "Town hall",
        "address": {"type": "PostalAddress", "streetAddress": "1 Rue X", "addressLocality": "Lyon"},
    },
}
GANCIO = {
    "startTime": "2026-05-01T18:00:00Z",
    "location": [
        {"type": "Place", "name": "Squat", "address": "Via Y 5"},
        {"type": "VirtualLocation", "url": "https://stream.example/1"},
    ],
}


@pytest.mark.parametrize("street", [" ", "", None, ",", " , "])
def test_a_part_of_an_address_that_says_nothing_leaves_no_gap(street: str | None) -> None:
    where = {"type": "Place", "name": "Hall", "address": {"streetAddress": street, "addressLocality": "Lyon "}}
    event = events.read({"startTime": "2026-05-01T18:00:00Z", "location": where})
    assert event is not None
    assert event.place == "Hall, Lyon"


def test_places_in_words() -> None:
    one, other = events.read(MOBILIZON), events.read(GANCIO)
    assert one is not None
    assert other is not None
    assert (one.place, one.link) == ("Town hall, 1 Rue X, Lyon", None)
    assert (one.join_mode, one.status, one.capacity, one.guests) == ("restricted", "tentative", 50, 3)
    assert (other.place, other.link) == ("Squat, Via Y 5", "https://stream.example/1")


@pytest.mark.parametrize("start", [None, "", "soon", 5, {"@value": 3}, []])
def test_what_does_not_say_when_it_begins_is_read_as_no_event(start: Any) -> None:
    assert events.read({"startTime": start}) is None


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from(["Place", "2026-01-01T00:00:00Z"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "name", "url", "address"]), inner)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*MOBILIZON, "eventStatus", "mz:joinMode", "externalParticipationUrl"]), values))
def test_nothing_that_comes_is_an_error(said: dict[str, Any]) -> None:
    event = events.read({"startTime": "2026-05-01T18:00:00Z"} | said)
    if event is not None:
        assert len(event.place) <= events.PLACE_LENGTH
        assert event.join_mode in events.JOIN_MODES
        assert event.status in events.STATUSES
        assert event.ends_at is None or event.ends_at >= event.starts_at


def activity(kind: str, **parts: Any) -> Activity:
    said = parse.activity({"type": kind, "id": "https://a.example/x/1", "actor": ALICE, **parts})
    authority.check(said, signer=ALICE, own_origin="https://node.example")
    return said


def test_an_answer_to_a_join_is_by_the_host_to_one_of_ours() -> None:
    asked = {"id": JOIN, "type": "Join", "actor": OLGA, "object": EVENT}
    for kind in ("Accept", "Reject"):
        activity(kind, object=asked)
        for wrong in (
            {"actor": "https://b.example/users/bob"},
            {"actor": ALICE},
            {"object": "https://b.example/events/1"},
            {"object": ["https://a.example/events/1", "https://node.example/events/1"]},
        ):
            with pytest.raises(Refused):
                activity(kind, object=asked | wrong)


def test_one_joins_something() -> None:
    for kind in ("Join", "Leave"):
        activity(kind, object="https://node.example/users/olga/statuses/1")
        with pytest.raises(Refused):
            activity(kind)


def test_one_shows_ones_own_posts() -> None:
    authority.may_feature(ALICE, ALICE)
    with pytest.raises(Refused):
        authority.may_feature(Iri("https://a.example/users/carol"), ALICE)
