"""The ledger beside the driver while models work: samples, and the worst difference."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from workbench.models.memory.cuda import driver_used, process_used
from workbench.models.memory.pool import ModelPool

EVERY = 0.02
"""Seconds between samples."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the driver and the ledger said at one time, bytes."""

    time: float
    used: int
    process: int
    ledger: int
    models: dict[str, dict[str, int]]

    @staticmethod
    def take(pool: ModelPool, device: str, others: int = 0) -> Snapshot:
        """Driver and ledger at one time: read again where memory moved meanwhile."""
        index = int(device.partition(":")[2])
        for _ in range(500):
            version, before = pool.ledger.version, pool.ledger.usage()
            used = driver_used(index) or 0
            process = process_used(index)
            if version is not None and version == pool.ledger.version:
                break
        models = {
            name: {"weights": usage.weights, "activations": usage.activations}
            for (name, on), usage in before.items()
            if on == device
        }
        total = sum(sum(parts.values()) for parts in models.values())
        own = process if process is not None else used - others
        return Snapshot(time.time(), used, own, total, models)


class Sampler:
    """Samples in a thread until the block ends."""

    def __init__(self, pool: ModelPool, device: str) -> None:
        self._pool, self._device = pool, device
        self._others = (driver_used(0) or 0) - (Snapshot.take(pool, device).ledger or 0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.samples: list[Snapshot] = []

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            self.samples.append(Snapshot.take(self._pool, self._device))

    @property
    def differences(self) -> list[float]:
        """Of each sample with memory of ours: |ledger - driver| / driver."""
        return [
            abs(sample.ledger - sample.process) / sample.process
            for sample in self.samples
            if sample.process and sample.ledger
        ]

    @property
    def worst(self) -> float:
        """The largest of them."""
        return max(self.differences, default=1.0)

    @property
    def most(self) -> int:
        """Most bytes that the driver counted."""
        return max((sample.process for sample in self.samples), default=0)

    def report(self) -> str:
        """One line for a person."""
        over = sum(difference > 0.02 for difference in self.differences)
        ours = [sample for sample in self.samples if sample.process and sample.ledger]
        worst = max(ours, key=lambda s: abs(s.ledger - s.process) / s.process, default=None)
        return (
            f"{len(self.samples)} samples, {over} differ by more than 2 %, worst "
            f"{self.worst:.2%} ({worst})"
        )
