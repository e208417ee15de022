"""Polls through the client API, as clients send them and count on them."""

from typing import Any

from activitypub.documents import Option, Poll
from activitypub.vocabulary import AP_TYPE
from node.schema import poll_vote
from tests.support.actors import make_remote
from tests.support.clocks import Clock
from tests.support.posting import heard
from tests.support.rows import rows_of
from tests.web.mastodon.conftest import User

POLL: dict[str, Any] = {"options": ["Monday", "Tuesday"], "expires_in": 3600}


async def asked(who: User, **changes: Any) -> Any:
    """The Status of a new post with a poll."""
    return await who.status("When do we meet?", poll={**POLL, **changes})


async def error(who: User, method: str, path: str, status: int, **options: Any) -> str:
    answer = await who.send(method, path, **options)
    assert answer.status_code == status, answer.text
    return str(answer.json()["error"])


async def test_a_poll_is_whole(anna: User) -> None:
    poll = (await asked(anna))["poll"]
    assert poll == {
        "id": poll["id"],
        "expires_at": "2026-09-21T15:13:20.000Z",
        "expired": False,
        "multiple": False,
        "votes_count": 0,
        "voters_count": 0,
        "options": [{"title": "Monday", "votes_count": 0}, {"title": "Tuesday", "votes_count": 0}],
        "emojis": [],
        "voted": True,
        "own_votes": [],
    }
    assert await anna.get(f"/api/v1/polls/{poll['id']}") == poll


SENT: tuple[dict[str, Any], ...] = (
    {
        "data": {
            "status": "x",
            "poll[options][]": ["a", "b"],
            "poll[expires_in]": "300",
            "poll[multiple]": "1",
            "poll[hide_totals]": "false",
        }
    },
    {"json": {"status": "x", "poll": {"options": ["a", "b"], "expires_in": "300", "multiple": "true"}}},
    {"json": {"status": "x", "poll": {"options": ["a", "b"], "expires_in": 300, "multiple": 1, "hide_totals": "0"}}},
)
"""As a form, with texts and with numbers."""


async def test_a_poll_is_taken_in_every_form_that_clients_send(anna: User) -> None:
    for sent in SENT:
        poll = (await anna.call("POST", "/api/v1/statuses", **sent))["poll"]
        assert [one["title"] for one in poll["options"]] == ["a", "b"]
        assert (poll["multiple"], poll["expires_at"]) == (True, "2026-09-21T14:18:20.000Z")


REFUSED: tuple[tuple[Any, str], ...] = (
    ({**POLL, "options": ["a"]}, "Choices must have more than one item"),
    ({**POLL, "expires_in": 1}, "Deadline is too soon"),
    ({"options": ["a", "b"]}, "Deadline can't be blank"),
    ({**POLL, "expires_in": "soon"}, "poll[expires_in] must be a whole number"),
    ({**POLL, "options": [["a"], "b"]}, "poll[options] must be text"),
    ({}, "Choices can't be blank"),
    (["a", "b"], "poll must be an object"),
    ("a", "poll must be an object"),
)


async def test_a_poll_that_cannot_be_is_422_and_no_post(anna: User) -> None:
    for poll, said in REFUSED:
        refused = await error(anna, "POST", "/api/v1/statuses", 422, json={"status": "x", "poll": poll})
        assert refused == f"Validation failed: {said}"
    assert await anna.get(f"/api/v1/accounts/{anna.id}/statuses") == []


async def test_a_poll_with_pictures_is_422(anna: User) -> None:
    sent = {"status": "x", "poll": POLL, "media_ids": ["1"]}
    assert "not both" in await error(anna, "POST", "/api/v1/statuses", 422, json=sent)


async def test_no_poll_is_no_poll(anna: User) -> None:
    assert (await anna.status("x", poll=None))["poll"] is None


async def test_a_vote_answers_the_poll_as_it_is_now(anna: User, bert: User) -> None:
    sent: tuple[dict[str, Any], ...] = (
        {"json": {"choices": [1]}},
        {"json": {"choices": ["1"]}},
        {"data": {"choices[]": "1"}},
    )
    for choices in sent:
        status = await asked(anna)
        poll = await bert.call("POST", f"/api/v1/polls/{status['poll']['id']}/votes", **choices)
        assert (poll["voted"], poll["own_votes"], poll["votes_count"], poll["voters_count"]) == (True, [1], 1, 1)
        assert [one["votes_count"] for one in poll["options"]] == [0, 1]
        assert (await bert.get(f"/api/v1/statuses/{status['id']}"))["poll"] == poll


