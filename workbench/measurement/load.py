"""A load on a service, open loop: requests leave when they should, whatever became of the others.

Latency counts from the intended time, so that a server which stands still for five seconds shows
them in all requests that should have left meanwhile (what closed loops leave out, "coordinated
omission"). It runs in one event loop over plain sockets, and reports how late it was itself.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from workbench.errors import ServiceError
from workbench.present.view import Shown, View

LATE = 0.005
"""Seconds after its intended time that a request counts as late."""

NO_ANSWER = 0
"""The status of a request that broke off or timed out."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadReport(Shown):
    """What a load met. `seconds` (float64, one a request) counts from the intended time; `statuses`
    beside it, 0 where there was no answer; `lateness` is the generator's own, seconds."""

    url: str
    offered: float
    duration: float
    seconds: NDArray[np.float64]
    statuses: NDArray[np.int64]
    lateness: NDArray[np.float64]
    paths: tuple[str, ...] = field(default=())

    @property
    def achieved(self) -> float:
        """Requests a second that were answered with 200."""
        return float((self.statuses == 200).sum()) / self.duration

    @property
    def late(self) -> float:
        """Share of requests that left more than 5 ms after their time: of a generator that cannot
        keep up, whose latencies are too long."""
        return float((self.lateness > LATE).mean()) if len(self.lateness) else 0.0

    def percentile(self, p: float, status: int = 200) -> float:
        """Seconds within which `p` per cent of the answers with a status came; NaN for none."""
        chosen = self.seconds[self.statuses == status]
        return float(np.percentile(chosen, p)) if len(chosen) else math.nan

    def to_dict(self) -> dict[str, Any]:
        """What `workbench bench load --json` prints; milliseconds, None where nothing came."""
        statuses = {str(k): v for k, v in sorted(Counter(self.statuses.tolist()).items())}
        return {
            "url": self.url,
            "offered": self.offered,
            "achieved": round(self.achieved, 2),
            "late": round(self.late, 4),
            "seconds": round(self.duration, 2),
            "statuses": statuses,
            "latency_ms": {
                str(status): {
                    f"p{p:g}": _ms(self.percentile(p, int(status))) for p in (50, 90, 99, 99.9, 100)
                }
                for status in statuses
            },
        }

    def __repr__(self) -> str:
        p50, p99 = self.percentile(50) * 1e3, self.percentile(99) * 1e3
        return f"LoadReport({self.offered:g}/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms)"

    def view(self) -> View:
        """Rates, statuses and percentiles."""
        told = self.to_dict()
        lines = [
            f"offered {self.offered:g}/s, answered {self.achieved:.1f}/s, "
            f"{self.late:.1%} left late",
            "answers: " + ", ".join(f"{k}: {v}" for k, v in told["statuses"].items()),
        ]
        for status, found in told["latency_ms"].items():
            lines.append(f"{status}: " + ", ".join(f"{p} {ms} ms" for p, ms in found.items()))
        return View(f"Load on {self.url}", tuple(lines))

    def plot(self) -> Any:
        """Latency by percentile, a plotly figure."""
        import plotly.graph_objects as go

        p = np.concatenate([np.linspace(0, 90, 91), 100 - np.geomspace(10, 0.01, 60)])
        chosen = self.seconds[self.statuses == 200]
        values = np.percentile(chosen, p) * 1e3 if len(chosen) else []
        figure = go.Figure(go.Scatter(x=p, y=values, name="200"))
        figure.update_layout(xaxis_title="per cent of answers", yaxis_title="ms")
        return figure


def _ms(seconds: float) -> float | None:
    return None if math.isnan(seconds) else round(seconds * 1e3, 2)


def run_load(
    url: str,
    paths: Sequence[str],
    rate: float = 50.0,
    seconds: float = 10.0,
    *,
    timeout: float = 60.0,
    key: str = "",
) -> LoadReport:
    """Ask a service for `paths` in turn, `rate` requests a second.

    Raises ServiceError where nobody listens, or for a rate or time that is none.
    """
    if not (paths and 0 < rate <= 1e5 and 0 < seconds <= 86_400):
        raise ServiceError("give paths, a rate up to 100,000 a second, and seconds above 0")
    work = _run(url, list(paths), rate, seconds, timeout, key)
    with ThreadPoolExecutor(1) as thread:  # a notebook has a loop of its own in this one
        return thread.submit(asyncio.run, work).result()


