"""Mastodon.py, unmodified: posts for later, sound and film."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mastodon import MastodonAPIError, MastodonNotFoundError

from tests.support import recordings
from tests.support.clients import eventually, log_in
from tests.support.pictures import png
from tests.support.running import RunningNode

pytestmark = [pytest.mark.timeout(120), pytest.mark.filterwarnings("ignore::DeprecationWarning")]


Pair = tuple[RunningNode, RunningNode]


async def test_posts_for_later_with_mastodon_py(two_nodes: Pair) -> None:
    engineering, _ = two_nodes
    engineering.person("anna")
    await asyncio.to_thread(_day, engineering)


async def test_sound_and_film_on_two_nodes_with_mastodon_py(two_nodes: Pair, tmp_path: Path) -> None:
    engineering, field = two_nodes
    engineering.person("anna")
    field.person("tom")
    await asyncio.to_thread(_record, engineering, field, tmp_path)


def _record(engineering: RunningNode, field: RunningNode, folder: Path) -> None:
    anna, tom = log_in(engineering, "anna@example.org"), log_in(field, "tom@example.org")
    tom.account_follow(tom.account_search(f"anna@{engineering.domain}", resolve=True)[0])
    eventually(lambda: anna.account_followers(anna.me()), "the follow arrives")
    film = anna.media_post(recordings.film(folder).read_bytes(), "video/mp4", "The pump at work", synchronous=True)
    assert (film.type, bool(film.url), film.meta.original.width) == ("video", True, 320)
    tone = anna.media_post(recordings.tone(folder).read_bytes(), "audio/ogg", synchronous=True)
    assert (tone.type, tone.meta.audio_encode) == ("audio", "mp3")
    anna.status_post("Listen", media_ids=[film, tone])
    copy = eventually(tom.timeline_home, "the post arrives")[0]
    assert [(one.type, one.description) for one in copy.media_attachments] == [
        ("video", "The pump at work"),
        ("audio", None),
    ]


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
