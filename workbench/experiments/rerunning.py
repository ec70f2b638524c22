"""Measuring again what was recorded: identical, or what differs, by how much, and from what."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import ExperimentError
from workbench.evaluation.reports.metrics import per_query
from workbench.experiments.causes import model_change, paper_changes
from workbench.experiments.evaluating import Ranked, Retrieval, Subject, prepare
from workbench.experiments.kept import KeptExperiment
from workbench.experiments.swapping import with_terms
from workbench.present.view import Shown, View
from workbench.present.words import count, first_ids, setting
from workbench.ranking.weights import ranked_papers
from workbench.records import Query

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Drift:
    """How far the vectors of the same texts are from the recorded ones: how many `queries` have
    other bytes, the least `cosine`, the largest difference of a `coordinate`."""

    queries: int
    cosine: float
    coordinate: float


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Rerun(Shown):
    """What `Experiment.rerun` found.

    `differences` has one row a number that differs: query ("" for the mean), metric, recorded, now,
    difference; `rankings` how many queries are ranked otherwise, or with other scores, both with
    the recorded query vectors. `drift` says how vectors made now differ from those, and
    `drifted` has the means with vectors made now, where they differ. `reasons` name what changed.
    """

    experiment: str
    queries: int
    rankings: int
    differences: pd.DataFrame
    drift: Drift
    drifted: Mapping[str, float]
    reasons: tuple[str, ...]
    seconds: float

    @property
    def identical(self) -> bool:
        """Whether rankings, scores and metrics are the same bit by bit, with the recorded vectors
        and with vectors made now."""
        return self.replayed and not self.drift.queries

    @property
    def replayed(self) -> bool:
        """The same with the recorded query vectors alone, as on a CPU that computes otherwise."""
        return not self.rankings and not len(self.differences)

    def to_dict(self) -> dict[str, Any]:
        """What `workbench rerun --json` prints; a contract: fields are only added."""
        return {
            "experiment": self.experiment,
            "identical": self.identical,
            "replayed": self.replayed,
            "queries": self.queries,
            "rankings": self.rankings,
            "differences": self.differences.to_dict("records"),
            "drift": {name: getattr(self.drift, name) for name in Drift.__slots__},
            "drifted": dict(self.drifted),
            "reasons": list(self.reasons),
            "seconds": self.seconds,
        }

    def to_frame(self) -> pd.DataFrame:
        """The numbers that differ."""
        return self.differences

    def __repr__(self) -> str:
        said = "identical" if self.identical else f"{len(self.differences)} numbers differ"
        return f"Rerun({self.experiment}, {count(self.queries, 'query')}: {said})"

    def view(self) -> View:
        """Identical, or the means that differ, the queries, and the reasons."""
        if self.identical:
            said = "identical, every ranking, score and metric bit by bit"
            return View(f"{self.experiment}: {said} ({count(self.queries, 'query')})")
        rows = []
        if self.replayed:
            rows.append("  with the recorded query vectors: identical bit by bit")
        else:
            rows.append(f"  {count(self.rankings, 'query')} ranked otherwise")
        means = self.differences[self.differences["query"] == ""]
        single = self.differences[self.differences["query"] != ""]
        rows += [_line(row) for _, row in means.iterrows()]
        rows += [_line(row) for _, row in single.head(10).iterrows()]
        if len(single) > 10:
            rows.append(f"  and {len(single) - 10:,} more; `.differences` has all")
        if self.drift.queries:
            rows.append(
                f"  vectors of {count(self.drift.queries, 'query')} differ, cosine at least "
                f"{self.drift.cosine:.6f}, a coordinate at most {self.drift.coordinate:.2g}"
            )
            rows += [f"  with vectors made now: {n} {v:.4f}" for n, v in self.drifted.items()]
        return View(f"{self.experiment}: not identical", tuple(rows), self.reasons)


def rerun(experiment: KeptExperiment, subject: Subject) -> Rerun:
    """Search and measure again on the corpus as it is now, nothing from a cache: once with the
    recorded query vectors, and once more with vectors made now where those differ.

    Raises ExperimentError where the vectors have another length than the corpus's.
    """
    started = time.perf_counter()
    searched = [query for query in experiment.queries if query.vector is not None]
    fresh = prepare(subject, searched)
    width = subject.engine.manifest.dimension
    other_model = experiment.world.get("query_model") != subject.embedder.fingerprint
    if any(q.vector is not None and q.vector.shape != (width,) for q in searched):
        raise ExperimentError(
            f"experiment {experiment.id} was made with vectors of another length than the "
            f"{width} dimensions of {subject.opened}; open the corpus with the model "
            f"{experiment.document['models']['name']!r}"
        )
    drift = _drift(searched, fresh)
    kept = [with_terms(subject, query) for query in searched]
    found = _ranked(experiment, subject, kept)
    differences, rankings = _differences(experiment, found)
    drifted: dict[str, float] = {}
    if drift.queries:
        run = {name: papers for name, (papers, _) in _ranked(experiment, subject, fresh).items()}
        values = per_query(run, experiment.judgments, list(experiment.metrics))
        drifted = {name: float(values[name].mean()) for name in values.columns}
    return Rerun(
        experiment=experiment.id,
        queries=len(searched),
        rankings=rankings,
        differences=differences,
        drift=drift,
        drifted=drifted,
        reasons=(*changes_since(experiment, subject), *_reasons(drift, other_model)),
        seconds=time.perf_counter() - started,
    )


def _ranked(
    experiment: KeptExperiment, subject: Subject, queries: list[Query]
) -> dict[str, Ranked]:
    retrieval = Retrieval(subject, queries, experiment.profile, None, False)
    return {
        query.id: ranked_papers(candidates, experiment.profile, experiment.k)
        for query, candidates in retrieval
    }


def _differences(
    experiment: KeptExperiment, found: Mapping[str, Ranked]
) -> tuple[pd.DataFrame, int]:
    """The numbers that differ, and how many queries are ranked otherwise."""
    import pandas as pd

    recorded = experiment.ranked
    apart = sum(
        recorded[name][0] != papers or recorded[name][1].tobytes() != scores.tobytes()
        for name, (papers, scores) in found.items()
    )
    before = experiment.per_query
    run = {name: papers for name, (papers, _) in found.items()}
    now = per_query(run, experiment.judgments, list(before.columns))
    rows = []
    for metric in before.columns:
        pairs = [("", float(before[metric].mean()), float(now[metric].mean()))]
        both = zip(before.index, before[metric].tolist(), now[metric].tolist(), strict=True)
        for query, then, value in [*pairs, *both]:
            if then != value:
                rows.append((query, metric, then, value, value - then))
    columns = ["query", "metric", "recorded", "now", "difference"]
    return pd.DataFrame(rows, columns=columns), int(apart)


def _drift(recorded: list[Query], fresh: list[Query]) -> Drift:
    pairs = [
        (one.vector, two.vector)
        for one, two in zip(recorded, fresh, strict=True)
        if one.vector is not None and two.vector is not None
        and one.vector.shape == two.vector.shape and one.vector.tobytes() != two.vector.tobytes()
    ]  # fmt: skip
    if not pairs:
        return Drift(0, 1.0, 0.0)
    cosines = [float(np.dot(a.astype(np.float64), b.astype(np.float64))) for a, b in pairs]
    return Drift(len(pairs), min(cosines), max(float(np.abs(a - b).max()) for a, b in pairs))


def changes_since(experiment: KeptExperiment, subject: Subject) -> list[str]:
    """What of corpus, model and code is not as it was, in sentences; none where all is."""
    then, now = experiment.world, subject.world
    said = []
    for name, ids in paper_changes(experiment.content, subject.content).items():
        how = f"whose {name} differ" if name in ("passages", "vectors") else f"{name} since"
        said.append(f"{count(len(ids), 'paper')} {how}: {first_ids(ids)}")
    for name in ("analyser", "query_analyser", "chunking", "k1", "b", "engine"):
        if then.get(name) != now.get(name):
            said.append(f"{name} was {setting(then.get(name))}, is {setting(now.get(name))}")
    if then.get("query_model") != subject.embedder.fingerprint:
        said.append(model_change(str(then.get("query_model")), subject.embedder.fingerprint))
    if then.get("fingerprint") != now.get("fingerprint"):
        before, after = then.get("fingerprint"), now.get("fingerprint")
        said.append(f"the engine, which does not tell its papers, was {before}, is {after}")
    if then.get("code") != now.get("code"):
        said.append(f"the package's code was {then.get('code')}, is {now.get('code')}")
    return said


def _reasons(drift: Drift, other_model: bool) -> Iterator[str]:
    if drift.queries and not other_model:
        yield (
            "the same weights give other query vectors here: another CPU, library or number of "
            "threads computes them"
        )


def _line(row: Any) -> str:
    name = f"{row['query'] or 'mean'} {row['metric']}"
    return f"  {name}: {row['recorded']:.6f} -> {row['now']:.6f} ({row['difference']:+.2g})"
