"""Polls on pages: written, voted on and read without script."""

from typing import Any

from node.schema import poll
from tests.support.clocks import Clock
from tests.support.rows import rows_of
from tests.web.conftest import Served
from tests.web.pages.conftest import Visitor

FORM: dict[str, Any] = {
    "text": "When do we meet?",
    "poll[options][0]": "Monday",
    "poll[options][1]": "<b>Tuesday",
    "poll[options][]": None,
    "poll[expires_in]": "3600",
}
FIRST: dict[str, Any] = {"choices[]": "0"}
SECOND: dict[str, Any] = {"choices[]": "1"}


async def test_a_poll_is_asked_voted_on_and_read(served: Served, anna: Visitor, tom: Visitor, clock: Clock) -> None:
    await anna.submit(await anna.get("/"), "/posts", **FORM)
    (row,) = await rows_of(served.node, poll)
    assert [one["title"] for one in row.options] == ["Monday", "<b>Tuesday"]
    action = f"/posts/{row.id}/vote"
    assert not (await anna.get("/")).has_form(action)  # her own
    page = await tom.get("/company")
    assert "Choose one Monday <b>Tuesday Vote" in page.text
    await tom.submit(page, action, **SECOND)
    assert tom.went_to == f"/company#post-{row.id}"
    page = await tom.get("/company")
    assert not page.has_form(action)
    assert "Monday: 0 %" in page.text
    assert "<b>Tuesday (your choice): 100 %" in page.text
    assert "1 person voted · open until" in page.text
    clock.now += 3600
    assert "1 person voted · ended" in (await tom.get("/company")).text


async def test_hidden_numbers_are_not_on_the_page(served: Served, anna: Visitor, tom: Visitor) -> None:
    await anna.submit(await anna.get("/"), "/posts", **(FORM | {"poll[hide_totals]": "true"}))
    page = await anna.get("/")
    assert "%" not in page.text
    assert "numbers are shown at the end" in page.text


async def test_a_second_vote_says_so_and_changes_nothing(served: Served, anna: Visitor, tom: Visitor) -> None:
    await anna.submit(await anna.get("/"), "/posts", **FORM)
    (row,) = await rows_of(served.node, poll)
    page = await tom.get("/company")
    await tom.submit(page, f"/posts/{row.id}/vote", **SECOND)
    again = await tom.submit(page, f"/posts/{row.id}/vote", status=422, **FIRST)
    assert "You have already voted on this poll" in again.text
    (row,) = await rows_of(served.node, poll)
    assert [one["votes"] for one in row.options] == [0, 1]


async def test_a_poll_that_cannot_be_comes_back_as_it_was_written(anna: Visitor) -> None:
    one_choice = FORM | {"poll[options][1]": None, "poll[multiple]": "true"}
    page = await anna.submit(await anna.get("/"), "/posts", status=422, **one_choice)
    assert page.alert == "Choices must have more than one item"
    fields = page.form("/posts").fields
    assert (fields["text"], fields["poll[multiple]"], fields["poll[expires_in]"]) == (FORM["text"], "true", "3600")
    assert 'value="Monday"' in page.markup


async def test_a_post_without_choices_is_no_poll(served: Served, anna: Visitor) -> None:
    await anna.submit(await anna.get("/"), "/posts", text="No question")
    assert await rows_of(served.node, poll) == []
