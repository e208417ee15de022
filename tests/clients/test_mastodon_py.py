"""Mastodon.py, unmodified: a real OAuth code flow on each of two departments, then a day's use."""

import asyncio
from pathlib import Path

import pytest
from mastodon import MastodonNotFoundError
from PIL import Image

from tests.support.clients import eventually, log_in
from tests.support.running import RunningNode

Pair = tuple[RunningNode, RunningNode]
pytestmark = [pytest.mark.timeout(180), pytest.mark.filterwarnings("ignore::DeprecationWarning")]


async def test_two_people_on_two_nodes_live_a_day_with_mastodon_py(two_nodes: Pair, tmp_path: Path) -> None:
    engineering, field = two_nodes
    engineering.person("anna")
    field.person("tom")
    await asyncio.to_thread(_day, engineering, field, tmp_path)


def _day(engineering: RunningNode, field: RunningNode, folder: Path) -> None:
    anna, tom = log_in(engineering, "anna@example.org"), log_in(field, "tom@example.org")
    assert anna.account_verify_credentials().acct == "anna"
    assert anna.instance().domain == engineering.domain

    found = tom.account_search(f"anna@{engineering.domain}", resolve=True)[0]
    tom.account_follow(found)
    eventually(lambda: tom.account_relationships(found)[0].following, "the follow is accepted")
    anna_followers = anna.account_followers(anna.me())
    assert [a.acct for a in anna_followers] == [f"tom@{field.domain}"]

    picture = folder / "pump.png"
    Image.new("RGB", (320, 200), (30, 90, 160)).save(picture)
    media = anna.media_post(picture.read_bytes(), mime_type="image/png", description="A pump, blue")
    post = anna.status_post("Bearing noise at #pump station", media_ids=[media], idempotency_key="once")
    assert anna.status_post("Bearing noise at #pump station", idempotency_key="once").id == post.id
    assert post.media_attachments[0].description == "A pump, blue"
    assert post.media_attachments[0].blurhash

    assert [tag.name for tag in anna.featured_tag_suggestions()] == ["pump"]
    assert anna.featured_tag_create("pump").statuses_count == "1"  # a text, as Mastodon has it
    assert anna.status_pin(post).pinned
    eventually(lambda: tom.account_statuses(found, pinned=True), "the pinned post is known")
    eventually(lambda: [tag.name for tag in tom.account_featured_tags(found)] == ["pump"], "the tag is known")

    copy = eventually(lambda: [s for s in tom.timeline_home() if s.uri == post.uri], "the post arrives")[0]
    assert copy.media_attachments[0].description == "A pump, blue"
    reply = tom.status_reply(copy, "heard it too")
    tom.status_favourite(copy)
    tom.status_reblog(copy)
    tom.status_bookmark(copy)
    assert [s.id for s in tom.bookmarks()] == [copy.id]
    assert [s.id for s in tom.favourites()] == [copy.id]

    eventually(lambda: len(anna.notifications()) == 4, "follow, mention, favourite and boost")
    assert sorted(n.type for n in anna.notifications()) == ["favourite", "follow", "mention", "reblog"]
    grouped = anna.grouped_notifications()
    assert sorted(group.type for group in grouped.notification_groups) == ["favourite", "follow", "mention", "reblog"]
    assert [one.acct for one in grouped.accounts] == [f"tom@{field.domain}"]
    assert anna.unread_grouped_notifications_count() == 4
    newest = grouped.notification_groups[0]
    assert [one.acct for one in anna.grouped_notification_accounts(newest.group_key)] == [f"tom@{field.domain}"]
    anna.markers_set("notifications", newest.most_recent_notification_id)
    assert anna.markers_get("notifications")["notifications"].last_read_id == newest.most_recent_notification_id
    assert anna.unread_grouped_notifications_count() == anna.notifications_unread_count().count == 0
    assert [s.uri for s in anna.status_context(post).descendants] == [reply.uri]
    assert [a.acct for a in anna.status_favourited_by(post)] == [f"tom@{field.domain}"]
    assert [a.acct for a in anna.status_reblogged_by(post)] == [f"tom@{field.domain}"]

    assert [s.uri for s in tom.timeline_hashtag("pump")] == [post.uri]
    assert [s.uri for s in tom.search_v2("bearing noise", result_type="statuses").statuses] == [post.uri]
    assert [t.name for t in tom.search_v2("pump", result_type="hashtags").hashtags] == ["pump"]

    edited = anna.status_update(post, "Bearing noise at #pump station 4", spoiler_text="technical")
    assert edited.edited_at is not None
    assert [len(anna.status_history(post)), anna.status_source(post).text] == [2, "Bearing noise at #pump station 4"]
    anna.status_pin(post)
    assert [s.id for s in anna.account_statuses(anna.me(), pinned=True)] == [post.id]

    for number in range(25):
        anna.status_post(f"page {number}", visibility="unlisted")
    first = anna.account_statuses(anna.me(), limit=10)
    everything = anna.fetch_remaining(first)
    assert len(everything) == len({s.id for s in everything}) == 26
    second = anna.fetch_next(first)
    assert second is not None
    assert [s.id for s in anna.fetch_previous(second) or []] == [s.id for s in first]

    anna.account_update_credentials(display_name="Anna of the pumps", note="Seals and #bearings")
    assert anna.me().display_name == "Anna of the pumps"

    tom.account_unfollow(found)
    assert not tom.account_relationships(found)[0].following
    anna.account_block(anna.account_search(f"tom@{field.domain}")[0])
    anna.status_delete(post)
    with pytest.raises(MastodonNotFoundError):
        anna.status(post)
    anna.revoke_access_token(allow_http=True)
