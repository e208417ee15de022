"""/livez: the process runs. /healthz: it can serve, judged from recent work, not by writing. /metrics: for Prometheus."""

import asyncio

from sqlalchemy import literal, select
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from node.addresses import Networks
from node.errors import NodeError, NotFound
from node.federation import company
from node.runtime import Tx
from web import metrics
from web.parts import Parts, client_address, parts_of
from web.responses import json

READ_SECONDS = 2.0
"""A database that does not answer a trivial read in this time cannot serve."""
FAILURE_SECONDS = 60.0
"""How long a write that failed for want of disk or connection counts against the node, if none worked since."""
_NO_STORE = {"Cache-Control": "no-store"}
_ONE = select(literal(1))


def routes() -> list[BaseRoute]:
    return [Route("/livez", livez), Route("/healthz", healthz), Route("/metrics", answer_metrics)]


async def livez(_request: Request) -> Response:
    return json({"status": "ok"}, headers=_NO_STORE)


async def healthz(request: Request) -> Response:
    """200, or 503 with the reasons. `degraded` says what does not work although people here are served."""
    reasons = await faults(parts_of(request))
    if reasons:
        return json({"status": "unavailable", "reasons": reasons}, 503, _NO_STORE)
    degraded = company.troubles(parts_of(request).node.company)
    return json({"status": "ok"} | ({"degraded": degraded} if degraded else {}), headers=_NO_STORE)


async def faults(parts: Parts) -> list[str]:
    """Why this process cannot serve; empty when it can."""
    found = []
    figures = parts.node.storage.figures
    if figures.failed_at is not None and parts.monotonic() - figures.failed_at < FAILURE_SECONDS:
        found.append(f"the database takes no writes: {figures.failure}")
    try:
        async with asyncio.timeout(READ_SECONDS):
            await parts.node.read(_look)
    except TimeoutError:
        found.append(f"the database did not answer a read in {READ_SECONDS:g} s")
    except NodeError as error:
        found.append(f"the database cannot be read: {error}")
    if parts.stopping.is_set():
        found.append("stopping")
    if parts.worker is not None:
        found += [f"the worker's {work} loop is stuck" for work in parts.worker.stuck]
    if parts.worker_ended:
        found.append("the worker ended")
    return found


def _look(tx: Tx) -> None:
    tx.scalar(_ONE)


async def answer_metrics(request: Request) -> Response:
    """404 for addresses that `metrics.allow` does not name: what one may not see is not there."""
    parts = parts_of(request)
    if client_address(request) not in Networks(parts.settings.metrics.allow):
        raise NotFound()
    queues = await parts.node.read(metrics.queues)
    body = metrics.text(parts.requests, parts.node.storage.figures, queues)
    return PlainTextResponse(body, headers=_NO_STORE, media_type="text/plain; version=0.0.4; charset=utf-8")
