"""Measuring a corpus: evaluation, exact tuning, what to judge next, two rankings compared."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from workbench.corpus.collection import read_queries
from workbench.errors import EvaluationError
from workbench.evaluation.judge_next.choose import judge_next, judged_items
from workbench.evaluation.judge_next.suggestions import Suggestions
from workbench.evaluation.judgments.judgments import read_judgments, settled
from workbench.evaluation.likeness.list_comparison import ListComparison, compare_lists
from workbench.evaluation.likeness.overlap import Ranked
from workbench.evaluation.reports.metrics import DEFAULT_METRICS, deepest_cutoff, grades_by_query
from workbench.evaluation.reports.report import Report, make_report
from workbench.evaluation.tuning.curve import WeightCurve
from workbench.evaluation.tuning.tune import tune
from workbench.evaluation.tuning.weight_search import WeightSearch
from workbench.profiles import Profile
from workbench.ranking.fusion import weight_vector
from workbench.ranking.ranking import ranked_ids
from workbench.ranking.retriever import with_stages
from workbench.records import Candidates, Judgment, Query
from workbench.session.core import Session

Queries = str | Path | Iterable[Query]
Judgments = str | Path | Iterable[Judgment]


class Measuring(Session):
    """A session that measures itself on judged queries."""

    def evaluate(
        self,
        queries: Queries,
        judgments: Judgments,
        metrics: str | Iterable[str] = DEFAULT_METRICS,
        *,
        k: int = 1000,
        weights: Mapping[str, float] | None = None,
        profile: Profile | str | None = None,
        progress: bool = True,
    ) -> Report:
        """How good the search is on judged queries: metrics with intervals, values a query.

        `queries` and `judgments` are records or files (`read_queries`, `read_qrels`, a file of
        `Judgments`); metrics go by ir_measures' names and see the best `k` papers. `weights` and
        `profile` as in `search`. Compare two reports with `report.compare(other)`.

        Raises EvaluationError, what reading the files raises, and what `search` raises.
        """
        profile = self._profile(profile, weights)
        if (depth := deepest_cutoff(metrics)) > k:
            raise EvaluationError(f"k is {k}, but a metric looks at {depth} papers; give a k of it")
        asked, judged = _queries(queries), read_judgments(judgments)
        known = grades_by_query(judged)
        run = {
            query.id: ranked_ids(candidates, profile, k)
            for query, candidates in self._candidates(asked, known, profile, progress)
        }
        count = settled(judgments)
        return make_report(run, asked, judged, metrics, label=profile.name, settled=count)

    @overload
    def tune(
        self,
        queries: Queries,
        judgments: Judgments,
        metric: str = "nDCG@10",
        *,
        signals: tuple[str, str] = ("bm25", "dense"),
        profile: Profile | str | None = None,
        progress: bool = True,
    ) -> WeightCurve: ...
    @overload
    def tune(
        self,
        queries: Queries,
        judgments: Judgments,
        metric: str = "nDCG@10",
        *,
        signals: Sequence[str],
        profile: Profile | str | None = None,
        progress: bool = True,
    ) -> WeightCurve | WeightSearch: ...
    def tune(
        self,
        queries: Queries,
        judgments: Judgments,
        metric: str = "nDCG@10",
        *,
        signals: Sequence[str] = ("bm25", "dense"),
        profile: Profile | str | None = None,
        progress: bool = True,
    ) -> WeightCurve | WeightSearch:
        """A metric at every weight between two signals, exactly: `best` is the optimum, `profile`
        the session's with it. With more signals, a search by exact lines: a `WeightSearch`.

        Signals of a stage that the profile leaves out, like `bm25_feedback`, are computed too.
        Queries without any judgment are left out, as in `evaluate`, and listed in `left_out`. The
        best value is of the queries it was tuned on: `cross_validate()` says how much too high.
        Raises EvaluationError, WeightError (unknown signal), and what `evaluate` raises.
        """
        profile = with_stages(self._profile(profile, None), signals)
        weight_vector(dict.fromkeys(signals, 1.0), self._retriever.signals(profile))
        asked, grades = _queries(queries), grades_by_query(read_judgments(judgments))
        found = self._candidates(asked, grades, profile, progress)
        rare = self.engine.document_frequencies
        return tune(found, asked, grades, signals, metric, profile, rare)

    def judge_next(
        self,
        queries: Queries,
        judgments: Judgments,
        n: int = 20,
        *,
        metric: str = "nDCG@10",
        signals: Sequence[str] = ("bm25", "dense"),
        profile: Profile | str | None = None,
        progress: bool = True,
        **options: Any,
    ) -> Suggestions:
        """The unjudged pairs whose judgment could most change which weights win, with the reason.

        Queries that nobody judged yet count too. `options` as in `evaluation.judge_next`:
        contenders, depth, grades. Raises what that and `evaluate` raise.
        """
        given: Sequence[Mapping[str, float]] = options.get("contenders") or ()
        named = list(dict.fromkeys(name for weights in given for name in weights)) or signals
        profile = with_stages(self._profile(profile, None), named)
        weight_vector(dict.fromkeys(named, 1.0), self._retriever.signals(profile))
        asked = _queries(queries)
        found = self._candidates(asked, {query.id for query in asked}, profile, progress)
        items = judged_items(found, read_judgments(judgments), profile.normaliser)
        return judge_next(items, n, metric, signals, papers=self.engine.papers, **options)

    def compare(self, first: Ranked, second: Ranked, *, p: float = 0.9) -> ListComparison:
        """Two rankings (or lists of paper ids) side by side: overlap, order, and what moved.

        `p` is the persistence of RBO. Raises EvaluationError for two empty lists or a paper twice.
        """
        return compare_lists(first, second, p=p)

    def _candidates(
        self,
        queries: list[Query],
        judged: Collection[str],
        profile: Profile,
        progress: bool,
    ) -> Iterator[tuple[Query, Candidates]]:
        """The candidates of each judged query, with a bar past two seconds."""
        from tqdm.auto import tqdm

        chosen = [query for query in queries if query.id in judged]
        found = self._retriever.retrieve_all([q.text for q in chosen], profile)
        bar = tqdm(chosen, desc="Queries", unit="", delay=2, disable=not progress)
        for query, retrieved in zip(bar, found, strict=True):
            yield query, retrieved.candidates


def _queries(queries: Queries) -> list[Query]:
    return read_queries(queries) if isinstance(queries, str | Path) else list(queries)
