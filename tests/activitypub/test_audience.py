import pytest
from hypothesis import given
from hypothesis import strategies as st

from activitypub.audience import Visibility, addressing, visibility
from activitypub.vocabulary import PUBLIC, Iri

FOLLOWERS = Iri("https://a.example/users/alice/followers")
BOB = Iri("https://b.example/users/bob")


@pytest.mark.parametrize("public", [PUBLIC, "as:Public", "Public"])
def test_the_three_spellings_of_public_are_one(public: str) -> None:
    assert visibility([public], [FOLLOWERS], FOLLOWERS) is Visibility.PUBLIC
    assert visibility([FOLLOWERS], [public], FOLLOWERS) is Visibility.UNLISTED


@pytest.mark.parametrize("public", ["as:public", "https://www.w3.org/ns/activitystreams#public", "PUBLIC"])
def test_what_only_resembles_public_is_not(public: str) -> None:
    assert visibility([public], [], FOLLOWERS) is Visibility.DIRECT


def test_the_followers_of_somebody_else_are_not_ones_followers() -> None:
    theirs = Iri("https://b.example/users/bob/followers")
    assert visibility([FOLLOWERS], [], FOLLOWERS) is Visibility.FOLLOWERS
    assert visibility([BOB], [FOLLOWERS], FOLLOWERS) is Visibility.FOLLOWERS
    assert visibility([theirs], [], FOLLOWERS) is Visibility.DIRECT
    assert visibility([FOLLOWERS], [], None) is Visibility.DIRECT
    assert visibility([], [], FOLLOWERS) is Visibility.DIRECT


@given(st.sampled_from(Visibility), st.lists(st.sampled_from([BOB, Iri("https://c.example/users/c")])))
def test_what_is_addressed_is_read_as_it_was_meant_and_names_everybody_mentioned(
    meant: Visibility, mentioned: list[Iri]
) -> None:
    to, cc = addressing(meant, FOLLOWERS, mentioned)
    assert visibility(to, cc, FOLLOWERS) is meant
    assert set(mentioned) <= {*to, *cc}
    assert len({*to, *cc}) == len(to) + len(cc)
