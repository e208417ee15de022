"""Groups (FEP-1b12): what they may pass on, which is hints and nothing in another's name; and their documents."""

import json
from pathlib import Path
from typing import Any

import pytest

from activitypub import build, parse
from activitypub.authority import may_carry
from activitypub.documents import Activity
from activitypub.errors import Refused
from activitypub.vocabulary import Iri

GROUP = Iri("https://lemmy.example/c/queues")
HAL = "https://other.example/u/hal"
OURS = "https://eng.example"


def carried(kind: str = "Create", *, by: str = HAL, about: Any = "https://other.example/n/1", **more: Any) -> Activity:
    host = by.split("/")[2]
    return parse.activity({"id": f"https://{host}/activities/1", "type": kind, "actor": by, "object": about} | more)


def judge(said: Activity) -> None:
    may_carry(said, group=GROUP, own_origin=OURS)


@pytest.mark.parametrize("kind", ["Create", "Update", "Delete", "Like", "Undo"])
def test_what_somebody_did_with_their_own_may_be_passed_on(kind: str) -> None:
    judge(carried(kind))


def test_a_like_and_a_moderators_delete_are_about_anything() -> None:
    judge(carried("Like", about=f"{OURS}/users/anna/statuses/1"))
    judge(carried("Delete", about="https://third.example/n/1"))
    judge(carried("Create", by=f"{OURS}/users/anna", about=f"{OURS}/users/anna/statuses/1"))


@pytest.mark.parametrize(
    "wrong",
    [
        carried(id="https://lemmy.example/activities/1"),  # made by the group's own server
        carried(id=None),
        carried(about="https://third.example/n/1"),
        carried("Update", about=f"{OURS}/users/anna/statuses/1"),
        carried("Undo", about="https://third.example/likes/1"),
        carried("Delete", by=f"{OURS}/users/anna", about=f"{OURS}/users/anna/statuses/1"),
        carried("Update", by=f"{OURS}/users/anna", about=f"{OURS}/users/anna/statuses/1"),
        carried(by=GROUP, about="https://lemmy.example/n/1"),
        carried("Like", about=None),
    ],
)
def test_what_is_in_anothers_name_is_refused(wrong: Activity) -> None:
    with pytest.raises(Refused):
        judge(wrong)


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(__file__).parent / "documents" / f"{name}.json").read_text())
    return found


def test_a_group_names_its_moderators_and_a_post_its_group() -> None:
    group = parse.actor(document("lemmy_group"))
    assert group.moderators == "https://lemmy.example/c/queues/moderators"
    assert parse.actor(build.actor(group)).moderators == group.moderators
    page = parse.post(document("lemmy_page"))
    assert page.audience == (GROUP,)
    assert parse.post(build.note(page)).audience == page.audience
    assert build.note(page)["audience"] == GROUP


def test_what_names_no_collection_of_its_own_has_no_moderators() -> None:
    assert parse.actor(document("peertube_channel")).moderators is None  # embeds a person
    assert (
        parse.actor(document("mastodon_actor") | {"attributedTo": "https://mastodon.example/mods"}).moderators is None
    )
    assert parse.actor(document("lemmy_group") | {"attributedTo": "https://elsewhere.example/mods"}).moderators is None


def test_an_activity_that_is_passed_on_keeps_its_context_and_its_proof() -> None:
    inner = document("lemmy_announce")["object"] | {
        "@context": "https://www.w3.org/ns/activitystreams",
        "proof": {"a": 1},
    }
    told = build.announce(inner, iri=Iri("https://eng.example/a/1"), actor=Iri("https://eng.example/users/g"), to=[])
    assert told["object"] == inner
