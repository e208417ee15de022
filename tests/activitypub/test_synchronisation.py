"""The header of followers synchronisation (FEP-8fcf)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activitypub import synchronisation
from activitypub.errors import Malformed
from activitypub.synchronisation import Claim
from activitypub.vocabulary import Iri

CLAIM = Claim(
    Iri("https://testing.example.org/users/1/followers"),
    Iri("https://testing.example.org/users/1/followers_synchronization"),
    "c33f48cd341ef046a206b8a72ec97af65079f9a3a9b90eef79c5920dce45c61f",
)


def test_the_digest_is_that_of_the_specification() -> None:
    iris = ["https://testing.example.org/users/1", "https://testing.example.org/users/2"]
    assert synchronisation.digest(iris) == CLAIM.digest
    assert synchronisation.digest(reversed(iris)) == CLAIM.digest
    assert synchronisation.digest([]) == "0" * 64
    assert synchronisation.digest(iris[:1]) != CLAIM.digest


def test_the_header_is_read_as_it_is_written() -> None:
    assert synchronisation.parse(CLAIM.header()) == CLAIM


def test_the_header_of_mastodon_is_read() -> None:
    text = f'collectionId="{CLAIM.collection}", digest="{CLAIM.digest.upper()}", url="{CLAIM.url}"'
    assert synchronisation.parse(text) == CLAIM
    assert synchronisation.parse(text + ', later="x"') == CLAIM


@pytest.mark.parametrize(
    "text",
    [
        "",
        "collectionId",
        CLAIM.header().replace("digest", "digesto"),
        CLAIM.header() + f', digest="{CLAIM.digest}"',
        CLAIM.header().replace(CLAIM.digest, CLAIM.digest[1:]),
        CLAIM.header().replace(CLAIM.digest, "g" * 64),
        CLAIM.header().replace(CLAIM.url, "javascript:alert(1)"),
        CLAIM.header().replace(CLAIM.url, ""),
        CLAIM.header().replace('"', ""),
        CLAIM.header().replace(CLAIM.url, CLAIM.url + '\\"'),
        CLAIM.header() + ' junk="1" more',
        CLAIM.header() + ', x="' + "y" * 5000 + '"',
    ],
)
def test_anything_else_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        synchronisation.parse(text)


@given(st.text() | st.text(alphabet='ab="\\, \tcolectinIdurgs').map(lambda text: f'url="{text}", digest="{text}"'))
def test_nothing_else_comes_out_of_the_parser(text: str) -> None:
    try:
        found = synchronisation.parse(text)
    except Malformed:
        return
    assert len(found.digest) == 64
