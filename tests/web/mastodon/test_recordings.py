"""Sound and film: taken, made anew, served."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from node import jobs, media, processing, recording
from node.config import Settings
from node.schema import job
from node.schema import media as media_table
from tests.support import recordings
from tests.support.clocks import Clock
from tests.support.pictures import png
from tests.support.rows import rows_of
from tests.web.conftest import Served
from tests.web.mastodon.conftest import User

pytestmark = pytest.mark.timeout(180)


async def send(user: User, path: Path, *, version: str = "v2", **fields: Any) -> httpx.Response:
    content = await asyncio.to_thread(path.read_bytes)
    files = {"file": (path.name, content, "application/octet-stream"), **fields.pop("files", {})}
    return await user.send("POST", f"/api/{version}/media", files=files, data=fields)


async def run_jobs(user: User) -> None:
    runner = jobs.Runner(user.node, user.served.network)
    await runner.step()
    await runner.drain()


async def finished(user: User, path: Path, **fields: Any) -> Any:
    begun = (await send(user, path, **fields)).json()
    await run_jobs(user)
    return await user.get(f"/api/v1/media/{begun['id']}")


def kept(user: User) -> set[str]:
    return {path.suffix for path in user.node.settings.media_dir.glob("*.*")}


async def test_a_film_is_made_anew_and_posted(anna: User, bert: User, tmp_path: Path) -> None:
    film = recordings.film(tmp_path, extension="mov")
    assert recordings.PLACE.encode() in film.read_bytes()
    answer = await send(anna, film, description="A pump at work", focus="0.5,0.5")
    begun = answer.json()
    assert (answer.status_code, begun["type"], begun["url"], begun["preview_url"]) == (202, "video", None, None)
    path = f"/api/v1/media/{begun['id']}"
    assert (await anna.send("GET", path)).status_code == 206
    early = await anna.send("POST", "/api/v1/statuses", json={"status": "", "media_ids": [begun["id"]]})
    assert (early.status_code, "have not finished processing" in early.json()["error"]) == (422, True)
    assert (await bert.send("GET", path)).status_code == 404

    await run_jobs(anna)
    shown = await anna.get(path)
    assert shown["description"] == "A pump at work"
    assert shown["meta"]["original"].items() >= {"width": 320, "height": 240, "frame_rate": "25/1"}.items()
    assert shown["meta"]["small"]["width"] == 320
    assert shown["meta"]["duration"] == pytest.approx(1, abs=0.2)
    assert (shown["meta"]["audio_encode"], shown["meta"]["fps"], len(shown["blurhash"]) > 5) == ("aac", 25, True)
    assert kept(anna) == {".mp4", ".jpg"}
    posted = await anna.status("", media_ids=[shown["id"]])
    assert posted["media_attachments"] == [shown]

    file = shown["url"].removeprefix("https://eng.example")
    whole = await anna.served.http.get(file)
    assert (whole.status_code, whole.headers["content-type"]) == (200, "video/mp4")
    for told in (recordings.PLACE, "Secret Agent", "Plans"):
        assert told.encode() not in whole.content
    part = await anna.served.http.get(file, headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    preview = await anna.served.http.get(shown["preview_url"].removeprefix("https://eng.example"))
    assert preview.headers["content-type"] == "image/jpeg"


async def test_sound_is_made_anew_and_the_first_version_waits(anna: User, tmp_path: Path) -> None:
    waiting = asyncio.create_task(send(anna, recordings.tone(tmp_path), version="v1"))
    for _ in range(500):
        if await rows_of(anna.node, job, job.c.kind == processing.JOB):
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(1)
    await run_jobs(anna)
    answer = await waiting
    spent = int(answer.headers["x-ratelimit-limit"]) - int(answer.headers["x-ratelimit-remaining"])
    assert spent < 10, "waiting is no asking"
    shown = answer.json()
    assert (answer.status_code, shown["type"], shown["preview_url"]) == (200, "audio", shown["url"])
    assert shown["meta"].items() >= {"audio_encode": "mp3", "length": "0:00:01.04"}.items()
    file = await anna.served.http.get(shown["url"].removeprefix("https://eng.example"))
    assert file.headers["content-type"] == "audio/mpeg"
    assert b"Secret Agent" not in file.content


async def test_a_large_film_is_made_smaller_and_odd_sides_even(
    anna: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = processing.limits(anna.node.settings)
    smaller = recording.Limits(given.max_bytes, given.max_seconds, given.seconds, max_side=160)
    monkeypatch.setattr(processing, "limits", lambda _settings: smaller)
    shown = await finished(anna, recordings.film(tmp_path, size="406x222", sound=False))
    original = shown["meta"]["original"]
    assert (original["width"], original["height"] % 2, original["height"] in (86, 88)) == (160, 0, True)
    assert "audio_encode" not in shown["meta"]


async def test_a_thumbnail_stands_for_it(anna: User, tmp_path: Path) -> None:
    tone = recordings.tone(tmp_path)
    shown = await finished(anna, tone, files={"thumbnail": ("a.png", png(), "image/png")})
    assert shown["preview_url"] not in (None, shown["url"])
    path = f"/api/v1/media/{shown['id']}"
    other = await anna.call("PUT", path, files={"thumbnail": ("b.png", png("blue"), "image/png")})
    assert other["preview_url"] != shown["preview_url"]
    picture = await anna.call("POST", "/api/v2/media", files={"file": ("a.png", png(), "image/png")})
    for target, content in ((picture["id"], png()), (shown["id"], b"no picture"), ("1", png())):
        sent = {"thumbnail": ("a.png", content, "image/png")}
        answer = await anna.send("PUT", f"/api/v1/media/{target}", files=sent)
        assert answer.status_code == (404 if target == "1" else 422)


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\x00\x00\x18ftypisom",
        b"\x1aE\xdf\xa3" + b"\x00" * 100,
        b"OggS" + b"\xff" * 5000,
        b"ID3\x04\x00\x00\x00\x00\x00\x00",
        b"RIFF\x00\x00\x00\x00WAVE",
        b"\xff\xfb" * 20,
    ],
)
async def test_what_only_begins_like_one_is_refused(anna: User, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    recordings.ffmpeg("-version")
    answer = await send(anna, path)
    assert (answer.status_code, "damaged" in answer.json()["error"]) == (422, True)
    assert kept(anna) == set()


@pytest.mark.parametrize(
    "content",
    [
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"<?xml version='1.0'?><MPD/>",
    ],
)
async def test_playlists_are_no_films(anna: User, tmp_path: Path, content: bytes) -> None:
    """They would have ffmpeg read other files. Their beginnings are refused; behind a film's, they are not looked for."""
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    assert (await send(anna, path)).status_code == 422
    tools = recording.programs("ffmpeg")
    if tools is None:
        recordings.ffmpeg("-version")
        raise AssertionError
    with pytest.raises(Exception, match="damaged"):
        await recording.probe(tools, path, processing.limits(anna.node.settings))


