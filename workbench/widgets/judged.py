"""Judged queries behind the sliders: the exact curve, the optimum, what each query pays; and the
file that grades go to, where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import EvaluationError, QueryError
from workbench.evaluation.inputs import JudgmentInput, QueryInput, as_judgments, as_queries
from workbench.evaluation.judgments.judgments import Judgments
from workbench.evaluation.reports.metrics import deepest_cutoff, grades_by_query, per_query
from workbench.evaluation.statistics import difference_interval, mean_interval, randomisation
from workbench.evaluation.tuning.between import CurveBetween, curve_on
from workbench.evaluation.tuning.exact.rank_metrics import parse_metric
from workbench.evaluation.tuning.exact.tuning_set import CurveItem, TuningSet, prepare
from workbench.evaluation.tuning.view import picture
from workbench.present.latex import readable
from workbench.present.view import render
from workbench.profiles import Profile
from workbench.ranking.fusion import normalise, rank_papers
from workbench.ranking.ranking import Ranking
from workbench.ranking.weights import balance_of, with_balance
from workbench.records import Candidates, Judgment, Query
from workbench.session import Workbench

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT = 8
"""Curves kept; candidates of all queries are behind them."""

DEPTH = 100
"""Papers that a metric without a cut-off sees."""

SUGGESTED = 50

Weights = Mapping[str, float]
Grades = Mapping[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class _Retrieved:
    """One query's candidates under a profile, and the same normalised."""

    query: Query
    candidates: Candidates
    normalised: NDArray[np.float64]


