"""The log: one line an event, nothing secret in it."""

import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Literal

import pytest
import structlog

from node import log
from node.config import LogSection


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    yield
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
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
