"""Custom emoji and reactions on the pages."""

import pytest

from node import emoji, reacting
from node.polls import Asked
from tests.node.test_reacting import PICTURE
from tests.support.posting import say
from tests.web.conftest import Served
from tests.web.pages.conftest import Visitor
from web.pages import pictured

KNOWN = {"pump": 7}
DRAWN = '<img class="emoji" src="/emojis/7/image" alt=":pump:" title=":pump:" loading="lazy">'


@pytest.mark.parametrize(
    ("written", "drawn"),
    [
        ("<p>The :pump:</p>", f"<p>The {DRAWN}</p>"),
        ("<p>:pump: &lt;:pump:&gt;</p>", f"<p>{DRAWN} &lt;{DRAWN}&gt;</p>"),
        ("<p>:valve: a:pump:</p>", "<p>:valve: a:pump:</p>"),
        ('<a href="https://x.example/:pump:">x</a>', '<a href="https://x.example/:pump:">x</a>'),
        (
            '<a href="https://x.example/?a> :pump: onclick=">x</a>',
            '<a href="https://x.example/?a> :pump: onclick=">x</a>',
        ),
    ],
)
def test_a_shortcode_is_drawn_in_text_and_nowhere_else(written: str, drawn: str) -> None:
    assert pictured.drawn(written, KNOWN) == drawn


def test_a_name_is_no_html() -> None:
    assert pictured.name('<b>"Anna" :pump:', KNOWN) == f"&lt;b&gt;&quot;Anna&quot; {DRAWN}"


async def test_a_page_shows_emoji_in_text_and_names(served: Served, anna: Visitor, tom: Visitor) -> None:
    emoji_id = await served.node.write(emoji.add, "pump", PICTURE)
    await anna.submit(await anna.get("/settings"), "/settings", display_name="Anna :pump:")
    post_id = await say(served.node, anna.viewer, "The :pump: leaks, not the :valve:")
    page = await tom.get(f"/@anna/{post_id}")
    drawn = [one for one in page.images() if one.get("class") == "emoji"]
    assert {(one["src"], one["alt"]) for one in drawn} == {(f"/emojis/{emoji_id}/image", ":pump:")}
    assert len(drawn) == 2
    assert ":valve:" in page.text


async def test_a_page_shows_emoji_in_warnings_answers_of_polls_and_what_is_quoted(
    served: Served, anna: Visitor, tom: Visitor
) -> None:
    await served.node.write(emoji.add, "pump", PICTURE)
    asked = Asked((":pump: or <b>", "no"), 3600)
    poll_id = await say(served.node, anna.viewer, "Which?", spoiler="Mind the :pump: & <i>", poll=asked)
    page = await tom.get(f"/@anna/{poll_id}")
    assert len([one for one in page.images() if one.get("class") == "emoji"]) == 2
    assert "Mind the <img" in tom.last.text
    assert "&amp; &lt;i&gt;" in tom.last.text
    assert "or &lt;b&gt;" in tom.last.text
    quoted_id = await say(served.node, anna.viewer, "The :pump: again")
    page = await tom.get(f"/@anna/{await say(served.node, anna.viewer, 'See', quoted_id=quoted_id)}")
    assert len([one for one in page.images() if one.get("class") == "emoji"]) == 1
    plain = await tom.get(f"/@anna/{await say(served.node, anna.viewer, 'x', spoiler='Mind the :valve:')}")
    assert "Mind the :valve:" in plain.text


async def test_one_reacts_and_takes_it_back_without_script(served: Served, anna: Visitor, tom: Visitor) -> None:
    post_id = await say(served.node, anna.viewer, "hello")
    where, form = f"/@anna/{post_id}", f"/posts/{post_id}/react"
    await tom.submit(await tom.get(where), form, emoji="🔥")
    await anna.submit(await anna.get(where), form)  # the first form is the reaction that is there
    assert "🔥 2" in (await tom.get(where)).text
    assert "reacted to your post" in (await anna.get("/notifications")).text
    await tom.submit(await tom.get(where), form)
    assert "🔥 1" in (await tom.get(where)).text
    await tom.submit(await tom.get(where), form, emoji="nonsense", status=422)
    assert [row.number for row in (await served.node.read(reacting.numbers, [post_id]))[post_id]] == [1]
    assert (await tom.http.post(form, data={"emoji": "🔥"})).status_code == 403
