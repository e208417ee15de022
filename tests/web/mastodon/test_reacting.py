"""Reactions and custom emoji through the client API."""

import asyncio
from urllib.parse import quote

import pytest

from activitypub.documents import Emoji
from node import emoji, posts, reacting
from node.imaging import process_image
from node.runtime import Node
from tests.support.actors import make_remote
from tests.support.pictures import moving_gif, png
from tests.support.posting import heard, say
from tests.support.statements import counted
from tests.web.conftest import Served
from tests.web.mastodon.conftest import MakeUser, User


async def put(node: Node, shortcode: str, data: bytes | None = None) -> int:
    image = await process_image(data or png(), node.settings.media_dir, slots=asyncio.Semaphore(1), limits=emoji.IMAGES)
    return await node.write(emoji.add, shortcode, image, "Machines")


@pytest.fixture(autouse=True)
def media_folder(node: Node) -> None:
    node.settings.media_dir.mkdir(exist_ok=True)


def path(node: Node, url: str) -> str:
    return url.removeprefix(node.urls.base)


async def test_a_reaction_is_shown_to_everybody_and_as_ones_own_to_oneself(anna: User, bert: User) -> None:
    posted = await anna.status()
    assert posted["reactions"] == []
    one = {"name": "❤️", "count": 1, "url": None, "static_url": None}
    seen = await bert.post(f"/api/v1/statuses/{posted['id']}/react/{quote('❤')}")
    assert seen["reactions"] == [one | {"me": True}]
    assert (await anna.get(f"/api/v1/statuses/{posted['id']}"))["reactions"] == [one | {"me": False}]
    await anna.call("PUT", f"/api/v1/pleroma/statuses/{posted['id']}/reactions/{quote('❤️')}")
    assert (await bert.get(f"/api/v1/statuses/{posted['id']}"))["reactions"] == [one | {"count": 2, "me": True}]
    await bert.post(f"/api/v1/statuses/{posted['id']}/unreact/{quote('❤️')}")
    gone = await anna.call("DELETE", f"/api/v1/pleroma/statuses/{posted['id']}/reactions/{quote('❤️')}")
    assert gone["reactions"] == []


async def test_who_reacted_is_listed(anna: User, bert: User) -> None:
    posted = await anna.status()
    for who, picture in ((bert, "👍"), (anna, "👍"), (anna, "🔥")):
        await who.post(f"/api/v1/statuses/{posted['id']}/react/{quote(picture)}")
    listed = await bert.get(f"/api/v1/pleroma/statuses/{posted['id']}/reactions")
    people = [(one["name"], one["count"], one["me"], [who["acct"] for who in one["accounts"]]) for one in listed]
    assert people == [("👍", 2, True, ["bert", "anna"]), ("🔥", 1, False, ["anna"])]
    (only,) = await bert.get(f"/api/v1/pleroma/statuses/{posted['id']}/reactions/{quote('🔥')}")
    assert only["name"] == "🔥"
    assert await bert.get(f"/api/v1/pleroma/statuses/{posted['id']}/reactions/{quote('🚀')}") == []


async def test_scopes_and_mistakes(anna: User, bert: User, make_user: MakeUser, served: Served) -> None:
    posted = await anna.status()
    reader = await make_user("rita", scopes="read")
    there = f"/api/v1/statuses/{posted['id']}/react"
    assert (await reader.send("POST", f"{there}/{quote('👍')}")).status_code == 403
    assert (await served.http.post(f"{there}/{quote('👍')}")).status_code == 401
    answer = await bert.send("POST", f"{there}/nonsense")
    assert (answer.status_code, answer.json()) == (422, {"error": "Validation failed: Name is not a recognized emoji"})
    assert (await bert.send("POST", f"{there}/%00")).status_code in (404, 422)
    own = await anna.status(visibility="private")
    for method, rest in (("POST", "react"), ("POST", "unreact")):
        answer = await bert.send(method, f"/api/v1/statuses/{own['id']}/{rest}/{quote('👍')}")
        assert answer.status_code == 404
    assert (await bert.send("GET", f"/api/v1/pleroma/statuses/{own['id']}/reactions")).status_code == 404


async def test_a_page_without_reactions_costs_no_statement_and_one_with_them_two(anna: User, bert: User) -> None:
    ids = [int((await anna.status(f"number {number}"))["id"]) for number in range(5)]
    await bert.get("/api/v1/timelines/public")

    async def statements() -> int:
        with counted() as run:
            await bert.get("/api/v1/timelines/public")
        return len(run)

    plain = await statements()
    for id_ in ids[:3]:
        await anna.node.write_as(bert.viewer, reacting.react, id_, "👍")
    assert await statements() == plain + 2


async def test_a_notification_is_a_favourite_with_the_emoji_unless_reactions_are_asked_for(
    anna: User, bert: User
) -> None:
    posted = await anna.status()
    await put(anna.node, "pump")
    await bert.post(f"/api/v1/statuses/{posted['id']}/react/pump")
    (told,) = await anna.get("/api/v1/notifications")
    assert (told["type"], told["emoji"], told["status"]["id"]) == ("favourite", ":pump:", posted["id"])
    assert told["emoji_url"].endswith("/image")
    assert (await anna.get(f"/api/v1/notifications/{told['id']}"))["type"] == "favourite"
    for asked, kinds in (
        ({"types[]": "reaction"}, ["reaction"]),
        ({"types[]": "pleroma:emoji_reaction"}, ["pleroma:emoji_reaction"]),
        ({"types[]": "favourite"}, ["favourite"]),
        ({"types[]": "mention"}, []),
        ({"exclude_types[]": "favourite"}, []),
    ):
        assert [one["type"] for one in await anna.call("GET", "/api/v1/notifications", params=asked)] == kinds