class Judged:
    """Queries with judgments, and the curve of a metric over the main slider.

    The slider goes from BM25 alone to semantic alone, all other proportions staying, so there is
    one curve for each way between two sets of weights. Candidates are retrieved once a profile;
    grades may change. `given` holds `judgments` by query and paper id; `file` is where grades go,
    and what stands there counts before those given.

    Raises EvaluationError where neither judgments nor a file are given, or nothing can be tuned on
    and there is no file to grade into.
    """

    def __init__(
        self,
        bench: Workbench,
        queries: QueryInput,
        judgments: JudgmentInput | None = None,
        metric: str = "nDCG@10",
        file: Judgments | None = None,
    ) -> None:
        if judgments is None and file is None:
            raise EvaluationError("give judgments, or a file to grade into")
        self.bench = bench
        self.queries = as_queries(queries)
        self.metric = metric
        self.file = file
        self._measure = parse_metric(metric)
        self.given = grades_by_query(() if judgments is None else as_judgments(judgments))
        self._text_ids = {query.text.strip(): query.id for query in self.queries}
        self._retrieved: dict[str, list[_Retrieved]] = {}
        self._sets: dict[str, TuningSet] = {}
        self._before: dict[str, TuningSet] = {}  # of other grades: most queries' are the same
        self._curves: dict[Any, CurveBetween] = {}
        self._fingerprint = file.fingerprint if file is not None else ""

    @property
    def texts(self) -> list[str]:
        """The queries, as a person asks them."""
        return [query.text for query in self.queries]

    # Grades

    def grades(self) -> dict[str, dict[str, int]]:
        """Query id -> paper id -> grade, of both sources."""
        merged = {query_id: dict(grades) for query_id, grades in self.given.items()}
        if self.file is not None:
            for judgment in self.file.current():
                merged.setdefault(judgment.query_id, {})[judgment.paper_id] = judgment.grade
        return merged

    def grades_of(self, text: str) -> Grades | None:
        """The judgments of a query of these, by paper id; None for another query."""
        name = self._text_ids.get(text.strip())
        return None if name is None else self.grades().get(name, {})

    def text_of(self, query_id: str) -> str | None:
        """The query of that id, as a person asks it; None where it is none of these."""
        return next((query.text for query in self.queries if query.id == query_id), None)

    def grade(self, text: str, paper_id: str, grade: int | None) -> str:
        """Write one grade to the file, or take it back; returns the query's id. Raises QueryError
        for a query that is not one of these, or where there is no file."""
        name = self._text_ids.get(text.strip())
        if self.file is None or name is None:
            raise QueryError(
                "this query is not one of those to judge; add it to `queries`, and name a file as "
                "`grades`"
            )
        if grade is None:
            self.file.retract(name, paper_id)
        else:
            self.file.add(name, paper_id, grade)
        return name

    def value(self, ranking: Ranking) -> float | None:
        """The metric of a ranking; None where its query has no judgment."""
        name = self._text_ids.get(ranking.query.strip())
        grades = self.grades().get(name or "", {})
        if name is None or not grades:
            return None
        depth = deepest_cutoff(self.metric) or DEPTH
        rows, _ = rank_papers(ranking.candidates, ranking.scores, depth)
        run = {name: [str(ranking.candidates.paper_ids[row]) for row in rows]}
        judged = [Judgment(name, paper, grade) for paper, grade in grades.items()]
        return float(per_query(run, judged, self.metric).to_numpy()[0, 0])

    def suggest(self, ranking: Ranking | None) -> list[dict[str, Any]]:
        """Pairs whose grade could most change which weights win, those of the query first."""
        pairs = [
            Judgment(query_id, paper, grade)
            for query_id, grades in self.grades().items()
            for paper, grade in grades.items()
        ]
        found = self.bench.judge_next(self.queries, pairs, SUGGESTED, progress=False)
        here = ranking.query if ranking is not None else ""
        rows = [
            {"query": s.query, "paper": s.paper_id, "title": readable(s.title), "reason": s.reason}
            for s in found
        ]
        return sorted(rows, key=lambda row: row["query"].strip() != here.strip())

    # Curves

    def ends(self, weights: Weights) -> tuple[dict[str, float], dict[str, float]]:
        """The weights at both ends of the main slider."""
        return with_balance(weights, 0.0), with_balance(weights, 1.0)

    def key(self, profile: Profile, ends: tuple[Weights, Weights]) -> tuple[Any, ...]:
        """Equal where the curve is the same; weights that differ by rounding only are. Others may
        write to the file too."""
        rounded = tuple(
            tuple(sorted((name, round(weight, 4)) for name, weight in end.items() if weight))
            for end in ends
        )
        grades = self.file.fingerprint if self.file is not None else ""
        return (grades, profile.replace(weights={"bm25": 1.0}).fingerprint, *rounded)

    def curve(self, profile: Profile, ends: tuple[Weights, Weights]) -> CurveBetween:
        """The curve under a profile, whose weights do not count, between two sets of weights.

        Raises EvaluationError where no query has a relevant paper, and what `search` raises.
        """
        self._follow_file()
        key = self.key(profile, ends)
        if key not in self._curves:
            self._curves[key] = curve_on(self._set(profile), self.metric, *ends)
            if len(self._curves) > KEPT:
                self._curves.pop(next(iter(self._curves)))
        return self._curves[key]

    def payload(self, profile: Profile, ends: tuple[Weights, Weights]) -> dict[str, Any]:
        """The curve as the browser draws it; nothing where no grade makes one yet."""
        try:
            curve = self.curve(profile, ends)
        except EvaluationError:
            if self.file is None:
                raise
            return {}
        best, (low, high) = curve.best, curve.band()
        start = balance_of(self.bench.profile.weights)
        held = curve.supported(start)
        return {
            "metric": curve.metric,
            "normaliser": profile.normaliser,
            "edges": curve.edges.tobytes(),
            "values": curve.values.tobytes(),
            "low": low.tobytes(),
            "high": high.tobytes(),
            "best": {
                "value": best.value,
                "low": best.low,
                "high": best.high,
                "weight": best.weight,
            },
            "advice": {
                "weight": held.weight,
                "share": held.share,
                "gain": held.gain,
                "error": held.error,
                "default": start,
                "weights": dict(self.bench.profile.weights),
            },
            "queries": len(curve),
        }

    def picture(self, profile: Profile) -> str | None:
        """The curve as HTML with an SVG; None where there is none."""
        try:
            curve = self.curve(profile, self.ends(profile.weights))
        except EvaluationError:
            return None
        best, here = curve.best, balance_of(profile.weights)
        drawn = picture(curve.breakpoints, curve.values, best.weight, (best.low, best.high))
        return render(
            "balance.html", metric=curve.metric, queries=len(curve), picture=drawn, best=best,
            here=here,
        )  # fmt: skip

    def regrets(
        self, balance: float, profile: Profile, ends: tuple[Weights, Weights]
    ) -> list[dict[str, Any]]:
        """The queries by what they lose here against their own best balance, most first."""
        frame = self.curve(profile, ends).regret(balance).to_frame()
        frame = frame.sort_values("regret", ascending=False, kind="stable")
        columns = zip(
            frame["query"], frame["value"], frame["own_best"], frame["regret"], strict=True
        )
        return [
            {"text": text, "value": float(value), "best": float(best), "regret": float(regret)}
            for text, value, best, regret in columns
        ]

    def contrast(self, first: Profile, second: Profile) -> dict[str, Any] | None:
        """Two profiles over all judged queries: means with intervals, the difference with its own
        and p of the randomisation test; None where nothing is judged."""
        self._follow_file()
        try:
            a, b = (self._set(p).query_values(p.weights) for p in (first, second))
        except EvaluationError:
            return None
        return {
            "queries": len(a),
            "a": mean_interval(a),
            "b": mean_interval(b),
            "difference": difference_interval(b - a),
            "p": randomisation(b - a),
        }

    def _follow_file(self) -> None:
        """Forget curves of other grades; somebody else may write to the file too."""
        if self.file is not None and self.file.fingerprint != self._fingerprint:
            self._fingerprint = self.file.fingerprint
            self._before.update(self._sets)
            self._sets.clear()
            self._curves.clear()

    def _set(self, profile: Profile) -> TuningSet:
        """The judged queries, ready for any weights."""
        key = profile.replace(weights={"bm25": 1.0}).fingerprint
        if key not in self._sets:
            grades, found = self.grades(), self._found(profile, key)
            items = [
                CurveItem(one.candidates, one.normalised, grades[one.query.id])
                for one in found
                if grades.get(one.query.id)
            ]
            if not grades:
                raise EvaluationError(
                    "the judgments hold no grade; name a file as `grades` and give some there, or "
                    "give other judgments"
                )
            if not items:
                raise EvaluationError(
                    f"none of {len(self.queries)} queries is judged ({len(grades)} other query ids "
                    "are); check that the ids match"
                )
            signals, known = items[0].candidates.signals, self._before.pop(key, None)
            self._sets = {key: prepare(items, signals, self._measure, known)}
            self._before.clear()
        return self._sets[key]

    def _found(self, profile: Profile, key: str) -> list[_Retrieved]:
        """All queries' candidates, judged or not: a grade may come to any of them."""
        if key not in self._retrieved:
            self._retrieved = {key: list(self._retrieve(profile))}
        return self._retrieved[key]

    def _retrieve(self, profile: Profile) -> Iterator[_Retrieved]:
        from workbench.system.progress import tqdm

        first = not self._retrieved
        for query in tqdm(self.queries, "queries", disable=not first, delay=2, leave=False):
            found = self.bench.search(query.text, 1, profile=profile).candidates
            named = replace(found, query=replace(found.query, id=query.id))
            yield _Retrieved(query, named, normalise(named, profile.normaliser))
