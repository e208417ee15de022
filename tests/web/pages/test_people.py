"""Profiles, follows, search, notifications, settings."""

import os

from activitypub.audience import Visibility
from node import accounts, auth, social
from node.schema import account, follow
from tests.support.actors import make_remote
from tests.support.posting import following, heard, say
from tests.support.rows import count_of, rows_of
from tests.web.conftest import PASSWORD, Served
from tests.web.pages.conftest import Visit, Visitor
from tests.web.pages.test_writing import png


def stored_files(served: Served) -> list[str]:
    return os.listdir(served.node.settings.media_dir)


async def test_a_profile_says_who_somebody_is_in_the_company(served: Served, visit: Visit, anna: Visitor) -> None:
    await visit("li", display_name="Li Chen", title="Materials engineer", manager="anna", department="Lab")
    page = await anna.get("/@li")
    assert "Materials engineer" in page.text
    assert "Lab" in page.text
    assert "Reports to Anna Berger" in page.text
    assert "/@anna" in page.links()
    assert "@li@eng.example" in page.text
    await anna.get("/@nobody", status=404)


async def test_following_and_unfollowing(served: Served, anna: Visitor, tom: Visitor) -> None:
    await say(served.node, anna.viewer, "from anna")
    assert "from anna" not in (await tom.get("/")).text
    await tom.submit(await tom.get("/@anna"), f"/people/{anna.id}/follow")
    assert tom.went_to == "/@anna"
    assert "from anna" in (await tom.get("/")).text
    assert "Tom Okafor" in (await anna.get("/@anna/followers")).text
    await tom.submit(await tom.get("/@anna"), f"/people/{anna.id}/unfollow")
    assert "from anna" not in (await tom.get("/")).text
    assert "Nobody yet" in (await anna.get("/@anna/followers")).text


async def test_whoever_is_locked_decides(served: Served, anna: Visitor, tom: Visitor) -> None:
    await served.node.write_as(anna.viewer, accounts.update_profile, accounts.ProfileChanges(locked=True))
    page = await tom.get("/@anna")
    assert "Ask to follow" in page.text
    await tom.submit(page, f"/people/{anna.id}/follow")
    assert "Withdraw request" in (await tom.get("/@anna")).text
    waiting = await anna.get("/notifications")
    assert "They ask to follow you" in waiting.text
    await anna.submit(waiting, f"/people/{tom.id}/accept")
    assert await count_of(served.node, follow, follow.c.state == "accepted") == 1
    assert "They ask to follow you" not in (await anna.get("/notifications")).text


async def test_blocking_ends_what_there_was(served: Served, anna: Visitor, tom: Visitor) -> None:
    await following(served.node, tom.viewer, anna.viewer)
    post_id = await say(served.node, anna.viewer, "from anna")
    await anna.submit(await anna.get("/@tom"), f"/people/{tom.id}/block")
    assert "from anna" not in (await tom.get("/@anna")).text
    await tom.get(f"/@anna/{post_id}", status=404)
    assert not (await tom.get("/@anna")).has_form(f"/people/{anna.id}/follow")
    await anna.submit(await anna.get("/@tom"), f"/people/{tom.id}/unblock")
    await tom.get(f"/@anna/{post_id}")


async def test_people_of_other_departments_have_pages_too(served: Served, anna: Visitor) -> None:
    bert = await make_remote(
        served.node, "bert", name="Bert <i>Bold", icon={"type": "Image", "url": "javascript:alert(1)"}
    )
    await heard(served.node, bert, "<p>from the field</p>")
    page = await anna.get("/@bert@field.example")
    assert "from the field" in page.text
    assert "field.example" in page.text
    assert not any(tag == "i" for tag, _ in page.tags)
    assert not any("javascript" in value for _, values in page.tags for value in values.values())
    assert "https://field.example/@bert" in page.links()
    await anna.submit(page, f"/people/{bert.account_id}/follow")
    assert "Withdraw request" in (await anna.get("/@bert@field.example")).text
    await anna.get("/@carl@nowhere.invalid", status=404)


async def test_tabs_show_answers_and_pictures(served: Served, anna: Visitor, tom: Visitor) -> None:
    asked = await say(served.node, tom.viewer, "a question")
    await say(served.node, anna.viewer, "an answer", in_reply_to_id=asked)
    await anna.submit(
        await anna.get("/"), "/posts", text="a picture", files={"picture_1": ("a.png", png(), "image/png")}
    )
    seen = {tab: (await tom.get(f"/@anna?tab={tab}")).text for tab in ("posts", "replies", "media")}
    assert "a picture" in seen["posts"]
    assert "an answer" not in seen["posts"]
    assert "an answer" in seen["replies"]
    assert "a picture" in seen["media"]
    assert "an answer" not in seen["media"]
    await tom.get("/@anna?tab=secrets", status=404)


async def test_older_posts_are_one_link_away(served: Served, anna: Visitor) -> None:
    for number in range(23):
        await say(served.node, anna.viewer, f"number {number:02}")
    for path in ("/", "/local", "/company", "/@anna"):
        page = await anna.get(path)
        assert "number 03" in page.text
        assert "number 02" not in page.text
        older = next(link for link in page.links() if "max_id=" in link)
        second = await anna.get(older)
        assert "number 02" in second.text
        assert "number 03" not in second.text
        assert not any("max_id=" in link for link in second.links())


