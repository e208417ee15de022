"""The log: one line an event, nothing secret in it."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from io import StringIO
from typing import Literal

import pytest
import structlog
from starlette.types import Receive, Scope, Send

from node import log
from node.config import LogSection
from tests.support.serving import serving


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("", "uvicorn.error")]
    before = [(logger.handlers[:], logger.filters[:], logger.level) for logger in loggers]
    yield
    for logger, (handlers, filters, level) in zip(loggers, before, strict=True):
        logger.handlers[:], logger.filters[:] = handlers, filters
        logger.setLevel(level)
    structlog.reset_defaults()


def lines(out: StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_both_kinds_of_loggers_end_in_the_same_lines() -> None:
    out = StringIO()
    log.setup(LogSection(level="info", format="json"), out)
    structlog.get_logger("web").info("request", status=200, peer="sales.example")
    logging.getLogger("some.library").warning("odd: %s", "thing")
    structlog.get_logger("web").debug("unseen")
    logging.getLogger("uvicorn.error").info("unseen")
    first, second = lines(out)
    assert (first["event"], first["status"], first["level"]) == ("request", 200, "info")
    assert (second["event"], second["level"], second["logger"]) == ("odd: thing", "warning", "some.library")
    assert {"timestamp"} <= set(first) & set(second)


@pytest.mark.parametrize("name", ["password", "access_token", "client_secret", "Authorization", "cookie", "email"])
def test_a_secret_under_its_name_is_hidden(name: str) -> None:
    out = StringIO()
    log.setup(LogSection(level="info", format="json"), out)
    structlog.get_logger("web").info("event", **{name: "hunter2", "token_id": 7})
    assert lines(out)[0][name] == "[hidden]"
    assert lines(out)[0]["token_id"] == 7
    assert "hunter2" not in out.getvalue()


@pytest.mark.parametrize("format_", ["json", "text"])
def test_an_exception_is_told_without_the_values_around_it(format_: Literal["json", "text"]) -> None:
    out = StringIO()
    log.setup(LogSection(level="info", format=format_), out)

    def fail(secret: str) -> None:
        raise ValueError("what happened")

    try:
        fail("".join(["hun", "ter", "2"]))
    except ValueError as error:
        structlog.get_logger("web").error("unexpected", exc_info=error)
    assert "what happened" in out.getvalue()
    assert "hunter2" not in out.getvalue()


# --- what the server says of WebSockets


async def refuse(send: Send) -> None:
    await send({"type": "websocket.http.response.start", "status": 401, "headers": []})
    await send({"type": "websocket.http.response.body", "body": b"who are you?"})


async def close(send: Send) -> None:
    await send({"type": "websocket.close"})


async def forget(_send: Send) -> None:
    return


async def fail(_send: Send) -> None:
    raise ValueError("what happened")


@pytest.mark.parametrize(
    ("answer", "level", "expected"),
    [
        (refuse, "info", [("info", "websocket connection rejected (401 Unauthorized)")]),
        (refuse, "debug", [("info", "websocket connection rejected (401 Unauthorized)")]),
        (refuse, "warning", []),
        (close, "info", [("info", "websocket connection rejected (403 Forbidden)")]),
        (forget, "info", [("error", "ASGI callable"), ("info", "websocket connection rejected (500")]),
        (forget, "warning", [("error", "ASGI callable")]),
        (fail, "error", [("error", "Exception in ASGI application")]),
    ],
)
async def test_a_refused_socket_is_one_line_and_a_failure_is_an_error(
    answer: Callable[[Send], Awaitable[None]],
    level: Literal["debug", "info", "warning", "error"],
    expected: list[tuple[str, str]],
) -> None:
    out = StringIO()
    log.setup(LogSection(level=level, format="json"), out)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for _ in range(2):
                kind = (await receive())["type"]
                await send({"type": f"{kind}.complete"})
            return
        await answer(send)

    async with serving(app) as base:
        for _ in range(2):
            await knock(base.removeprefix("http://"), "/streaming?access_token=hunter2")
    said = [(line["level"], str(line["event"])) for line in lines(out) if line.get("logger") == "uvicorn.error"]
    assert len(said) == 2 * len(expected)
    for (kind, event), (wanted, beginning) in zip(said, expected * 2, strict=True):
        assert kind == wanted
        assert event.startswith(beginning)
    assert ("what happened" in out.getvalue()) is (answer is fail)
    assert "hunter2" not in out.getvalue()


async def knock(authority: str, path: str) -> None:
    """A WebSocket's first request, until the server hangs up."""
    host, _, port = authority.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    request = [
        *(f"GET {path} HTTP/1.1", f"Host: {authority}", "Connection: Upgrade", "Upgrade: websocket"),
        *("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", ""),
    ]
    writer.write("\r\n".join(request).encode())
    await reader.read()
    writer.close()
    await writer.wait_closed()
