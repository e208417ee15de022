"""Quotes on the pages: shown under the post that quotes, and made from the menu of a post, without script."""

from activitypub.audience import Visibility
from node import quotes, social
from node.schema import post, quote
from tests.support.posting import following, say
from tests.support.rows import rows_of
from tests.web.conftest import Served
from tests.web.pages.conftest import Visitor


async def test_a_post_is_quoted_from_its_menu_and_shown_under_the_quote(
    served: Served, anna: Visitor, tom: Visitor
) -> None:
    quoted = await say(served.node, anna.viewer, "The <pump> is loud")
    thread = await tom.get(f"/@anna/{quoted}")
    assert f"/compose?quote={quoted}" in thread.links()
    page = await tom.get(f"/compose?quote={quoted}")
    assert "The <pump> is loud" in page.text
    await tom.submit(page, "/posts", text="So is ours")
    (row,) = await rows_of(served.node, quote)
    shown = await anna.get(f"/@tom/{row.post_id}")
    assert "The <pump> is loud" in shown.text
    assert "RE:" not in shown.text
    assert f"/@anna/{quoted}" in shown.links()


async def test_a_quote_that_cannot_be_comes_back_with_what_was_written(
    served: Served, anna: Visitor, tom: Visitor
) -> None:
    quoted = await say(served.node, anna.viewer, "Mine", quote_policy=quotes.NAMES["nobody"])
    page = await tom.submit(await tom.get(f"/compose?quote={quoted}"), "/posts", status=422, text="Ours")
    assert "does not let you quote" in page.text
    assert (page.form("/posts").fields["quoted"], page.form("/posts").fields["text"].strip()) == (str(quoted), "Ours")
    assert len(await rows_of(served.node, post)) == 1


async def test_what_the_reader_may_not_see_is_not_shown_by_a_quote(served: Served, anna: Visitor, tom: Visitor) -> None:
    secret = await say(served.node, anna.viewer, "For my followers", visibility=Visibility.FOLLOWERS)
    await following(served.node, tom.viewer, anna.viewer)
    own = await say(served.node, anna.viewer, "@tom see below", quoted_id=secret, visibility=Visibility.FOLLOWERS)
    assert "For my followers" in (await tom.get(f"/@anna/{own}")).text
    await served.node.write_as(tom.viewer, social.unfollow, anna.id)
    page = await tom.get(f"/@anna/{own}")
    assert "For my followers" not in page.text
    assert "You cannot see the quoted post." in page.text


async def test_a_quote_says_that_its_post_is_gone_or_its_author_took_it_back(
    served: Served, anna: Visitor, tom: Visitor
) -> None:
    quoted = await say(served.node, anna.viewer, "The pump is loud")
    quoting = await say(served.node, tom.viewer, "So is ours", quoted_id=quoted)
    await served.node.write_as(anna.viewer, quotes.revoke, quoted, quoting)
    page = await tom.get(f"/@tom/{quoting}")
    assert "no longer agrees" in page.text
    assert "The pump is loud" not in page.text
