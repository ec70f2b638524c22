"""Bulk requests: encoded once, sent again where the cluster was busy or away, rejects by id."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.engines.elastic.wire.connection import Connection
from workbench.engines.elastic.wire.smile import document
from workbench.errors import (
    ClusterBusy,
    ClusterReadOnly,
    ClusterTooLarge,
    ClusterUnavailable,
    WorkbenchError,
)
from workbench.system.fork import Lock

BYTES = 2 * 2**20
"""Of one request; larger ones are not faster, and cost the cluster memory."""

PATIENCE = 180.0
"""Seconds that loading waits for a cluster that is away or busy before it gives up."""

LONGEST_PAUSE = 10.0


@dataclass(frozen=True, slots=True)
class Action:
    """One document to index, or with `body` None to delete."""

    id: str
    body: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Reject:
    """A document that the cluster refused for good."""

    id: str
    reason: str


class BulkWriter:
    """Writes to one index. Safe to share between threads: when one is told to wait, all do."""

    def __init__(self, connection: Connection, index: str, *, patience: float = PATIENCE) -> None:
        self._connection = connection
        self._index = index
        self._patience = patience
        self._lock = Lock()
        self._not_before = 0.0
        self._most = connection.spec.bulk_bytes or BYTES
        self.rejects: list[Reject] = []

    def write(self, actions: Iterable[Action]) -> None:
        """Returns when every document is stored or among `rejects`.

        A document has one fixed id, so that sending it again never stores it twice. Raises
        ClusterReadOnly at once, ClusterBusy or ClusterUnavailable when patience is at its end.
        A request that is too large for the cluster or a proxy is split; later ones are smaller.
        """
        for part in self._parts(actions):
            self._deliver(part)

    def _deliver(self, waiting: list[tuple[str, bytes]]) -> None:
        until, attempt = time.monotonic() + self._patience, 0
        while waiting:
            self._hold()
            failure: WorkbenchError
            try:
                answer = self._connection.bulk((content for _, content in waiting), self._index)
            except ClusterTooLarge:
                return self._split(waiting)
            except (ClusterUnavailable, ClusterBusy) as error:
                failure = error
            else:
                waiting, busy = self._left(waiting, answer)
                if busy is None:
                    return
                failure = busy
            if time.monotonic() > until:
                raise failure
            attempt += 1
            self._pause(attempt)

    def _split(self, waiting: list[tuple[str, bytes]]) -> None:
        """Send the halves of a part that was too large; one document alone is refused."""
        size = sum(len(content) for _, content in waiting)
        if len(waiting) == 1:
            reason = f"{size:,} bytes are more than the cluster, or a proxy before it, takes (413)"
            with self._lock:
                self.rejects.append(Reject(waiting[0][0], reason))
            return
        with self._lock:
            self._most = min(self._most, size // 2)
        middle = len(waiting) // 2
        for half in (waiting[:middle], waiting[middle:]):
            self._deliver(half)

    def _parts(self, actions: Iterable[Action]) -> Iterator[list[tuple[str, bytes]]]:
        """Encoded documents, about as many bytes at a time as are taken."""
        part: list[tuple[str, bytes]] = []
        size = 0
        for action in actions:
            content = _encoded(action)
            if part and size + len(content) > self._most:
                yield part
                part, size = [], 0
            part.append((action.id, content))
            size += len(content)
        if part:
            yield part

    def _left(
        self, sent: list[tuple[str, bytes]], answer: Mapping[str, Any]
    ) -> tuple[list[tuple[str, bytes]], WorkbenchError | None]:
        """What has to be sent again, and why."""
        if not answer.get("errors"):
            return [], None
        left: list[tuple[str, bytes]] = []
        failure: WorkbenchError | None = None
        for (name, content), item in zip(sent, answer["items"], strict=True):
            [result] = item.values()
            if "error" not in result:
                continue
            error = self._connection.failure(int(result["status"]), result)
            if isinstance(error, ClusterReadOnly):
                raise error
            if isinstance(error, ClusterBusy | ClusterUnavailable):
                left.append((name, content))
                failure = error
            else:
                reason = result["error"].get("reason", "") if result["error"] else ""
                with self._lock:
                    self.rejects.append(Reject(name, str(reason)[:300]))
        return left, failure

    def _pause(self, attempt: int) -> None:
        """Exponential, with jitter, for every thread that writes here."""
        pause = min(LONGEST_PAUSE, 0.1 * 2**attempt) * (0.5 + random.random())  # noqa: S311
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + pause)

    def _hold(self) -> None:
        with self._lock:
            pause = self._not_before - time.monotonic()
        if pause > 0:
            time.sleep(pause)


def _encoded(action: Action) -> bytes:
    if action.body is None:
        return document({"delete": {"_id": action.id}})
    return document({"index": {"_id": action.id}}) + document(action.body)


def merged(rejects: Sequence[Reject]) -> str:
    """A sentence for a person: how many, and the first few by id."""
    shown = "; ".join(f"{r.id.replace(chr(9), ' of ')}: {r.reason}" for r in rejects[:3])
    return f"{len(rejects)} documents were refused ({shown})"
