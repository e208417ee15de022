"""Whether a node lives, can serve, and what it tells Prometheus; and the files it serves."""

import asyncio
import re
import threading

import pytest
from sqlalchemy import text

from node.runtime import Node, Tx
from tests.web.conftest import Served
from web.parts import Parts


def parts_of(served: Served) -> Parts:
    return served.app.parts


async def test_a_sound_node_is_live_and_healthy(served: Served) -> None:
    assert (await served.http.get("/livez")).json() == {"status": "ok"}
    answer = await served.http.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["cache-control"] == "no-store"


async def test_a_write_that_failed_for_want_of_disk_makes_it_unhealthy_until_one_works(served: Served) -> None:
    parts = parts_of(served)
    figures = served.node.storage.figures
    figures.failed_at, figures.failure = parts.monotonic(), "database or disk is full"
    answer = await served.http.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["the database takes no writes: database or disk is full"]
    assert (await served.http.get("/livez")).status_code == 200

    def write(tx: Tx) -> None:
        tx.execute(text("UPDATE meta SET value = value"))

    await served.node.write(write)
    assert (await served.http.get("/healthz")).status_code == 200


async def test_a_database_that_does_not_answer_makes_it_unhealthy(served: Served, node: Node) -> None:
    stuck = threading.Event()

    def wait(_tx: Tx) -> None:
        stuck.wait(20)

    settings = node.settings.database
    readers = [asyncio.create_task(node.read(wait)) for _ in range(max(settings.readers, settings.pool))]
    await asyncio.sleep(0.05)
    answer = await served.http.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["the database did not answer a read in 2 s"]
    stuck.set()
    await asyncio.gather(*readers)
    assert (await served.http.get("/healthz")).status_code == 200


async def test_a_worker_that_ended_makes_it_unhealthy(served: Served) -> None:
    parts_of(served).worker_ended = True
    assert (await served.http.get("/healthz")).json()["reasons"] == ["the worker ended"]


async def test_metrics_are_prometheus_text_and_for_named_addresses_only(served: Served) -> None:
    await served.http.get("/livez")
    answer = await served.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert re.search(r'corridor_requests_total{method="GET",route="/livez",status="200"} 1\.0', answer.text)
    assert 'corridor_queue_depth{queue="inbox"} 0.0' in answer.text
    assert re.search(r'corridor_request_seconds_bucket{le="\+Inf"} [1-9]', answer.text)
    for line in answer.text.splitlines():
        assert re.fullmatch(r"#.*|[a-zA-Z_:][\w:]*(\{[^}]*\})? [-+\d.eE]+(Inf|NaN)?", line), line
    outside = await served.http.get("/metrics", headers={"X-Forwarded-For": "203.0.113.7"})
    assert outside.status_code == 404


# --- media -------------------------------------------------------------------

NAME = "Zm9vYmFyYmF6cXV4MTIzNDU2.png"


@pytest.fixture
def picture(served: Served) -> bytes:
    folder = served.node.settings.media_dir
    folder.mkdir(exist_ok=True)
    (folder / NAME).write_bytes(b"\x89PNG" + bytes(range(200)))
    (folder / "Zm9vYmFyYmF6cXV4MTIzNDU2.html").write_text("<script>alert(1)</script>")
    (folder.parent / "outside-the-folder1.png").write_bytes(b"secret")
    return (folder / NAME).read_bytes()


async def test_a_stored_picture_is_served_for_ever_and_harmless(served: Served, picture: bytes) -> None:
    answer = await served.http.get(f"/media/{NAME}")
    assert answer.content == picture
    assert answer.headers["content-type"] == "image/png"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers.get_list("content-security-policy") == ["default-src 'none'; frame-ancestors 'none'; sandbox"]
    part = await served.http.get(f"/media/{NAME}", headers={"Range": "bytes=4-9"})
    assert (part.status_code, part.content) == (206, picture[4:10])
    assert (await served.http.head(f"/media/{NAME}")).headers["content-length"] == str(len(picture))


@pytest.mark.parametrize(
    "name",
    [
        "Zm9vYmFyYmF6cXV4MTIzNDU2.html",
        "unknown-but-long-enough.png",
        "..%2Foutside-the-folder1.png",
        "%2e%2e/outside-the-folder1.png",
        "..%5Coutside-the-folder1.png",
        "short.png",
        "Zm9vYmFyYmF6cXV4MTIzNDU2.png%00.html",
        "Zm9vYmFyYmF6cXV4MTIzNDU2.PNG",
        "",
    ],
)
async def test_no_other_name_is_served(served: Served, picture: bytes, name: str) -> None:
    answer = await served.http.get(f"/media/{name}")
    assert answer.status_code == 404
    assert b"secret" not in answer.content