async def test_what_is_cut_off_fails_and_says_so(anna: User, tmp_path: Path) -> None:
    film = recordings.film(tmp_path, extension="mkv", seconds=2)
    whole = film.read_bytes()
    film.write_bytes(whole[:3000])
    answer = await send(anna, film)
    if answer.status_code == 202:  # its head says what it is, and then nothing comes
        media_id = answer.json()["id"]
        await run_jobs(anna)
        said = await anna.send("GET", f"/api/v1/media/{media_id}")
        assert (said.status_code, bool(said.json()["error"])) == (422, True)
        refused = await anna.send("POST", "/api/v1/statuses", json={"status": "x", "media_ids": [media_id]})
        assert refused.status_code == 422
    assert answer.status_code in (202, 422)
    assert kept(anna) == set()


class TestLimits:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        section = msgspec.structs.replace(settings.media, video_max_seconds=2.0, video_max_bytes=40_000)
        return msgspec.structs.replace(settings, media=section)

    async def test_what_plays_too_long_or_is_too_large_is_refused(self, anna: User, tmp_path: Path) -> None:
        assert (await send(anna, recordings.tone(tmp_path, seconds=2))).status_code == 202
        long = await send(anna, recordings.tone(tmp_path, seconds=4))
        assert (long.status_code, "more than 2 seconds" in long.json()["error"]) == (422, True)
        large = tmp_path / "x.mp4"
        large.write_bytes(b"\x00\x00\x00\x18ftypisom" + b"\x00" * 50_000)
        assert (await send(anna, large)).status_code == 413
        assert kept(anna) == {".upload"}


