"""Parity: the same queries on two engines, how the answers differ, why, and whether it matters.

    report = parity(wb.open("data/landmarks"), wb.open("data/landmarks", engine=...), queries)

Overlap and rank-biased overlap of the lists, differences of each signal on the passages that both
engines have, the causes told apart, and, with judgments, the metric at the same weights and the
regret of taking one engine's steady weights to the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from workbench.errors import EvaluationError, shown
from workbench.evaluation.inputs import JudgmentInput, QueryInput, as_judgments, as_queries
from workbench.evaluation.likeness.causes import CAUSES, Causes, tally
from workbench.evaluation.likeness.lost import LOST
from workbench.evaluation.likeness.parity_watch import SignalParity, Watch
from workbench.evaluation.reports.metrics import grades_by_query
from workbench.evaluation.tuning.curve import CurveItem, weight_curve
from workbench.present.view import Shown, View
from workbench.present.words import count
from workbench.profiles import Profile
from workbench.ranking.fusion import normalise
from workbench.ranking.ranking import Ranking
from workbench.ranking.weights import ranked_ids
from workbench.records import Candidates, Judgment, Query

if TYPE_CHECKING:
    import pandas as pd

HOLDS = 0.005
"""Of a metric: what weights tuned on one engine may lose on the other."""


class Searched(Protocol):
    """What is compared: a `Workbench`."""

    @property
    def engine(self) -> Any:
        """The engine behind it."""
        ...

    @property
    def profile(self) -> Profile:
        """Its settings."""
        ...

    def search(self, query: str, k: int = 10, *, profile: Profile | str | None = None) -> Ranking:
        """The best papers, with their candidates."""
        ...


@dataclass(frozen=True, slots=True)
class WeightParity:
    """The metric of both engines at the profile's weights; the best and the steady weight
    (`WeightCurve.steady`) of dense beside BM25 on each; what the first's steady weight loses on
    the second against the second's own (`regret`).

    Not of the best weights: their peak is often narrower than a thousandth, and a value that
    differs in its last digits moves it.
    """

    metric: str
    first: float
    second: float
    first_best: float
    second_best: float
    regret: float
    first_steady: float
    second_steady: float

    @property
    def holds(self) -> bool:
        """Whether weights tuned on the first are as good on the second as its own, within
        HOLDS."""
        return self.regret <= HOLDS

    @property
    def sentence(self) -> str:
        """Whether weights tuned on the one hold on the other."""
        verdict = "hold" if self.holds else "do not hold"
        return (
            f"{self.metric} {self.first:.4f} and {self.second:.4f} at the same weights; steady "
            f"dense weight {self.first_steady:g} and {self.second_steady:g}; regret "
            f"{self.regret:.4f}: weights {verdict}"
        )


@dataclass(frozen=True, slots=True, repr=False)
class ParityReport(Shown):
    """Two engines over the same queries. In a notebook it shows as a table.

    `overlap` and `rbo`: by query id, of the best `k` papers. `lost`: why papers of the first
    engine's lists are not in the second's, by cause. `recall`: the share of each arm's best
    passages on the first engine that are candidates on the second.
    """

    first: str
    second: str
    k: int
    overlap: Mapping[str, float]
    rbo: Mapping[str, float]
    signals: tuple[SignalParity, ...]
    lost: Mapping[str, int]
    recall: Mapping[str, float]
    weights: WeightParity | None = None

    @property
    def mean_overlap(self) -> float:
        """Mean of `overlap`."""
        return float(np.mean(list(self.overlap.values())))

    @property
    def mean_rbo(self) -> float:
        """Mean of `rbo`."""
        return float(np.mean(list(self.rbo.values())))

    @property
    def causes(self) -> dict[str, str]:
        """Every cause that was found, and what it means."""
        named = dict.fromkeys([*self.lost, *(c for s in self.signals for c in s.causes)])
        return {name: _MEANINGS[name] for name in named}

    @property
    def explained(self) -> bool:
        """Whether every difference that was examined has a cause that, swapped in, gives the second
        engine's value or list."""
        return "unexplained" not in self.causes

    def to_dict(self) -> dict[str, Any]:
        """What `workbench parity --json` prints; a contract: fields are only added."""
        weights = None if self.weights is None else asdict(self.weights)
        return {
            "first": self.first,
            "second": self.second,
            "queries": len(self.overlap),
            "k": self.k,
            "overlap": {"mean": self.mean_overlap, "least": min(self.overlap.values())},
            "rbo": {"mean": self.mean_rbo, "least": min(self.rbo.values())},
            "recall": dict(self.recall),
            "signals": {s.name: {**asdict(s), "causes": dict(s.causes)} for s in self.signals},
            "lost": dict(self.lost),
            "causes": self.causes,
            "explained": self.explained,
            "weights": weights if weights is None else {**weights, "holds": self.weights.holds},  # type: ignore[union-attr]
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a query: overlap and rbo."""
        import pandas as pd

        return pd.DataFrame({"overlap": dict(self.overlap), "rbo": dict(self.rbo)})

    def __repr__(self) -> str:
        regret = f", regret {self.weights.regret:.4f}" if self.weights else ""
        return (
            f"ParityReport({count(len(self.overlap), 'query')}, overlap {self.mean_overlap:.3f}, "
            f"RBO {self.mean_rbo:.3f}{regret})"
        )

    def view(self) -> View:
        """What differs, why, and whether weights hold."""
        shares = ", ".join(f"{share:.1%} of {name}" for name, share in self.recall.items())
        lines = [
            f"overlap {self.mean_overlap:.3f} (least {min(self.overlap.values()):.2f}), "
            f"rank-biased overlap {self.mean_rbo:.3f}",
            f"of the first's best candidates the second has {shares}",
        ]
        rows = [
            f"{s.name}: {s.equal:.1%} of {s.passages:,} values equal, mean difference "
            f"{s.mean:.2g}, largest {s.largest:.2g}"
            + (f" ({_counts(s.causes)})" if s.causes else "")
            for s in self.signals
        ]
        table = [
            (
                False,
                (
                    s.name,
                    _counts(s.causes) or "–",
                    f"{s.passages:,}",
                    f"{s.equal:.1%}",
                    f"{s.mean:.2g}",
                    f"{s.largest:.2g}",
                ),
            )
            for s in self.signals
        ]
        after = [f"papers that left the lists: {_counts(self.lost)}"] if self.lost else []
        after += [f"{name}: {meaning}" for name, meaning in self.causes.items()]
        after += [self.weights.sentence] if self.weights else []
        columns = ("signal", "causes", "values", "equal", "mean difference", "largest")
        more = {
            "lines": lines, "after": after, "columns": columns, "table": table, "words": 2,
        }  # fmt: skip
        text = tuple(f"  {line}" for line in [*lines, *rows, *after])
        head = f"{self.first} and {self.second}: {count(len(self.overlap), 'query')}, best {self.k}"
        return View(head, text, template="parity.html", more=more)


def _counts(causes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in causes.items())


_MEANINGS = {**CAUSES, **LOST}


def parity(
    first: Searched,
    second: Searched,
    queries: QueryInput,
    judgments: JudgmentInput = (),
    *,
    metric: str = "nDCG@10",
    k: int = 10,
    profile: Profile | None = None,
    progress: bool = True,
) -> ParityReport:
    """Compare two opened corpora of the same papers; the first is the reference.

    The best `k` papers of each query are compared, with `judgments` also the `metric`. `profile`
    without one is the first's. Raises EvaluationError without queries or for engines that hold
    other papers, and what searching raises.
    """
    from workbench.system.progress import tqdm

    for name, bench in (("first", first), ("second", second)):
        if not (hasattr(bench, "engine") and hasattr(bench, "search")):
            raise EvaluationError(f"the {name} is {shown(bench)}; give what wb.open returns")
    chosen = profile or first.profile
    asked, judged = as_queries(queries), as_judgments(judgments)
    if not asked:
        raise EvaluationError("no queries to compare on; give at least one")
    _check_same_papers(first, second)
    watch = Watch(Causes(first.engine, second.engine), chosen, k)
    retrieved: list[tuple[Query, Candidates, Candidates]] = []
    for query in tqdm(asked, desc="Parity", unit=" queries", delay=2, disable=not progress):
        one, other = (bench.search(query.text, k, profile=chosen) for bench in (first, second))
        watch.compare(query.id or query.text, one, other)
        retrieved.append((query, one.candidates, other.candidates))
    return ParityReport(
        first=_name(first),
        second=_name(second),
        k=k,
        overlap=watch.overlap,
        rbo=watch.rbo,
        signals=watch.signals(),
        lost=tally(watch.lost),
        recall={name: float(np.mean(shares)) for name, shares in watch.recall.items()},
        weights=_weights(retrieved, judged, metric, chosen),
    )


def _weights(
    retrieved: Sequence[tuple[Query, Candidates, Candidates]],
    judgments: list[Judgment],
    metric: str,
    profile: Profile,
) -> WeightParity | None:
    """The metric at the same weights, and the regret; None without judgments."""
    grades = grades_by_query(judgments)
    judged = [item for item in retrieved if item[0].id in grades]
    if not judged:
        return None
    curves = []
    for place in (1, 2):
        items = [
            CurveItem(item[place], normalise(item[place], profile.normaliser), grades[item[0].id])  # type: ignore[arg-type]
            for item in judged
        ]
        curves.append(weight_curve(items, ("bm25", "dense"), metric))
    one, other = curves
    values = [_metric(judged, place, judgments, metric, profile) for place in (1, 2)]
    steady = one.steady, other.steady
    regret = other.at(steady[1]) - other.at(steady[0])
    return WeightParity(
        metric=metric,
        first=values[0],
        second=values[1],
        first_best=one.best.weight,
        second_best=other.best.weight,
        regret=max(0.0, regret),
        first_steady=steady[0],
        second_steady=steady[1],
    )


def _metric(
    judged: Sequence[tuple[Query, Candidates, Candidates]],
    place: int,
    judgments: list[Judgment],
    metric: str,
    profile: Profile,
) -> float:
    from workbench.evaluation.reports.report import make_report

    run = {item[0].id: ranked_ids(item[place], profile, 1000) for item in judged}  # type: ignore[arg-type]
    report = make_report(run, [item[0] for item in judged], judgments, metric, resamples=10)
    return report.metrics[metric].mean


def _name(bench: Searched) -> str:
    return str(bench.engine.fingerprint).rpartition("-")[0] or type(bench.engine).__name__


def _check_same_papers(first: Searched, second: Searched) -> None:
    counts = [bench.engine.manifest.papers for bench in (first, second)]
    error = max(bench.engine.papers_error for bench in (first, second))
    if abs(counts[0] - counts[1]) > error * max(counts):
        raise EvaluationError(
            f"the engines hold {counts[0]:,} and {counts[1]:,} papers; bring the second up to "
            "date with wb.open(folder, engine=...) first"
        )
