"""Quotes with consent on the wire (FEP-044f): what is read, what is written, and who may say so."""

from typing import Any

import pytest

from activitypub import authority, build, parse
from activitypub.documents import Post, QuoteAuthorization, QuotePolicy
from activitypub.errors import Malformed, Refused
from activitypub.vocabulary import PUBLIC, Iri

OWN = "https://node.example"
OURS = Iri(f"{OWN}/users/anna")
BERT = Iri("https://a.example/users/bert")
NOTE = Iri("https://a.example/notes/1")
QUOTED = Iri(f"{OWN}/users/anna/statuses/1")
STAMP = QuoteAuthorization(
    iri=Iri("https://a.example/stamps/1"), author=BERT, quoting=Iri(f"{OWN}/users/anna/statuses/2"), quoted=NOTE
)


def check(**doc: Any) -> None:
    activity = parse.activity({"id": "https://a.example/activities/1", "actor": BERT, **doc})
    authority.check(activity, signer=BERT, own_origin=OWN)


def test_a_request_is_for_ones_own_post_and_about_ours() -> None:
    inlined = {"id": NOTE, "type": "Note", "attributedTo": BERT}
    honest: dict[str, Any] = {"type": "QuoteRequest", "object": QUOTED, "instrument": NOTE}
    check(**honest)
    check(**honest | {"instrument": inlined})
    near_misses: list[dict[str, Any]] = [
        {"object": "https://b.example/notes/1"},
        {"object": None},
        {"instrument": None},
        {"instrument": "https://b.example/notes/1"},
        {"instrument": inlined | {"attributedTo": "https://a.example/users/carl"}},
    ]
    for changes in near_misses:
        with pytest.raises(Refused):
            check(**honest | changes)


@pytest.mark.parametrize("kind", ["Accept", "Reject"])
def test_an_answer_is_to_ours_about_the_actors_post_with_a_stamp_of_theirs(kind: str) -> None:
    asked = {"id": f"{OURS}/activities/quoterequest/2", "type": "QuoteRequest", "actor": OURS, "object": NOTE}
    check(type=kind, object=asked, result=STAMP.iri)
    near_misses: list[dict[str, Any]] = [
        {"object": asked | {"actor": "https://b.example/users/carl"}},
        {"object": asked | {"object": "https://b.example/notes/1"}},
        {"object": asked, "result": "https://b.example/stamps/1"},
    ]
    for changes in near_misses:
        with pytest.raises(Refused):
            check(type=kind, **changes)


def test_a_stamp_counts_for_its_two_posts_by_the_quoted_author() -> None:
    honest = {"quoting": STAMP.quoting, "quoted": STAMP.quoted, "author": BERT}
    authority.may_stamp(STAMP, **honest)
    for changes in ({"quoting": QUOTED}, {"quoted": Iri("https://a.example/notes/2")}, {"author": OURS}):
        with pytest.raises(Refused):
            authority.may_stamp(STAMP, **honest | changes)
    elsewhere = QuoteAuthorization(iri=Iri("https://b.example/1"), author=BERT, quoting=STAMP.quoting, quoted=NOTE)
    with pytest.raises(Refused):
        authority.may_stamp(elsewhere, **honest)


def test_a_stamp_is_read_as_it_was_written_and_whole_or_not_at_all() -> None:
    written = build.quote_authorization(STAMP)
    assert parse.quote_authorization(written) == STAMP
    for name in ("id", "attributedTo", "interactingObject", "interactionTarget", "type"):
        with pytest.raises(Malformed):
            parse.quote_authorization({key: value for key, value in written.items() if key != name})
    with pytest.raises(Refused):
        parse.quote_authorization(written | {"attributedTo": OURS})


def test_a_quote_goes_out_under_all_its_names_and_comes_back_the_same() -> None:
    policy = QuotePolicy(automatic=(PUBLIC,), manual=(BERT,))
    post = Post(
        iri=STAMP.quoting, author=OURS, content="Ha", quote=NOTE, quote_authorization=STAMP.iri, can_quote=policy
    )
    doc = build.note(post)
    assert {doc[name] for name in ("quote", "quoteUrl", "quoteUri", "_misskey_quote")} == {NOTE}
    assert parse.post(doc) == post


@pytest.mark.parametrize("said", [None, "public", [], {"canQuote": None}, {"canQuote": "x"}, [{"canLike": {}}]])
def test_a_policy_that_cannot_be_read_was_not_said(said: Any) -> None:
    note = {"id": NOTE, "type": "Note", "attributedTo": BERT, "content": "x", "interactionPolicy": said}
    assert parse.post(note).can_quote is None


def test_an_empty_policy_lets_nobody_quote() -> None:
    note = {"id": NOTE, "type": "Note", "attributedTo": BERT, "content": "x"}
    said = parse.post(note | {"interactionPolicy": {"canQuote": {"automaticApproval": []}}}).can_quote
    assert said == QuotePolicy()
    many = {"canQuote": {"automaticApproval": [f"https://a.example/{number}" for number in range(999)]}}
    found = parse.post(note | {"interactionPolicy": many}).can_quote
    assert found is not None
    assert len(found.automatic) == 50