async def test_only_where_film_may_come_a_body_may_be_as_large(anna: User) -> None:
    """Elsewhere nobody has to spool more than an image, least of all of somebody who may not send it."""
    large = b"\x89PNG\r\n\x1a\n" + b"\x00" * (anna.node.settings.media.max_bytes + 100_000)
    files = {"avatar": ("a.png", large, "image/png")}
    answer = await anna.send("PATCH", "/api/v1/accounts/update_credentials", files=files)
    assert answer.status_code == 413
    answer = await anna.send("POST", "/api/v2/media", files={"file": ("a.png", large, "image/png")})
    assert (answer.status_code, answer.json()["error"]) == (413, "This file is too large")


class TestWithoutFfmpeg:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, media=msgspec.structs.replace(settings.media, ffmpeg=""))

    async def test_none_is_taken_and_clients_are_told(self, anna: User, tmp_path: Path) -> None:
        film = tmp_path / "x.mp4"
        film.write_bytes(b"\x00\x00\x00\x18ftypisom" + b"\x00" * 100)
        answer = await send(anna, film)
        assert (answer.status_code, "neither sound nor film" in answer.json()["error"]) == (422, True)
        told = (await anna.get("/api/v2/instance"))["configuration"]["media_attachments"]
        assert (told["video_size_limit"], "video/mp4" in told["supported_mime_types"]) == (0, False)


async def test_clients_are_told_what_is_taken(anna: User) -> None:
    recordings.ffmpeg("-version")
    told = (await anna.get("/api/v2/instance"))["configuration"]["media_attachments"]
    assert told["video_size_limit"] == anna.node.settings.media.video_max_bytes
    assert {"video/mp4", "audio/mpeg", "image/png"} <= set(told["supported_mime_types"])


async def test_a_job_that_was_killed_is_begun_anew_and_leaves_nothing(anna: User, tmp_path: Path) -> None:
    begun = (await send(anna, recordings.film(tmp_path))).json()
    work = asyncio.create_task(processing.process(anna.node, int(begun["id"])))
    await asyncio.sleep(0.05)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert (await anna.send("GET", f"/api/v1/media/{begun['id']}")).status_code == 206
    await run_jobs(anna)
    assert (await anna.get(f"/api/v1/media/{begun['id']}"))["url"]
    assert len(list(anna.node.settings.media_dir.glob("*.*"))) == 2
    await processing.process(anna.node, int(begun["id"]))


async def test_what_is_deleted_meanwhile_leaves_no_files(anna: User, tmp_path: Path, clock: Clock) -> None:
    begun = (await send(anna, recordings.film(tmp_path))).json()
    work = asyncio.create_task(processing.process(anna.node, int(begun["id"])))
    await asyncio.sleep(0.05)
    assert await anna.call("DELETE", f"/api/v1/media/{begun['id']}") == {}
    await work
    assert kept(anna) == set()
    other = (await send(anna, recordings.film(tmp_path))).json()
    names = await anna.node.write(media.purge_unattached, anna.node.now() + 1)
    (row,) = [name for name in names if name.endswith(processing.UPLOAD)]
    assert row
    assert not await rows_of(anna.node, media_table, media_table.c.id == int(other["id"]))


async def test_an_upload_is_never_served(anna: User, served: Served, tmp_path: Path) -> None:
    await send(anna, recordings.film(tmp_path))
    (row,) = await rows_of(anna.node, media_table)
    assert (await served.http.get(f"/media/{row.upload}")).status_code == 404
