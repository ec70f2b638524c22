"""Numbers of the whole service, in memory that all of its workers share.

Each worker writes its own row of one anonymous mapping that the supervisor made before it forked.
A worker's successor goes on with its row, so counters never fall, and there are no files to clean.
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

STATUSES = (200, 400, 403, 404, 405, 429, 500, 503, 504)
GROUPS = (
    "paper_search", "bulk", "match", "autocomplete", "batch", "paper", "author", "snippet",
    "recommendations", "datasets", "search", "ask", "profiles", "page", "other",
)  # fmt: skip
BOUNDS = (
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.06, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0,
    float("inf"),
)  # fmt: skip
CACHES = ("answers", "candidates", "redis")
GAUGES = ("in_flight", "waiting", "open")
"""Of a worker's own process: they begin at 0 again with its successor."""

_COUNTS = len(GROUPS) * len(STATUSES)
_TIMES = len(GROUPS) * (len(BOUNDS) + 1)
_CACHED = 2 * len(CACHES)
_OTHERS = ("shared", "started")
_WIDTH = _COUNTS + _TIMES + _CACHED + len(_OTHERS) + len(GAUGES)


class Board:
    """The rows of all workers. Made before the fork."""

    def __init__(self, slots: int) -> None:
        self._memory = mmap.mmap(-1, max(slots * _WIDTH * 8, mmap.PAGESIZE))
        self.rows: NDArray[np.float64] = np.frombuffer(
            self._memory, np.float64, slots * _WIDTH
        ).reshape(slots, _WIDTH)

    def clear(self, slot: int) -> None:
        """A worker is gone: nothing is under way there."""
        self.rows[slot, -len(GAUGES) :] = 0

    def meters(self, slot: int) -> Meters:
        """The numbers of one worker."""
        return Meters(self, slot)


class Meters:
    """One worker's row. Safe to share between threads."""

    def __init__(self, board: Board | None = None, slot: int = 0) -> None:
        self.board = Board(1) if board is None else board
        self._row = self.board.rows[slot]
        self._lock = threading.Lock()
        self._row[-len(GAUGES) :] = 0
        self._add(_COUNTS + _TIMES + _CACHED + 1)

    def answered(self, group: str, status: int, seconds: float) -> None:
        """A request of a group was answered."""
        place = GROUPS.index(group) if group in GROUPS else len(GROUPS) - 1
        state = STATUSES.index(status) if status in STATUSES else STATUSES.index(500)
        step = next(n for n, bound in enumerate(BOUNDS) if seconds <= bound)
        first = _COUNTS + place * (len(BOUNDS) + 1)
        with self._lock:
            self._row[place * len(STATUSES) + state] += 1
            self._row[first + step] += 1
            self._row[first + len(BOUNDS)] += seconds

    def cached(self, cache: str, hit: bool) -> None:
        """A cache was asked."""
        self._add(_COUNTS + _TIMES + 2 * CACHES.index(cache) + (not hit))

    def shared(self) -> None:
        """A request that waits for another's computation."""
        self._add(_COUNTS + _TIMES + _CACHED)

    def gauge(self, name: str, value: float) -> None:
        """What is so now."""
        self._row[_WIDTH - len(GAUGES) + GAUGES.index(name)] = value

    def _add(self, place: int) -> None:
        with self._lock:
            self._row[place] += 1


class Exposed:
    """The sums over all workers, as prometheus_client wants them."""

    def __init__(self, board: Board, facts: dict[str, str]) -> None:
        self._board = board
        self._facts = facts

    def collect(self) -> Iterator[Any]:
        """Families of metrics."""
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
            InfoMetricFamily,
        )

        row = self._board.rows.sum(axis=0).tolist()
        requests = CounterMetricFamily(
            "workbench_requests", "Requests answered.", labels=("path", "status")
        )
        seconds = HistogramMetricFamily(
            "workbench_request_seconds", "From a request to its answer.", labels=("path",)
        )
        for place, group in enumerate(GROUPS):
            for state, status in enumerate(STATUSES):
                count = row[place * len(STATUSES) + state]
                requests.add_metric((group, str(status)), count)
            first = _COUNTS + place * (len(BOUNDS) + 1)
            counts = np.cumsum(row[first : first + len(BOUNDS)]).tolist()
            names = [f"{bound:g}" if bound < float("inf") else "+Inf" for bound in BOUNDS]
            buckets = list(zip(names, counts, strict=True))
            seconds.add_metric((group,), buckets, row[first + len(BOUNDS)])
        yield requests
        yield seconds
        cached = CounterMetricFamily(
            "workbench_cache", "Look-ups in caches.", labels=("cache", "outcome")
        )
        for place, name in enumerate(CACHES):
            first = _COUNTS + _TIMES + 2 * place
            cached.add_metric((name, "hit"), row[first])
            cached.add_metric((name, "miss"), row[first + 1])
        yield cached
        first = _COUNTS + _TIMES + _CACHED
        yield CounterMetricFamily(
            "workbench_shared", "Requests that waited for an equal one.", value=row[first]
        )
        yield CounterMetricFamily(
            "workbench_workers_started", "Workers started.", value=row[first + 1]
        )
        about = {
            "in_flight": "Requests being answered.",
            "waiting": "Requests in the queue: what an autoscaler looks at.",
            "open": "Workers that have the corpus open.",
        }
        for place, name in enumerate(GAUGES):
            value = row[_WIDTH - len(GAUGES) + place]
            yield GaugeMetricFamily(f"workbench_{name}", about[name], value=value)
        yield InfoMetricFamily("workbench_service", "What is served.", value=self._facts)


def exposition(board: Board, facts: dict[str, str]) -> bytes:
    """The whole service's numbers in Prometheus' text format."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(Exposed(board, facts))
    return bytes(generate_latest(registry))
