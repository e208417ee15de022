"""The log: one line an event on standard error, as JSON or as text for a terminal.

`setup` is for whoever owns the process (`serve`, commands); nothing else configures logging. Loggers are structlog's
(`structlog.get_logger("web").info("request", status=200)`) or the standard library's: both end in the same lines. What is
logged is what an administrator needs to act: ids, hosts, kinds and counts, never tokens, passwords or the text of posts.
Secrets are kept out where they are written; the filter here is the second line.
"""

import asyncio
import logging
import sys
from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any, TextIO
from weakref import WeakSet

import msgspec
import structlog
from sqlalchemy.exc import StatementError

from node.config import LogSection

Event = MutableMapping[str, Any]

_SECRET_WORDS = ("password", "token", "secret", "authorization", "cookie", "signature", "private", "code", "email")
_OPEN_WORDS = frozenset({"lease_token", "token_id", "status_code"})
_SERVER = "uvicorn.error"
_LIBRARIES = ("uvicorn", "asyncio", "alembic", "sqlalchemy", "httpx", "aiohttp")


def setup(settings: LogSection, stream: TextIO | None = None) -> None:
    """Send structlog and the standard library's loggers to `stream` (standard error)."""
    out = stream or sys.stderr
    level = logging.getLevelName(settings.level.upper())
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_parameters,
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    render: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(serializer=_json)
        if settings.format == "json"
        else structlog.dev.ConsoleRenderer(colors=out.isatty())
    )
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    server = logging.getLogger(_SERVER)
    server.setLevel(logging.INFO)  # for `Server` to see what it needs, whatever is wanted in the end
    server.filters[:] = [ServerFilter(level)]


class ServerFilter(logging.Filter):
    """What uvicorn says: its warnings and errors, and of WebSockets which status was refused, as one line of level INFO.

    uvicorn 0.54 takes a handler that answers 401 before the handshake, as ASGI's "websocket.http.response" lets it, for one
    that forgot the handshake, and logs an error after the refusal. A handler that did forget it has refused nothing. Its
    own line about a refusal is left out: that has the address with the token in it.
    """

    def __init__(self, level: int) -> None:
        super().__init__()
        self._level = level
        self._refusing: WeakSet[asyncio.Task[Any]] = WeakSet()

    def filter(self, record: logging.LogRecord) -> bool:
        message = str(record.msg)
        if message.startswith("connection rejected"):  # by websockets, which has the same logger
            if (task := _task()) is not None:
                self._refusing.add(task)
            record.msg = f"websocket {message}"
            return record.levelno >= self._level
        if message.startswith("ASGI callable returned without completing handshake") and _task() in self._refusing:
            return False
        return record.levelno >= max(self._level, logging.WARNING)


def _task() -> "asyncio.Task[Any] | None":
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def hide_parameters(_logger: Any, _method: str, event: Event) -> Event:
    """Statements that failed are logged without their values, which may be hashes, addresses or posts."""
    error = event.get("exc_info")
    if isinstance(error, tuple):
        error = error[1]
    elif error is True:
        error = sys.exc_info()[1]
    seen: set[int] = set()
    while isinstance(error, BaseException) and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, StatementError):
            error.hide_parameters = True
        error = error.__cause__ or error.__context__
    return event


def hide_secrets(_logger: Any, _method: str, event: Event) -> Event:
    for key in event:
        if _is_secret(key):
            event[key] = "[hidden]"
    return event


@lru_cache(maxsize=1000)
def _is_secret(key: str) -> bool:
    return key not in _OPEN_WORDS and any(word in key.lower() for word in _SECRET_WORDS)


def _json(event: Any, **_options: Any) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()
