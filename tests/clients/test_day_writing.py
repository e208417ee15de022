"""Mastodon.py, unmodified: posts for later."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from mastodon import MastodonAPIError, MastodonNotFoundError

from tests.support.clients import log_in
from tests.support.pictures import png
from tests.support.running import RunningNode

pytestmark = [pytest.mark.timeout(120), pytest.mark.filterwarnings("ignore::DeprecationWarning")]


async def test_posts_for_later_with_mastodon_py(two_nodes: tuple[RunningNode, RunningNode]) -> None:
    engineering, _ = two_nodes
    engineering.person("anna")
    await asyncio.to_thread(_day, engineering)


def _day(engineering: RunningNode) -> None:
    anna = log_in(engineering, "anna@example.org")
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    picture = anna.media_post(png(), mime_type="image/png")
    made = anna.status_post("Tomorrow", media_ids=[picture], visibility="unlisted", scheduled_at=at)
    assert (made.scheduled_at, made.params.text, made.params.visibility) == (at, "Tomorrow", "unlisted")
    assert [one["id"] for one in made.media_attachments] == [str(picture.id)]
    assert [one.id for one in anna.scheduled_statuses()] == [made.id]
    moved = anna.scheduled_status_update(made, at + timedelta(hours=1))
    assert anna.scheduled_status(made).scheduled_at == moved.scheduled_at == at + timedelta(hours=1)
    with pytest.raises(MastodonAPIError, match="must be in the future"):
        anna.status_post("too soon", scheduled_at=datetime.now(UTC))
    with pytest.raises(MastodonAPIError, match="must be in the future"):
        anna.scheduled_status_update(made, datetime.now(UTC))
    anna.scheduled_status_delete(made)
    with pytest.raises(MastodonNotFoundError):
        anna.scheduled_status(made)
    draft = anna.status_post("A draft", scheduled_at=datetime(9999, 1, 1, tzinfo=UTC))
    assert [one.params.text for one in anna.scheduled_statuses()] == ["A draft"]
    anna.scheduled_status_delete(draft)
    assert anna.account_statuses(anna.me()) == []