async def _run(
    url: str, paths: list[str], rate: float, seconds: float, timeout: float, key: str
) -> LoadReport:
    place = urlsplit(url)
    if place.scheme != "http" or not place.hostname:
        raise ServiceError(f"{url!r} is no http:// URL")
    pool = Connections(place.hostname, place.port or 80, key)
    await pool.check()
    count = max(1, round(rate * seconds))
    took, late = np.zeros(count), np.zeros(count)
    statuses = np.zeros(count, np.int64)
    start = time.perf_counter() + 0.05
    tasks = []

    async def one(number: int, due: float) -> None:
        late[number] = time.perf_counter() - due
        try:
            async with asyncio.timeout(timeout):
                statuses[number], _ = await pool.get(paths[number % len(paths)])
        except (OSError, TimeoutError, EOFError, ValueError, IndexError):
            statuses[number] = NO_ANSWER
        took[number] = time.perf_counter() - due

    for number in range(count):
        due = start + number / rate
        pause = due - time.perf_counter()
        if pause > 0:
            await asyncio.sleep(pause)
        tasks.append(asyncio.create_task(one(number, due)))
    await asyncio.gather(*tasks)
    duration = max(time.perf_counter() - start, 1e-9)
    pool.close()
    return LoadReport(url, rate, duration, took, statuses, late, tuple(paths))


class Connections:
    """Connections that are kept; a request takes a free one or makes one."""

    def __init__(self, host: str, port: int, key: str = "") -> None:
        self._host, self._port = host, port
        self._head = f"Host: {host}:{port}\r\n" + (f"x-api-key: {key}\r\n" if key else "")
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def check(self) -> None:
        """Raises ServiceError where nobody listens."""
        try:
            self._free.append(await asyncio.open_connection(self._host, self._port))
        except OSError as error:
            raise ServiceError(
                f"http://{self._host}:{self._port}: nobody listens ({error}); start `workbench "
                "serve`"
            ) from error

    async def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of the answer. As every client does, it asks again where a kept
        connection was ended by the other side before it heard of the request."""
        while self._free:
            reader, writer = self._free.pop()
            if writer.is_closing() or reader.at_eof():
                writer.close()
                continue
            try:
                return await self._ask(path, reader, writer)
            except asyncio.IncompleteReadError as error:
                if error.partial:
                    raise
            except ConnectionResetError:
                pass
        return await self._ask(path, *await asyncio.open_connection(self._host, self._port))

    async def _ask(
        self, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[int, bytes]:
        try:
            writer.write(f"GET {path} HTTP/1.1\r\n{self._head}\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.split("content-length:")[1].split("\r\n")[0])
            content = await reader.readexactly(length)
        except BaseException:
            writer.close()
            raise
        if "connection: close" in head:
            writer.close()
        else:
            self._free.append((reader, writer))
        return int(head.split(" ")[1]), content

    def close(self) -> None:
        """End the connections that are free."""
        for _, writer in self._free:
            writer.close()


def search_paths(texts: Sequence[str], kind: str = "search") -> list[str]:
    """The paths that ask a service for these queries: `search` or `snippet`."""
    from urllib.parse import quote

    path = {
        "search": "/graph/v1/paper/search?limit=10&fields=title,year,authors&query=",
        "snippet": "/graph/v1/snippet/search?limit=10&query=",
    }
    if kind not in path:
        raise ServiceError(f"path is {kind!r}; give search or snippet")
    return [path[kind] + quote(text, safe="") for text in texts]


def save(path: Any, content: dict[str, Any], figure: Any = None) -> None:
    """Write a result as JSON, and its plot as HTML beside it."""
    from pathlib import Path

    from workbench.system.files import replacing

    target = Path(path)
    with replacing(target) as stream:
        json.dump(content, stream, indent=2, ensure_ascii=False)
    if figure is not None:
        with replacing(target.with_suffix(".html")) as stream:
            stream.write(figure.to_html(include_plotlyjs=True))
