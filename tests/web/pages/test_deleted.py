"""Pages of posts that were deleted."""

from activitypub.audience import Visibility
from node import accounts, posts, removal, social
from tests.support.people import make_person
from tests.support.posting import say
from tests.support.rows import id_of
from tests.web.conftest import Served
from tests.web.pages.conftest import Visitor


async def test_the_page_of_a_deleted_post_says_so_to_those_who_could_have_seen_it(
    served: Served, anna: Visitor, tom: Visitor, stranger: Visitor
) -> None:
    carl = await make_person(served.node, "carl")
    said = {
        "public": await say(served.node, anna.viewer, "one", visibility=Visibility.PUBLIC),
        "unlisted": await say(served.node, anna.viewer, "two", visibility=Visibility.UNLISTED),
        "followers": await say(served.node, anna.viewer, "three", visibility=Visibility.FOLLOWERS),
        "direct": await say(served.node, anna.viewer, "@tom four", visibility=Visibility.DIRECT),
        "department": await say(served.node, anna.viewer, "five", local_only=True),
        "carl": await say(served.node, carl, "six"),
    }
    for post_id in said.values():
        await served.node.write(posts.delete, post_id)
    await served.node.write_as(carl, social.block, tom.id)
    expected = {"public": 410, "unlisted": 410, "followers": 404, "direct": 404, "department": 404}
    for name, status in expected.items():
        page = await tom.get(f"/@Anna/{said[name]}", status=status)
        assert ("This post was deleted." in page.text) == (status == 410)
    await anna.get(f"/@carl/{said['carl']}", status=410)
    await tom.get(f"/@carl/{said['carl']}", status=404)  # Carl has blocked him
    await tom.get(f"/@anna/{said['carl']}", status=404)
    await tom.get(f"/@anna%00/{said['public']}", status=404)
    await stranger.get(f"/@anna/{said['public']}", status=303)
    answer = await tom.http.get(f"/@anna/{said['public']}", headers={"Accept": "*/*"})
    assert (answer.status_code, answer.json()) == (410, {"error": "This post was deleted."})
    await served.node.write(accounts.suspend, anna.id)
    await tom.get(f"/@anna/{said['public']}", status=404)


async def test_what_a_deleted_person_wrote_is_gone_too(served: Served, tom: Visitor) -> None:
    carl = await make_person(served.node, "carl")
    post_id = await say(served.node, carl, "six")
    await served.node.write(accounts.delete_account, id_of(carl))
    await tom.get(f"/@carl/{post_id}", status=404)  # out of sight, and not taken out yet
    while await served.node.write(removal.purge, id_of(carl)):
        pass
    await tom.get(f"/@carl/{post_id}", status=410)