async def test_what_goes_wrong_is_said_as_mastodon_says_it(anna: User, bert: User, clock: Clock) -> None:
    votes = f"/api/v1/polls/{(await asked(anna))['poll']['id']}/votes"
    for choice in (7, "x", "-1", "9" * 20):
        said = await error(bert, "POST", votes, 422, json={"choices": [choice]})
        assert said == "Validation failed: The chosen vote option does not exist"
    assert "choices" in await error(bert, "POST", votes, 422, json={})
    await bert.post(votes, choices=[0])
    said = await error(bert, "POST", votes, 422, json={"choices": [1]})
    assert said == "Validation failed: You have already voted on this poll"
    said = await error(anna, "POST", votes, 422, json={"choices": [1]})
    assert said == "Validation failed: You cannot vote in your own polls"
    clock.now += 3600
    said = await error(bert, "POST", votes, 422, json={"choices": [1]})
    assert said == "Validation failed: The poll has already ended"
    assert await error(bert, "POST", "/api/v1/polls/12345/votes", 404, json={"choices": [0]}) == "Record not found"


async def test_who_may_not_see_a_poll_finds_none(anna: User, bert: User, carl: User) -> None:
    await bert.follow(anna)
    poll_id = (await anna.status("x", poll=POLL, visibility="private"))["poll"]["id"]
    await bert.get(f"/api/v1/polls/{poll_id}")
    assert await error(carl, "GET", f"/api/v1/polls/{poll_id}", 404)
    assert await error(carl, "POST", f"/api/v1/polls/{poll_id}/votes", 404, json={"choices": [0]})


async def test_voting_needs_the_right_to_write(anna: User, make_user: Any) -> None:
    poll_id = (await asked(anna))["poll"]["id"]
    reader = await make_user("dora", scopes="read")
    assert await error(reader, "POST", f"/api/v1/polls/{poll_id}/votes", 403, json={"choices": [0]})
    answer = await anna.served.http.post(f"/api/v1/polls/{poll_id}/votes", json={"choices": [0]})
    assert answer.status_code == 401


async def test_hidden_numbers_are_shown_at_the_end_and_to_nobody_before(anna: User, bert: User, clock: Clock) -> None:
    poll_id = (await asked(anna, hide_totals=True))["poll"]["id"]
    voted = await bert.post(f"/api/v1/polls/{poll_id}/votes", choices=[0])
    for seen in (voted, await anna.get(f"/api/v1/polls/{poll_id}")):
        assert [one["votes_count"] for one in seen["options"]] == [None, None]
        assert seen["voters_count"] == 1
    clock.now += 3600
    seen = await bert.get(f"/api/v1/polls/{poll_id}")
    assert ([one["votes_count"] for one in seen["options"]], seen["expired"]) == ([1, 0], True)


async def test_other_choices_take_votes_anew_and_the_history_keeps_the_old_ones(anna: User, bert: User) -> None:
    status = await asked(anna)
    await bert.post(f"/api/v1/polls/{status['poll']['id']}/votes", choices=[0])
    path = f"/api/v1/statuses/{status['id']}"
    same = await anna.call("PUT", path, json={"status": "When?"})
    assert same["poll"]["votes_count"] == 1
    changed = await anna.call("PUT", path, json={"status": "When?", "poll": {**POLL, "options": ["May", "June"]}})
    assert [one["votes_count"] for one in changed["poll"]["options"]] == [0, 0]
    assert (await bert.get(path))["poll"]["voted"] is False
    titles = [[one["title"] for one in state["poll"]["options"]] for state in await anna.get(f"{path}/history")]
    assert titles == [POLL["options"], POLL["options"], ["May", "June"]]
    gone = await anna.call("PUT", path, json={"status": "Never mind", "poll": None})
    assert gone["poll"] is None


async def test_the_instance_says_what_is_checked(anna: User) -> None:
    limits = (await anna.get("/api/v2/instance"))["configuration"]["polls"]
    most = [
        f"{number:{limits['max_characters_per_option']}}".replace(" ", "x") for number in range(limits["max_options"])
    ]
    await asked(anna, options=most, expires_in=limits["min_expiration"])
    await asked(anna, expires_in=limits["max_expiration"])
    for beyond in (
        {"options": [*most, "y"]},
        {"options": [most[0], most[1] + "y"]},
        {"expires_in": limits["max_expiration"] + 1},
        {"expires_in": limits["min_expiration"] - 1},
    ):
        await error(anna, "POST", "/api/v1/statuses", 422, json={"status": "x", "poll": POLL | beyond})


async def test_the_id_of_a_vote_leads_nowhere(anna: User) -> None:
    far = await make_remote(anna.node)
    asked_there = Poll(options=(Option("yes", 0), Option("no", 0)), ends_at=anna.node.now() + 1000)
    post_id = await heard(anna.node, far, object_type="Question", poll=asked_there)
    await anna.post(f"/api/v1/polls/{post_id}/votes", choices=[0])
    (vote,) = await rows_of(anna.node, poll_vote)
    for iri in (vote.iri, f"{vote.iri}/activity"):
        path = iri.removeprefix(anna.node.settings.base)
        assert path != iri
        for who in (anna.headers, {}):
            answer = await anna.served.http.get(path, headers={"Accept": AP_TYPE, **who})
            assert answer.status_code == 404
