"""Judged queries beside the sliders: the exact curve, the optimum, what each query pays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.corpus.collection import read_queries
from workbench.evaluation.judgments import read_judgments
from workbench.evaluation.metrics import grades_by_query
from workbench.profiles import Profile, as_profile
from workbench.session import Workbench
from workbench.session.measuring import Judgments, Queries

if TYPE_CHECKING:
    from workbench.evaluation.curve import WeightCurve
    from workbench.widgets.search_panel import SearchPanel


class Judged:
    """Queries with judgments, and the curve of a metric over the weight between two signals.

    A curve holds for one normaliser and one set of retrieval settings; each is made when first
    needed and kept.
    """

    def __init__(
        self,
        bench: Workbench,
        queries: Queries,
        judgments: Judgments,
        metric: str = "nDCG@10",
        signals: tuple[str, str] = ("bm25", "dense"),
    ) -> None:
        self.bench = bench
        self.queries = read_queries(queries) if isinstance(queries, str | Path) else list(queries)
        self.judgments = read_judgments(judgments)
        self.metric = metric
        self.signals = signals
        self._grades = grades_by_query(self.judgments)
        self._text_ids = {query.text.strip(): query.id for query in self.queries}
        self._curves: dict[str, WeightCurve] = {}

    def key(self, profile: Profile) -> str:
        """Equal for profiles that have the same curve."""
        return profile.replace(weights={self.signals[0]: 1.0}).fingerprint

    def curve(self, profile: Profile, *, progress: bool = False) -> WeightCurve:
        """The curve under a profile, whose weights do not count."""
        key = self.key(profile)
        if key not in self._curves:
            self._curves[key] = self.bench.tune(
                self.queries,
                self.judgments,
                self.metric,
                signals=self.signals,
                profile=profile,
                progress=progress,
            )
        return self._curves[key]

    def payload(self, profile: Profile) -> dict[str, Any]:
        """The curve as the browser draws it."""
        curve = self.curve(profile, progress=not self._curves)
        best = curve.best
        return {
            "metric": curve.metric,
            "signals": list(curve.signals),
            "normaliser": profile.normaliser,
            "edges": curve.edges.tobytes(),
            "values": curve.values.tobytes(),
            "best": {
                "value": best.value,
                "low": best.low,
                "high": best.high,
                "weight": best.weight,
            },
            "queries": len(curve.per_query(best.weight)),
        }

    def regrets(self, weight: float, profile: Profile) -> list[dict[str, Any]]:
        """The queries by what they lose at this weight against their own best one, most first."""
        frame = self.curve(profile).regret(weight).to_frame()
        frame = frame.sort_values("regret", ascending=False, kind="stable")
        return [
            {
                "text": row["query"],
                "value": row["value"],
                "best": row["own_best"],
                "regret": row["regret"],
            }
            for row in frame.to_dict("records")
        ]

    def grades_of(self, text: str) -> Mapping[str, int] | None:
        """The judgments of a query of these, by paper id; None for another query."""
        name = self._text_ids.get(text.strip())
        return None if name is None else dict(self._grades.get(name, {}))


def weight_tuner(
    bench: Workbench,
    queries: Queries,
    judgments: Judgments,
    metric: str = "nDCG@10",
    *,
    signals: tuple[str, str] = ("bm25", "dense"),
    k: int = 10,
    profile: Profile | str | None = None,
    query: str = "",
) -> SearchPanel:
    """The search panel with the curve beside it; without a `query` it starts with the one that the
    present weight costs most.

    Raises what `Workbench.tune` raises.
    """
    from workbench.widgets.search_panel import SearchPanel

    judged = Judged(bench, queries, judgments, metric, signals)
    base = bench.profile if profile is None else as_profile(profile)
    pair = [base.weights.get(name, 0.0) for name in signals]
    weight = pair[1] / sum(pair) if sum(pair) else 0.5
    query = query or judged.regrets(weight, base)[0]["text"]
    return SearchPanel(bench, query, k=k, profile=base, judged=judged)
