"""Who may answer a Follow of a tag: the server whose tag it is, as far as ids tell."""

from typing import Any

import pytest

from activitypub import authority, parse
from activitypub.errors import Refused
from activitypub.vocabulary import Iri

OURS, THEIRS = "https://eng.example", "https://field.example"


def answer(**changes: Any) -> dict[str, Any]:
    follow = {"id": f"{OURS}/f/1", "type": "Follow", "actor": f"{OURS}/actor", "object": f"{THEIRS}/tags/pump"}
    return {
        "id": f"{THEIRS}/accepts/1",
        "type": "Accept",
        "actor": f"{THEIRS}/actor",
        "object": follow | changes,
    }


def check(doc: dict[str, Any]) -> None:
    authority.check(parse.activity(doc), signer=Iri(doc["actor"]), own_origin=OURS)


@pytest.mark.parametrize("kind", ["Accept", "Reject"])
def test_the_tags_own_server_may_answer(kind: str) -> None:
    check(answer() | {"type": kind})


@pytest.mark.parametrize(
    "changes",
    [
        {"object": "https://other.example/tags/pump"},
        {"object": f"{THEIRS}/users/bert"},
        {"object": f"{THEIRS}/tagsx/pump"},
        {"object": [f"{THEIRS}/tags/pump", "https://other.example/tags/pump"]},
        {"actor": f"{THEIRS}/actor"},
        {"object": 5},
    ],
)
def test_nobody_else_may_and_nothing_else(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        check(answer(**changes))
