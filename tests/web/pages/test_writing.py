"""Posts, answers, edits and reactions, by the forms that are on the pages."""

import io

import pytest
from PIL import Image
from sqlalchemy import select

from activitypub.audience import Visibility
from node.schema import media, post
from tests.support.actors import make_remote
from tests.support.posting import following, heard, say
from tests.support.rows import count_of, rows_of
from tests.web.conftest import Served
from tests.web.pages.conftest import Visitor

SCRIPT = "<script>alert(1)</script>"
BREAKOUT = "\"'></textarea></title><img src=x onerror=alert(1)>"


def png(side: int = 40) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (side, side), "#336699").save(stream, "PNG")
    return stream.getvalue()


async def test_a_post_is_on_the_home_page_where_the_form_leads(served: Served, anna: Visitor) -> None:
    page = await anna.get("/")
    await anna.submit(page, "/posts", text="The seal leaks above 80 °C.\r\nTwo lines. #Pump")
    row = (await rows_of(served.node, post))[-1]
    assert anna.went_to == f"/#post-{row.id}"
    assert row.text == "The seal leaks above 80 °C.\nTwo lines. #Pump"
    page = await anna.get("/")
    assert "The seal leaks above 80 °C." in page.text
    assert ("article", f"post-{row.id}") in [(tag, values.get("id")) for tag, values in page.tags]
    assert "/tags/pump" in page.links()


async def test_what_people_write_is_never_markup(served: Served, anna: Visitor) -> None:
    post_id = await say(served.node, anna.viewer, SCRIPT + BREAKOUT, spoiler=SCRIPT + BREAKOUT)
    settings = await anna.get("/settings")
    await anna.submit(settings, "/settings", display_name=BREAKOUT, note=SCRIPT, label_0="<b>x", value_0=SCRIPT)
    query = "%3Cscript%3Ealert(1)%3C/script%3E%22%3E%3Cimg src=x onerror=alert(1)%3E"
    for path in (
        "/",
        "/@anna",
        f"/@anna/{post_id}",
        f"/posts/{post_id}/edit",
        f"/search?q={query}",
        f"/compose?text={query}",
        "/settings",
        "/local",
    ):
        page = await anna.get(path)
        tags = [tag for tag, _ in page.tags]
        assert "script" not in tags, path
        assert not any(name.startswith("on") for _, values in page.tags for name in values), path
        assert {values.get("src") for values in page.images()} <= {"/static/header.png"}, path
    assert "alert(1)" in (await anna.get("/@anna")).text


async def test_no_page_has_script_or_style_of_its_own(served: Served, anna: Visitor) -> None:
    post_id = await say(served.node, anna.viewer, "hello")
    for path in ("/", f"/@anna/{post_id}", "/@anna", "/search", "/settings", "/notifications", "/sign-in"):
        anna.last = await anna.http.get(path, follow_redirects=True)
        page = await anna.get(anna.last.url.path)
        assert not any(tag in ("script", "style") or "style" in values for tag, values in page.tags)
        policy = anna.last.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe-inline" not in policy


async def test_a_post_that_cannot_be_comes_back_with_everything_written(served: Served, anna: Visitor) -> None:
    page = await anna.get("/")
    again = await anna.submit(
        page,
        "/posts",
        status=422,
        text="for @bert@field.example only",
        spoiler="about seals",
        visibility="unlisted",
        local_only="true",
        files={"picture_1": ("seal.png", png(), "image/png")},
        alt_1="A worn seal",
    )
    assert "stays within the department" in again.alert
    fields = again.form("/posts").fields
    assert fields["text"] == "for @bert@field.example only"
    assert fields["spoiler"] == "about seals"
    assert fields["visibility"] == "unlisted"
    assert fields["local_only"] == "true"
    assert fields[f"kept_{fields['kept']}"] == "A worn seal"
    assert await count_of(served.node, post) == 0
    await anna.submit(again, "/posts", text="for us only")
    row = (await rows_of(served.node, post))[0]
    assert (row.text, row.spoiler, row.visibility, row.local_only) == ("for us only", "about seals", 1, True)
    attached = await rows_of(served.node, media, media.c.post_id == row.id)
    assert [one.description for one in attached] == ["A worn seal"]
    page = await anna.get(f"/@anna/{row.id}")
    assert "A worn seal" in [values.get("alt") for values in page.images()]
    assert "Stays in Engineering" in page.text


