"""What measuring profiles gives: one row a profile, and which of them no other beats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.errors import shown
from workbench.present.view import Shown, View
from workbench.present.words import count

if TYPE_CHECKING:
    import pandas as pd

QUALITY_NOISE, COST_NOISE = 0.001, 0.05
"""Differences of the metric, and shares of time or memory, that do not tell two profiles apart."""


@dataclass(frozen=True, slots=True, repr=False)
class Measured:
    """One profile. `quality` is the metric's mean with its 95 % interval `low`..`high`; latencies
    are of single queries, one after another, in milliseconds; `memory_mb` is the peak of the
    process (10^6 bytes), `gpu_mb` what models held on GPUs. `fingerprint` is the profile's.
    `stages_ms` are medians of the stages of a query, in their order: query (analysed, embedded),
    candidates, feedback, rerank, fusion, texts."""

    profile: str
    fingerprint: str
    quality: float
    low: float
    high: float
    p50_ms: float
    p95_ms: float
    memory_mb: float
    gpu_mb: float = 0.0
    stages_ms: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        cost = f"{self.p50_ms:.1f} ms, {self.memory_mb:.0f} MB"
        return f"Measured({shown(self.profile, 40)}, {self.quality:.4f}, {cost})"

    def beats(self, other: Measured) -> bool:
        """Not worse in quality, median latency, memory and GPU memory, and better in one, each
        beyond the noise (.001 of quality, 5 % of a cost)."""
        mine, theirs = self._costs(), other._costs()
        worse = self.quality < other.quality - QUALITY_NOISE or any(
            a > b * (1 + COST_NOISE) for a, b in zip(mine, theirs, strict=True)
        )
        better = self.quality > other.quality + QUALITY_NOISE or any(
            a < b * (1 - COST_NOISE) for a, b in zip(mine, theirs, strict=True)
        )
        return better and not worse

    def _costs(self) -> tuple[float, float, float]:
        return self.p50_ms, self.memory_mb, self.gpu_mb


@dataclass(frozen=True, slots=True, repr=False)
class Measurements(Shown):
    """Profiles measured with the same queries on one corpus and machine.

    `corpus` is the fingerprint of the index, `machine` its CPU count and system, `queries` how
    many were judged, `timed` how many of them were timed.
    """

    metric: str
    corpus: str
    machine: str
    queries: int
    timed: int
    rows: tuple[Measured, ...]

    @property
    def front(self) -> tuple[str, ...]:
        """Names of the profiles that no other beats: the Pareto front of quality, median latency
        and memory."""
        return tuple(
            row.profile for row in self.rows if not any(other.beats(row) for other in self.rows)
        )

    def __repr__(self) -> str:
        best = max(self.rows, key=lambda row: row.quality, default=None)
        found = f", best {shown(best.profile, 40)} {best.quality:.4f}" if best else ""
        return f"Measurements({self.metric} of {count(len(self), 'profile')}{found})"

    def __iter__(self) -> Iterator[Measured]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """What `workbench profile measure --json` prints; a contract: fields are only added."""
        rows = [asdict(row) for row in self.rows]
        plain = {name: getattr(self, name) for name in ("metric", "corpus", "machine")}
        counts = {"queries": self.queries, "timed": self.timed}
        return {**plain, **counts, "front": list(self.front), "profiles": rows}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Measurements:
        """What `to_dict` gave. Raises KeyError or TypeError for anything else."""
        rows = tuple(Measured(**row) for row in values["profiles"])
        names = ("metric", "corpus", "machine", "queries", "timed")
        return Measurements(**{name: values[name] for name in names}, rows=rows)

    def to_frame(self) -> pd.DataFrame:
        """One row a profile, with a column `front` and one a stage, such as `feedback_ms`."""
        import pandas as pd

        front = self.front
        rows = [
            {**asdict(row), "front": row.profile in front}
            | {f"{stage}_ms": ms for stage, ms in row.stages_ms.items()}
            for row in self.rows
        ]
        return pd.DataFrame(rows).drop(columns=["fingerprint", "stages_ms"])

    def view(self) -> View:
        """One row a profile; those of the Pareto front stand out."""
        table = [(row.profile in self.front, _cells(row, self.front)) for row in self.rows]
        rows = tuple("  ".join(cells) for cells in _aligned(self))
        more = {"columns": _HEAD, "table": table, "words": 2}
        notes = tuple(
            f"{row.profile}: {stages_text(row)} of a query (medians)."
            for row in self.rows
            if row.stages_ms
        )
        return View(self.caption, rows, notes, "table.html", more)

    @property
    def caption(self) -> str:
        """What the table shows, in one sentence."""
        return (
            f"{self.metric} over {self.queries} queries, latency of {self.timed} of them, peak "
            f"memory, each profile in a process of its own; * no other profile beats it"
        )


_HEAD = ("", "profile", "quality", "95 % interval", "p50", "p95", "memory", "GPU")


def _cells(row: Measured, front: Sequence[str]) -> tuple[str, ...]:
    return (
        "*" if row.profile in front else "",
        row.profile,
        f"{row.quality:.4f}",
        f"{row.low:.3f} to {row.high:.3f}",
        f"{row.p50_ms:.1f} ms",
        f"{row.p95_ms:.1f} ms",
        f"{row.memory_mb:.0f} MB",
        f"{row.gpu_mb:.0f} MB",
    )


def stages_text(row: Measured) -> str:
    """Where the time of a query goes, slowest stage first: "query 9.0 ms, feedback 4.3 ms"."""
    slowest = sorted(row.stages_ms.items(), key=lambda item: -item[1])
    return ", ".join(f"{stage} {ms:.1f} ms" for stage, ms in slowest)


def _aligned(measurements: Measurements) -> list[list[str]]:
    front = measurements.front
    table = [_HEAD, *(_cells(row, front) for row in measurements.rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(_HEAD))]
    return [
        [
            c.ljust(w) if i < 2 else c.rjust(w)
            for i, (c, w) in enumerate(zip(line, widths, strict=True))
        ]
        for line in table
    ]
