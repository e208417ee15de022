"""What /metrics tells, as Prometheus text. Requests are counted here; the rest is asked of the database when scraped."""

import threading
from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import ColumnElement, Executable, func, select

from node.db import Figures
from node.federation.peers import Breaker, PeerState, listing
from node.runtime import Tx
from node.schema import delivery, inbox_item, job, peer

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds."""


def _queue(due: ColumnElement[int], waits: ColumnElement[bool]) -> Executable:
    return select(func.count().label("depth"), func.min(due).label("oldest")).where(waits)


_QUEUES = {
    "inbox": _queue(inbox_item.c.received_at, inbox_item.c.next_at.is_not(None)),
    "delivery": _queue(delivery.c.next_at, delivery.c.set_aside_at.is_(None)),
    "job": _queue(job.c.run_at, job.c.failed_at.is_(None)),
}
_SET_ASIDE = {
    "delivery": select(func.count()).where(delivery.c.set_aside_at.is_not(None)),
    "job": select(func.count()).where(job.c.failed_at.is_not(None)),
}
PEERS_NAMED = 100
"""Peers that have series of their own: those for which most waits. Names come from outside, and must not fill Prometheus."""
_PEERS = select(peer.c.state, func.count().label("peers")).group_by(peer.c.state)
_RESTING = select(func.count()).where(peer.c.failures > 0, peer.c.next_attempt_at.is_not(None))
_BREAKERS = {Breaker.CLOSED: 0.0, Breaker.RAMP: 0.25, Breaker.FAILING: 0.5, Breaker.PROBING: 0.75, Breaker.OPEN: 1.0}


class Requests:
    """Counters of one process: how often each route answered what, and how long it took."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str, int], int] = {}
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        with self._lock:
            key = (method, route, status)
            self._counts[key] = self._counts.get(key, 0) + 1
            self._buckets[bisect_left(BUCKETS, seconds)] += 1
            self._seconds += seconds

    def families(self) -> Iterator[Metric]:
        with self._lock:
            counts, buckets, seconds = dict(self._counts), list(self._buckets), self._seconds
        total = CounterMetricFamily("corridor_requests", "Answered requests", labels=["method", "route", "status"])
        for (method, route, status), count in counts.items():
            total.add_metric([method, route, str(status)], count)
        yield total
        running, named = 0, []
        for bound, count in zip([*map(str, BUCKETS), "+Inf"], buckets, strict=True):
            running += count
            named.append((bound, running))
        yield HistogramMetricFamily("corridor_request_seconds", "Time to answer", buckets=named, sum_value=seconds)


class _Snapshot(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def text(requests: Requests, figures: Figures, queues: list[Metric]) -> bytes:
    """Everything in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot([*requests.families(), *_database(figures), *queues]))
    return generate_latest(registry)


def _database(figures: Figures) -> Iterator[Metric]:
    for name, help_text, value in (
        ("corridor_db_writes", "Units of work written", figures.writes),
        ("corridor_db_commits", "Commits that units shared (SQLite)", figures.groups),
        ("corridor_db_reruns", "Units that were run again", figures.reruns),
        ("corridor_db_wait_seconds", "Time that units waited for the writer", figures.waited),
    ):
        yield CounterMetricFamily(name, help_text, value=value)


def queues(tx: Tx) -> list[Metric]:
    """Depth and age of each queue, peers by state."""
    depth = GaugeMetricFamily("corridor_queue_depth", "Rows that wait", labels=["queue"])
    age = GaugeMetricFamily("corridor_queue_oldest_seconds", "Age of the oldest that is due", labels=["queue"])
    for name, statement in _QUEUES.items():
        row = tx.first(statement)
        oldest = row.oldest if row is not None else None
        depth.add_metric([name], row.depth if row is not None else 0)
        age.add_metric([name], max(0, tx.now - oldest) / 1000 if oldest is not None else 0)
    given_up = GaugeMetricFamily("corridor_queue_set_aside", "Rows given up, kept for a look", labels=["queue"])
    for name, set_aside in _SET_ASIDE.items():
        given_up.add_metric([name], tx.scalar(set_aside) or 0)
    peers = GaugeMetricFamily("corridor_peers", "Peers by state", labels=["state"])
    for found in tx.rows(_PEERS):
        peers.add_metric([found.state], found.peers)
    resting = GaugeMetricFamily("corridor_peers_resting", "Peers whose breaker is open", value=tx.scalar(_RESTING) or 0)
    return [depth, age, given_up, peers, resting, *_of_each_peer(tx)]


def _of_each_peer(tx: Tx) -> list[Metric]:
    waiting = GaugeMetricFamily("corridor_peer_waiting", "Activities that wait for a peer", labels=["peer"])
    lag = GaugeMetricFamily("corridor_peer_lag_seconds", "Age of the oldest activity that waits", labels=["peer"])
    aside = GaugeMetricFamily("corridor_peer_set_aside", "Activities given up, kept for a look", labels=["peer"])
    breaker = GaugeMetricFamily(
        "corridor_peer_breaker", "0 closed, 0.25 ramp, 0.5 failing, 0.75 probing, 1 open", labels=["peer"]
    )
    paused = GaugeMetricFamily("corridor_peer_paused", "1 while an administrator holds it", labels=["peer"])
    status = GaugeMetricFamily("corridor_peer_last_status", "Last HTTP answer, 0 without one", labels=["peer"])
    for one in list_busiest(tx, PEERS_NAMED):
        waiting.add_metric([one.domain], one.waiting)
        lag.add_metric([one.domain], one.lag_seconds or 0)
        aside.add_metric([one.domain], one.set_aside)
        breaker.add_metric([one.domain], _BREAKERS[one.breaker])
        paused.add_metric([one.domain], one.paused_at is not None)
        status.add_metric([one.domain], one.last_status or 0)
    return [waiting, lag, aside, breaker, paused, status]


def list_busiest(tx: Tx, limit: int) -> list[PeerState]:
    """The peers for which most waits, then those that were sent to last."""
    return sorted(listing(tx), key=lambda one: (-one.waiting, -(one.last_sent_at or 0), one.domain))[:limit]