async def test_an_empty_post_and_a_file_that_is_no_picture_are_refused(served: Served, anna: Visitor) -> None:
    page = await anna.get("/")
    empty = await anna.submit(page, "/posts", status=422, text="  ")
    assert "blank" in empty.alert
    files = {"picture_1": ("x.png", b"<svg onload=alert(1)>", "image/png")}
    wrong = await anna.submit(page, "/posts", status=422, text="look", files=files)
    assert "not an image" in wrong.alert
    assert wrong.form("/posts").fields["text"] == "look"
    assert await count_of(served.node, post) == 0


async def test_pictures_of_somebody_else_cannot_be_attached(served: Served, anna: Visitor, tom: Visitor) -> None:
    page = await anna.get("/")
    files = {"picture_1": ("a.png", png(), "image/png")}
    refused = await anna.submit(page, "/posts", status=422, text="", visibility="sideways", files=files)
    kept = refused.form("/posts").fields["kept"]
    page = await tom.get("/")
    await tom.submit(page, "/posts", status=404, text="mine now", kept=kept)
    assert await count_of(served.node, post) == 0


async def test_the_same_form_sent_twice_is_one_post(served: Served, anna: Visitor) -> None:
    page = await anna.get("/")
    for _ in range(2):
        await anna.submit(page, "/posts", text="clicked twice")
    assert await count_of(served.node, post) == 1
    await anna.submit(await anna.get("/"), "/posts", text="clicked twice")
    assert await count_of(served.node, post) == 2


async def test_an_answer_goes_to_those_it_answers_and_no_further(served: Served, anna: Visitor, tom: Visitor) -> None:
    asked = await say(served.node, anna.viewer, "Who knows @tom?", visibility=Visibility.FOLLOWERS, spoiler="pumps")
    page = await tom.get(f"/@anna/{asked}")
    form = page.form("/posts")
    assert form.fields["text"] == "@anna "
    assert form.fields["spoiler"] == "pumps"
    assert form.options["visibility"] == ["followers", "direct"]
    await tom.submit(page, "/posts", text="@anna I do", visibility="public")
    answer = (await rows_of(served.node, post))[-1]
    assert (answer.in_reply_to_id, answer.visibility) == (asked, Visibility.FOLLOWERS)
    assert tom.went_to == f"/@anna/{asked}#post-{answer.id}"
    page = await anna.get(f"/@anna/{asked}")
    assert "I do" in page.text
    assert "1 answer" in page.text


async def test_an_answer_to_the_department_stays_there(served: Served, anna: Visitor, tom: Visitor) -> None:
    asked = await say(served.node, anna.viewer, "among us", local_only=True)
    page = await tom.get(f"/@anna/{asked}")
    assert page.form("/posts").fields["local_only"] == "true"
    await tom.submit(page, "/posts", text="@anna yes", local_only=None)
    assert (await rows_of(served.node, post))[-1].local_only is True


async def test_a_thread_is_shown_in_reading_order(served: Served, anna: Visitor, tom: Visitor) -> None:
    first = await say(served.node, anna.viewer, "one")
    second = await say(served.node, tom.viewer, "two", in_reply_to_id=first)
    third = await say(served.node, anna.viewer, "three", in_reply_to_id=second)
    page = await tom.get(f"/@tom/{second}")
    shown = [values["id"] for tag, values in page.tags if tag == "article"]
    assert shown == [f"post-{id_}" for id_ in (first, second, third)]
    await tom.get(f"/@anna/{second}", status=303)
    assert tom.went_to == f"/@tom/{second}"


async def test_posts_for_others_are_not_there(served: Served, anna: Visitor, tom: Visitor) -> None:
    for visibility in (Visibility.FOLLOWERS, Visibility.DIRECT):
        post_id = await say(served.node, anna.viewer, "not for tom", visibility=visibility)
        await tom.get(f"/@anna/{post_id}", status=404)
        page = await tom.get("/")
        csrf = page.form("/posts").fields["csrf"]
        for act in ("favourite", "boost", "bookmark"):
            sent = {"csrf": csrf, "back": "/"}
            assert (await tom.http.post(f"/posts/{post_id}/{act}", data=sent)).status_code == 404
        sent = {"csrf": csrf, "text": "hello", "in_reply_to": str(post_id)}
        assert (await tom.http.post("/posts", data=sent)).status_code == 404


@pytest.mark.parametrize(
    ("do", "undo", "column"),
    [("favourite", "unfavourite", "favourites_count"), ("boost", "unboost", "boosts_count")],
)
async def test_reactions_are_made_and_taken_back(
    served: Served, anna: Visitor, tom: Visitor, do: str, undo: str, column: str
) -> None:
    await following(served.node, tom.viewer, anna.viewer)
    post_id = await say(served.node, anna.viewer, "look")
    for act, count in ((do, 1), (undo, 0)):
        page = await tom.get("/")
        await tom.submit(page, f"/posts/{post_id}/{act}")
        assert tom.went_to.startswith("/#post-")
        stored = await served.node.read(lambda tx: tx.scalar(select(post.c[column]).where(post.c.id == post_id)))
        assert stored == count


