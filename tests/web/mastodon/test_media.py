"""Uploads over HTTP."""

import asyncio

import httpx
import pytest

from tests.web.conftest import Served
from tests.web.mastodon.conftest import User
from tests.web.mastodon.test_people import picture


def files(content: bytes = b"", **fields: str) -> dict[str, object]:
    return {"files": {"file": ("pump.png", content or picture(), "image/png")}, "data": fields}


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_an_upload_is_ready_and_can_be_posted_once(served: Served, anna: User, bert: User, version: str) -> None:
    made = await anna.call("POST", f"/api/{version}/media", **files(description="A pump", focus="0.5,-0.25"))
    assert (made["type"], made["description"]) == ("image", "A pump")
    assert made["meta"]["original"] == {"width": 40, "height": 30, "size": "40x30", "aspect": 1.333333}
    assert made["meta"]["focus"] == {"x": 0.5, "y": -0.25}
    assert made["blurhash"]
    assert await anna.get(f"/api/v1/media/{made['id']}") == made
    assert (await bert.send("GET", f"/api/v1/media/{made['id']}")).status_code == 404
    changed = await anna.call("PUT", f"/api/v1/media/{made['id']}", json={"description": "A blue pump"})
    assert changed["description"] == "A blue pump"
    posted = await anna.status("", media_ids=[made["id"]])
    assert posted["media_attachments"] == [changed]
    assert (await anna.send("POST", "/api/v1/statuses", json={"media_ids": [made["id"]]})).status_code == 422
    base = served.node.settings.base
    async with httpx.AsyncClient(base_url=served.base) as anybody:
        shown = await anybody.get(made["url"].removeprefix(base))
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/png")


async def test_an_edit_can_change_the_description_and_take_the_picture_away(anna: User) -> None:
    made = await anna.call("POST", "/api/v2/media", **files())
    posted = await anna.status("with a picture", media_ids=[made["id"]])
    path = f"/api/v1/statuses/{posted['id']}"
    attributes = [{"id": made["id"], "description": "now described"}]
    body = {"status": "described", "media_ids": [made["id"]], "media_attributes": attributes}
    edited = await anna.call("PUT", path, json=body)
    assert edited["media_attachments"][0]["description"] == "now described"
    again = await anna.get(path)
    assert again["media_attachments"][0]["description"] == "now described"
    bare = await anna.call("PUT", path, json={"status": "without", "media_ids": []})
    assert bare["media_attachments"] == []
    states = await anna.get(f"{path}/history")
    assert [len(state["media_attachments"]) for state in states] == [1, 1, 0]


async def test_an_upload_that_nobody_posted_can_be_removed(served: Served, anna: User) -> None:
    made = await anna.call("POST", "/api/v2/media", **files())
    folder = served.node.settings.media_dir
    assert len(list(folder.iterdir())) == 2
    assert await anna.call("DELETE", f"/api/v1/media/{made['id']}") == {}
    assert not list(folder.iterdir())
    kept = await anna.call("POST", "/api/v2/media", **files())
    await anna.status("", media_ids=[kept["id"]])
    assert (await anna.send("DELETE", f"/api/v1/media/{kept['id']}")).status_code == 422
    assert len(list(folder.iterdir())) == 2


async def test_what_is_no_picture_is_refused_and_leaves_nothing(served: Served, anna: User) -> None:
    for content in (b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"GIF89a", picture()[:60]):
        answer = await anna.send("POST", "/api/v2/media", **files(content))
        assert (answer.status_code, "error" in answer.json()) == (422, True)
    assert (await anna.send("POST", "/api/v2/media", data={"description": "none"})).status_code == 422
    long = await anna.send("POST", "/api/v2/media", **files(description="x" * 1501))
    assert long.status_code == 422
    folder = served.node.settings.media_dir
    assert not folder.exists() or not list(folder.iterdir())


async def test_a_file_that_is_too_large_is_refused_without_being_read(served: Served, anna: User) -> None:
    too_much = served.node.settings.media.max_bytes + 2 * 1024 * 1024
    host, port = served.base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = [
        "POST /api/v2/media HTTP/1.1",
        "Host: eng.example",
        f"Authorization: Bearer {anna.token}",
        "Content-Type: multipart/form-data; boundary=x",
        f"Content-Length: {too_much}",
    ]
    writer.write("\r\n".join([*head, "", ""]).encode())
    answer = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 413 ")