async def test_a_tag_can_be_followed_before_anybody_used_it(served: Served, anna: Visitor, tom: Visitor) -> None:
    page = await tom.get("/tags/Cavitation")
    assert "No posts with #cavitation" in page.text
    await tom.submit(page, "/tags/cavitation/follow")
    await say(served.node, anna.viewer, "First signs of #Cavitation")
    assert "First signs" in (await tom.get("/")).text
    page = await tom.get("/tags/CAVITATION")
    assert "1 post in the last seven days" in page.text
    await tom.submit(page, "/tags/cavitation/unfollow")
    assert "First signs" not in (await tom.get("/")).text
    await tom.get("/tags/%20", status=404)


async def test_search_finds_people_posts_and_tags_one_may_see(served: Served, anna: Visitor, tom: Visitor) -> None:
    await say(served.node, anna.viewer, "The impeller cavitates #Impeller")
    await say(served.node, anna.viewer, "A secret impeller", visibility=Visibility.FOLLOWERS)
    page = await tom.get("/search?q=impeller")
    assert "cavitates" in page.text
    assert "secret" not in page.text
    assert "/tags/impeller" in page.links()
    assert "/@anna" in (await tom.get("/search?q=Berger")).links()
    assert "Nothing found" in (await tom.get("/search?q=xylophone")).text
    wrong = await tom.get("/search?q=after:yesterday", status=422)
    assert wrong.alert
    await tom.get("/search?q=@anna@eng.example", status=303)
    assert tom.went_to == "/@anna"


async def test_an_address_of_a_post_leads_to_it_only_for_those_who_may_see_it(
    served: Served, anna: Visitor, tom: Visitor
) -> None:
    post_id = await say(served.node, anna.viewer, "hidden words", visibility=Visibility.FOLLOWERS)
    address = served.node.urls.post("anna", post_id)
    await anna.get(f"/search?q={address}", status=303)
    assert anna.went_to == f"/@anna/{post_id}"
    page = await tom.get(f"/search?q={address}")
    assert "hidden words" not in page.text


async def test_notifications_are_counted_until_they_are_seen(served: Served, anna: Visitor, tom: Visitor) -> None:
    post_id = await say(served.node, anna.viewer, "look")
    await tom.submit(await tom.get("/local"), f"/posts/{post_id}/favourite")
    await say(served.node, tom.viewer, "@anna have you seen?")
    await served.node.write_as(tom.viewer, social.follow, anna.id)
    assert "3 new" in (await anna.get("/")).text
    page = await anna.get("/notifications")
    for words in ("favourited your post", "mentioned you", "follows you", "have you seen?"):
        assert words in page.text
    assert "3 new" not in (await anna.get("/")).text


async def test_the_profile_is_kept_as_it_is_written(served: Served, anna: Visitor) -> None:
    page = await anna.get("/settings")
    assert page.form("/settings").fields["display_name"] == "Anna Berger"
    await anna.submit(
        page,
        "/settings",
        display_name="Anna B.",
        note="Ask me about #vibration",
        label_0="Lab",
        value_0="Hall 3",
        visibility="unlisted",
        local_only="true",
        files={"avatar": ("me.png", png(), "image/png")},
    )
    page = await anna.get(anna.went_to)
    assert "is saved" in page.text
    box = (await anna.get("/")).form("/posts")
    assert (box.fields["visibility"], box.fields["local_only"]) == ("unlisted", "true")
    page = await anna.get("/@anna")
    assert "Anna B." in page.text
    assert "Lab Hall 3" in page.text
    assert "/tags/vibration" in page.links()
    row = (await rows_of(served.node, account, account.c.id == anna.id))[0]
    assert stored_files(served) == [row.avatar]
    assert (await anna.http.get(f"/media/{row.avatar}")).headers["content-type"].startswith("image/")
    await anna.submit(await anna.get("/settings"), "/settings", no_avatar="true")
    assert (await rows_of(served.node, account, account.c.id == anna.id))[0].avatar is None


async def test_a_profile_that_cannot_be_comes_back(served: Served, anna: Visitor) -> None:
    page = await anna.get("/settings")
    files = {"avatar": ("me.png", png(), "image/png")}
    again = await anna.submit(page, "/settings", status=422, note="x" * 600, display_name="New name", files=files)
    assert "500" in again.alert
    assert again.form("/settings").fields["note"] == "x" * 600
    assert again.form("/settings").fields["display_name"] == "New name"
    assert (await rows_of(served.node, account, account.c.id == anna.id))[0].display_name == "Anna Berger"
    assert stored_files(served) == []


async def test_a_new_password_signs_everybody_else_out(served: Served, visit: Visit, anna: Visitor) -> None:
    other = await visit()
    await other.sign_in("anna")
    token = await served.node.write(auth.make_token, anna.id)
    page = await anna.get("/settings/password")
    await anna.submit(page, "/settings/password", status=422, current="wrong", password="a better password")
    short = await anna.submit(page, "/settings/password", status=422, current=PASSWORD, password="short")
    assert "too short" in short.alert
    await other.get("/")
    await anna.submit(page, "/settings/password", current=PASSWORD, password="a better password")
    assert "password is changed" in (await anna.get(anna.went_to)).text
    await other.get("/", status=303)
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await served.http.get("/api/v1/accounts/verify_credentials", headers=bearer)).status_code == 401
    await other.sign_in("anna", PASSWORD, status=422)
    await other.sign_in("anna", "a better password")


async def test_errors_are_pages(anna: Visitor) -> None:
    page = await anna.get("/no/such/page", status=404)
    assert "not found" in page.alert
    assert "/" in page.links()
    assert (await anna.http.post("/local")).status_code == 405