async def test_a_boost_and_the_post_itself_are_one_card(served: Served, anna: Visitor, tom: Visitor) -> None:
    await following(served.node, tom.viewer, anna.viewer)
    post_id = await say(served.node, anna.viewer, "look")
    await tom.submit(await tom.get("/"), f"/posts/{post_id}/boost")
    page = await tom.get("/")
    assert len([tag for tag, _ in page.tags if tag == "article"]) == 1
    assert "You boosted" in page.text


async def test_bookmarks_and_favourites_have_pages(served: Served, anna: Visitor, tom: Visitor) -> None:
    post_id = await say(served.node, anna.viewer, "worth keeping")
    for act, path in (("bookmark", "/bookmarks"), ("favourite", "/favourites")):
        assert "worth keeping" not in (await tom.get(path)).text
        await tom.submit(await tom.get("/local"), f"/posts/{post_id}/{act}")
        assert "worth keeping" in (await tom.get(path)).text


async def test_an_edit_changes_the_text_and_only_ones_own(served: Served, anna: Visitor, tom: Visitor) -> None:
    post_id = await say(served.node, anna.viewer, "leaks above 80 °C", spoiler="seals")
    page = await anna.get(f"/posts/{post_id}/edit")
    assert page.form(f"/posts/{post_id}/edit").fields["text"] == "leaks above 80 °C"
    wrong = await anna.submit(page, f"/posts/{post_id}/edit", status=422, text=" ", spoiler="")
    assert "blank" in wrong.alert
    await anna.submit(page, f"/posts/{post_id}/edit", text="leaks above 75 °C")
    assert anna.went_to == f"/@anna/{post_id}"
    assert "75 °C" in (await anna.get(anna.went_to)).text
    await tom.get(f"/posts/{post_id}/edit", status=404)
    sent = {"csrf": await tom.token(), "text": "tom was here"}
    assert (await tom.http.post(f"/posts/{post_id}/edit", data=sent)).status_code == 404
    assert "tom was here" not in (await anna.get(f"/@anna/{post_id}")).text


async def test_deleting_is_for_the_author(served: Served, anna: Visitor, tom: Visitor) -> None:
    post_id = await say(served.node, anna.viewer, "a mistake")
    assert not (await tom.get(f"/@anna/{post_id}")).has_form(f"/posts/{post_id}/delete")
    sent = {"csrf": await tom.token(), "back": "/"}
    assert (await tom.http.post(f"/posts/{post_id}/delete", data=sent)).status_code == 404
    await anna.submit(await anna.get(f"/@anna/{post_id}"), f"/posts/{post_id}/delete")
    assert anna.went_to == "/"
    await anna.get(f"/@anna/{post_id}", status=410)


async def test_a_form_comes_back_to_this_site_only(served: Served, anna: Visitor) -> None:
    post_id = await say(served.node, anna.viewer, "look")
    page = await anna.get("/")
    await anna.submit(page, f"/posts/{post_id}/favourite", back="https://evil.example/")
    assert anna.went_to == "/"
    await anna.submit(page, f"/posts/{post_id}/favourite", back="/tags/pump#post-1")
    assert anna.went_to == "/tags/pump#post-1"


async def test_an_act_that_does_not_exist_is_404(served: Served, anna: Visitor) -> None:
    post_id = await say(served.node, anna.viewer, "look")
    sent = {"csrf": await anna.token()}
    for path in (f"/posts/{post_id}/explode", "/people/1/explode", "/tags/pump/explode", "/posts/xyz/favourite"):
        assert (await anna.http.post(path, data=sent)).status_code == 404


async def test_links_in_posts_of_peers_lead_to_pages_of_this_node(served: Served, anna: Visitor) -> None:
    bert = await make_remote(served.node, "bert")
    content = (
        '<p><span class="h-card"><a href="http://eng.example/@anna" class="u-url mention">@<span>anna</span></a></span> '
        '<a href="https://field.example/tags/Pump" class="mention hashtag">#<span>Pump</span></a> '
        '<a href="https://wiki.example/tags/other" class="">wiki</a></p>'
    )
    post_id = await heard(served.node, bert, content, mention_ids=[anna.id], tags=["Pump"])
    page = await anna.get(f"/@bert@field.example/{post_id}")
    assert "/@anna" in page.links()
    assert "/tags/pump" in page.links()
    assert "https://wiki.example/tags/other" in page.links()
    assert "http://eng.example/@anna" not in page.links()
