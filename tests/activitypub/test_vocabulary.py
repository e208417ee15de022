import pytest
from hypothesis import given
from hypothesis import strategies as st

from activitypub.errors import Malformed
from activitypub.vocabulary import (
    AP_TYPE,
    LD_TYPE,
    host,
    is_as2,
    is_iri,
    normal_authority,
    origin,
    same_origin,
)


@pytest.mark.parametrize(
    ("iri", "expected"),
    [
        ("https://node.example/users/a", "https://node.example"),
        ("HTTPS://Node.Example/users/a", "https://node.example"),
        ("https://node.example:443/", "https://node.example"),
        ("https://node.example:/", "https://node.example"),
        ("http://node.example:80", "http://node.example"),
        ("http://node.example:443/", "http://node.example:443"),
        ("http://localhost:8101/users/a#main-key", "http://localhost:8101"),
        ("https://bücher.example/a", "https://xn--bcher-kva.example"),
        ("https://BÜCHER.example/a", "https://xn--bcher-kva.example"),
        ("https://straße.example/a", "https://xn--strae-oqa.example"),
        ("https://ｎｏｄｅ.example/a", "https://node.example"),
        ("https://node。example/a", "https://node.example"),
        ("http://127.0.0.1:8000/a", "http://127.0.0.1:8000"),
        ("http://[0:0::1]:8000/a", "http://[::1]:8000"),
        ("https://node.example/ünï?q=ö", "https://node.example"),
        ("https://node.example?p=1", "https://node.example"),
    ],
)
def test_an_origin_has_one_spelling(iri: str, expected: str) -> None:
    assert origin(iri) == expected
    assert host(iri) == expected.partition("://")[2]


@pytest.mark.parametrize(
    "iri",
    [
        "",
        "node.example",
        "//node.example/a",
        "https:/node.example/a",
        "https:node.example",
        "https:///a",
        "ftp://node.example/a",
        "javascript:alert(1)",
        "urn:uuid:1",
        "https://user@node.example/a",
        "https://node.example@evil.example/a",
        "https://@node.example/a",
        "https://node.example\\@evil.example/a",
        "https://node.example/a\\b",
        "https://node.example/a b",
        " https://node.example/a",
        "https://node.example/a\n",
        "https://node.exa\tmple/a",
        "https://node.example/\u202ea",
        "https://node.exam\u200bple/a",
        "https://node.example./a",
        "https://node..example/a",
        "https://.node.example/a",
        "https://node.example%2eevil.example/a",
        "https://node.example:0/a",
        "https://node.example:65536/a",
        "https://node.example:44３/a",
        "https://node.example:+443/a",
        "https://node.example:80:80/a",
        "https://[::1]evil.example/a",
        "https://[::1%25eth0]/a",
        "https://[::g]/a",
        "https://[::1/a",
        "https://0x7f.1/a",
        "https://2130706433/a",
        "https://127.1/a",
        "https://127.0.0.01/a",
        "https://node.example.0x7f/a",
        "https://node℀example/a",
        "https://\ud800.example/a",
        "https://" + "a" * 64 + ".example/a",
        "https://node.example/" + "a" * 2048,
    ],
)
def test_what_is_no_clean_http_iri_is_malformed(iri: str) -> None:
    with pytest.raises(Malformed):
        origin(iri)
    assert not is_iri(iri)
    assert not same_origin(iri, iri)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("https://NODE.example:443/b?c#d", True),
        ("http://node.example/a", False),
        ("https://node.example:8443/a", False),
        ("https://www.node.example/a", False),
        ("https://node.example.evil.example/a", False),
        ("https://nodeexample/a", False),
        ("https://nоde.example/a", False),  # a Cyrillic о
    ],
)
def test_same_origin_is_scheme_host_and_port(other: str, same: bool) -> None:
    assert same_origin("https://node.example/a", other) is same


@given(st.text() | st.text().map("https://".__add__) | st.text().map(lambda tail: f"https://node.example{tail}/a"))
def test_any_string_has_an_origin_or_is_malformed_and_an_origin_is_stable(text: str) -> None:
    try:
        found = origin(text)
    except Malformed:
        return
    assert origin(found) == found


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        (AP_TYPE, True),
        ("Application/Activity+JSON; charset=utf-8", True),
        (LD_TYPE, True),
        ("application/ld+json;charset=utf-8;profile='https://www.w3.org/ns/activitystreams'", False),
        ("application/ld+json; profile=https://www.w3.org/ns/activitystreams", True),
        ('application/ld+json; profile="https://w3id.org/security https://www.w3.org/ns/activitystreams"', True),
        ('application/ld+json; charset="utf-8"; PROFILE="https://www.w3.org/ns/activitystreams"', True),
        ("application/ld+json", False),
        ('application/ld+json; profile="https://example.com/other"', False),
        ('application/ld+json; x="; profile=https://www.w3.org/ns/activitystreams"', False),
        ('application/ld+json; profile="https://www.w3.org/ns/activitystreamsX"', False),
        ("application/json", False),
        ("text/html", False),
        ("application/activity+jsonx", False),
        ("text/plain, application/activity+json", False),
        ("", False),
        (None, False),
    ],
)
def test_only_the_two_media_types_are_activitystreams(content_type: str | None, expected: bool) -> None:
    assert is_as2(content_type) is expected


@pytest.mark.parametrize(
    ("written", "expected"), [("Node.Example:443", "node.example"), ("localhost:81", "localhost:81")]
)
def test_a_host_as_people_write_it_is_normalised(written: str, expected: str) -> None:
    assert normal_authority(written) == expected


@pytest.mark.parametrize("written", ["", "node.example/a", "a@node.example", "node.example#x", "node.example?x"])
def test_a_host_with_more_than_a_host_is_malformed(written: str) -> None:
    with pytest.raises(Malformed):
        normal_authority(written)