# --- custom emoji -------------------------------------------------------------------------------------------------


async def test_the_nodes_emoji_are_offered_and_known_by_their_content(anna: User, served: Served) -> None:
    first = await served.http.get("/api/v1/custom_emojis")
    assert first.json() == []
    emoji_id = await put(served.node, "pump")
    answer = await served.http.get("/api/v1/custom_emojis")
    urls = served.node.urls
    assert answer.json() == [
        {
            "shortcode": "pump",
            "url": urls.emoji_image(emoji_id),
            "static_url": urls.emoji_image(emoji_id, still=True),
            "visible_in_picker": True,
            "category": "Machines",
        }
    ]
    same = {"If-None-Match": answer.headers["etag"]}
    assert (await served.http.get("/api/v1/custom_emojis", headers=same)).status_code == 304
    await served.node.write(emoji.disable, "pump")
    again = await served.http.get("/api/v1/custom_emojis", headers=same)
    assert (again.status_code, again.json()) == (200, [])


async def test_a_post_a_name_and_a_poll_show_the_emoji_that_they_name(anna: User, bert: User) -> None:
    await put(anna.node, "pump")
    posted = await anna.status("The :pump: leaks at 10:30:15, says :nobody:")
    assert [one["shortcode"] for one in posted["emojis"]] == ["pump"]
    me = await anna.call("PATCH", "/api/v1/accounts/update_credentials", json={"display_name": "Anna :pump:"})
    assert [one["shortcode"] for one in me["emojis"]] == ["pump"]
    assert (await bert.get(f"/api/v1/statuses/{posted['id']}"))["account"]["emojis"] == me["emojis"]
    asked = await anna.status("Which?", poll={"options": ["the :pump:", "none"], "expires_in": 600})
    for poll in (asked["poll"], await bert.get(f"/api/v1/polls/{asked['poll']['id']}")):
        assert [one["shortcode"] for one in poll["emojis"]] == ["pump"]
    await anna.call("PUT", f"/api/v1/statuses/{posted['id']}", json={"status": "no more"})
    history = await anna.get(f"/api/v1/statuses/{posted['id']}/history")
    assert [[one["shortcode"] for one in state["emojis"]] for state in history] == [["pump"], []]


async def test_an_emoji_is_its_authors_servers(anna: User) -> None:
    node = anna.node
    await put(node, "pump")
    far, other = await make_remote(node, "bert"), await make_remote(node, "cleo", domain="other.example")
    theirs = (await node.write(emoji.learn, "field.example", [Emoji("pump", "https://field.example/p.png")]))["pump"]
    ids = [await heard(node, who, f"<p>:pump: by {who.domain}</p>") for who in (far, other)]
    ids.append(await say(node, anna.viewer, ":pump: by me"))
    shown = [(await anna.get(f"/api/v1/statuses/{id_}"))["emojis"] for id_ in ids]
    assert [[path(node, one["url"]) for one in some] for some in shown[:2]] == [[f"/emojis/{theirs}/image"], []]
    assert shown[0][0]["visible_in_picker"] is False
    assert len(shown[2]) == 1
    assert shown[2] != shown[0]


async def test_a_picture_is_served_here_and_no_more_when_it_is_disabled(anna: User, served: Served) -> None:
    emoji_id = await put(served.node, "pump", moving_gif())
    answers = [await served.http.get(f"/emojis/{emoji_id}/{part}") for part in ("image", "still")]
    assert [one.headers["content-type"] for one in answers] == ["image/gif", "image/jpeg"]
    assert all("sandbox" in one.headers["content-security-policy"] for one in answers)
    same = {"If-None-Match": answers[0].headers["etag"]}
    assert (await served.http.get(f"/emojis/{emoji_id}/image", headers=same)).status_code == 304
    await put(served.node, "pump")
    assert (await served.http.get(f"/emojis/{emoji_id}/image", headers=same)).headers["content-type"] == "image/png"
    await served.node.write(emoji.disable, "pump")
    for part in ("image", "still"):
        assert (await served.http.get(f"/emojis/{emoji_id}/{part}")).status_code == 404
    waiting = (await served.node.write(emoji.learn, "a.example", [Emoji("blob", "https://a.example/x.png")]))["blob"]
    for near in (str(waiting), "0", "x", "9" * 30):
        assert (await served.http.get(f"/emojis/{near}/image")).status_code == 404
    assert (
        await served.http.get(f"/emojis/{emoji_id}", headers={"Accept": "application/activity+json"})
    ).status_code == 401


@pytest.mark.parametrize("gone", ["disabled", "removed"])
async def test_what_was_rendered_before_stays_right(anna: User, served: Served, gone: str) -> None:
    await put(served.node, "pump")
    posted = await anna.status("The :pump:")
    (shown,) = posted["emojis"]
    rule = emoji.disable if gone == "disabled" else emoji.remove
    await served.node.write(rule, "pump")
    assert (await served.http.get(path(served.node, shown["url"]))).status_code == 404
    assert (await served.node.read(posts.get, int(posted["id"]))).rev == 0
