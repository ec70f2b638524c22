"""Measuring a corpus: evaluation, exact tuning, what to judge next, two rankings compared."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, overload

from workbench.errors import EvaluationError, ProfileError, QueryError, WeightError
from workbench.evaluation.inputs import (
    JudgmentInput,
    QueryInput,
    as_judgments,
    as_queries,
    settled,
)
from workbench.evaluation.judge_next.choose import judge_next, judged_items
from workbench.evaluation.judge_next.suggestions import Suggestions
from workbench.evaluation.likeness.list_comparison import ListComparison, compare_lists
from workbench.evaluation.likeness.overlap import RankedList
from workbench.evaluation.metric_names import metric_names
from workbench.evaluation.reports.metrics import DEFAULT_METRICS, deepest_cutoff, grades_by_query
from workbench.evaluation.reports.report import Report, make_report
from workbench.evaluation.tuning.curve import WeightCurve
from workbench.evaluation.tuning.exact.rank_metrics import parse_metric
from workbench.evaluation.tuning.tune import tune
from workbench.evaluation.tuning.weight_search import WeightSearch
from workbench.present.words import first_ids
from workbench.profiles import Profile
from workbench.ranking.fusion import weight_vector
from workbench.ranking.ranking import check_k, ranked_ids
from workbench.ranking.retriever import with_stages
from workbench.records import Candidates, Query
from workbench.session.core import Session


class Measuring(Session):
    """A session that measures itself on judged queries."""

    def evaluate(
        self,
        queries: QueryInput,
        judgments: JudgmentInput,
        metrics: str | Iterable[str] = DEFAULT_METRICS,
        *,
        k: int = 1000,
        weights: Mapping[str, float] | None = None,
        profile: Profile | str | None = None,
        progress: bool = True,
    ) -> Report:
        """How good the search is on judged queries: metrics with intervals, values a query.

        `queries` and `judgments` are paths, records, dicts or frames (`as_queries` and
        `as_judgments` in `evaluation.inputs` say all); metrics go by ir_measures' names and see the
        best `k` papers. `weights` and `profile` as in `search`. Compare two reports with
        `report.compare(other)`.

        Raises EvaluationError, also where the corpus has none of the judged papers; what reading
        the files raises; and what `search` raises, with the query's id.
        """
        profile = self._profile(profile, weights)
        names, k = metric_names(metrics), check_k(k)
        if (depth := deepest_cutoff(names)) > k:
            raise EvaluationError(f"k is {k}, but a metric looks at {depth} papers; give a k of it")
        asked, judged = as_queries(queries), as_judgments(judgments)
        grades = grades_by_query(judged)
        unknown = self._unknown_papers(asked, grades)
        run = {}
        for query, candidates in self._candidates(asked, grades, profile, progress):
            with _named(query):
                run[query.id] = ranked_ids(candidates, profile, k)
        return make_report(
            run, asked, judged, names, label=_label(profile), settled=settled(judgments),
            unknown_papers=unknown, settings=self._settings(profile, k),
        )  # fmt: skip

    @overload
    def tune(
        self,
        queries: QueryInput,
        judgments: JudgmentInput,
        metric: str = "nDCG@10",
        *,
        signals: tuple[str, str] = ("bm25", "dense"),
        profile: Profile | str | None = None,
        progress: bool = True,
    ) -> WeightCurve: ...
    @overload
    def tune(
        self,
        queries: QueryInput,
        judgments: JudgmentInput,
        metric: str = "nDCG@10",
        *,
        signals: Sequence[str],
        profile: Profile | str | None = None,
        progress: bool = True,
    ) -> WeightCurve | WeightSearch: ...
    def tune(
        self,
        queries: QueryInput,
        judgments: JudgmentInput,
        metric: str = "nDCG@10",
        *,
        signals: Sequence[str] = ("bm25", "dense"),
        profile: Profile | str | None = None,
        progress: bool = True,
    ) -> WeightCurve | WeightSearch:
        """A metric at every weight between two signals, exactly: `best` is the optimum, `profile`
        the session's with it. With more signals, a search by exact lines: a `WeightSearch`.

        Signals of a stage that the profile leaves out, like `bm25_feedback`, are computed too.
        `queries`, `judgments` as in `evaluate`. Queries without any judgment are left out and
        listed in `left_out`, with the judged papers that the corpus does not have. The best value
        is of the queries it was tuned on: `cross_validate()` says how much too high.
        Raises EvaluationError, WeightError (unknown signal), and what `evaluate` raises.
        """
        signals = _names_of(signals)
        profile = with_stages(self._profile(profile, None), signals)
        weight_vector(dict.fromkeys(signals, 1.0), self._retriever.signals(profile))
        parse_metric(metric)  # before anything is retrieved
        asked, grades = as_queries(queries), grades_by_query(as_judgments(judgments))
        unknown = self._unknown_papers(asked, grades)
        found = self._candidates(asked, grades, profile, progress)
        return tune(found, asked, grades, signals, metric, profile, unknown)

    def judge_next(
        self,
        queries: QueryInput,
        judgments: JudgmentInput,
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
        for name in ("contenders", "grades"):
            if options.get(name) is not None:
                options[name] = list(options[name])
        signals = _names_of(signals)
        given: Sequence[Mapping[str, float]] = options.get("contenders") or ()
        named = list(dict.fromkeys(name for weights in given for name in weights)) or signals
        profile = with_stages(self._profile(profile, None), named)
        weight_vector(dict.fromkeys(named, 1.0), self._retriever.signals(profile))
        asked, judged = as_queries(queries), as_judgments(judgments)
        self._unknown_papers(asked, grades_by_query(judged))
        found = self._candidates(asked, {query.id for query in asked}, profile, progress)
        items = judged_items(found, judged, profile.normaliser)
        return judge_next(items, n, metric, signals, papers=self.engine.papers, **options)

    def compare(self, first: RankedList, second: RankedList, *, p: float = 0.9) -> ListComparison:
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
        for query in bar:
            with _named(query):
                retrieved = next(found)
            yield query, retrieved.candidates

    def _unknown_papers(
        self, asked: Sequence[Query], grades: Mapping[str, Mapping[str, int]]
    ) -> list[str]:
        """The judged papers of the queries that the corpus does not have, in their order. Raises
        EvaluationError where it has none of them."""
        judged = dict.fromkeys(paper for query in asked for paper in grades.get(query.id, ()))
        known = self.engine.known(list(judged))
        if judged and not known:
            raise EvaluationError(
                f"none of the {len(judged):,} judged papers is in the corpus: "
                f"{first_ids(list(judged))}; check that the judgments are of this corpus and write "
                "paper ids as it does"
            )
        return [paper for paper in judged if paper not in known]

    def _settings(self, profile: Profile, k: int) -> dict[str, Any]:
        """What decides a report, as plain values by dotted name."""
        flat: dict[str, Any] = {}
        for name, value in profile.to_dict().items():
            if isinstance(value, Mapping):
                flat |= {f"{name}.{key}": part for key, part in value.items()}
            elif name not in ("name", "workers"):
                flat[name] = value
        return {**flat, "k": k, "corpus": self.engine.fingerprint}


@contextmanager
def _named(query: Query) -> Iterator[None]:
    """A query that cannot be searched is named in the error."""
    try:
        yield
    except QueryError as problem:
        raise QueryError(f"query {query.id!r}: {problem}") from problem


def _label(profile: Profile) -> str:
    """The profile's name, with the weights where they are not those that the name stands for."""
    try:
        usual: Mapping[str, float] = Profile.named(profile.name).weights
    except ProfileError:
        usual = {}
    if {n: w for n, w in usual.items() if w} == {n: w for n, w in profile.weights.items() if w}:
        return profile.name
    given = ", ".join(f"{name} {weight:.3g}" for name, weight in profile.weights.items() if weight)
    return f"{profile.name} ({given})"


def _names_of(signals: Sequence[str] | str) -> tuple[str, ...]:
    """Names of signals, also as one text with commas. Raises WeightError for what is none."""
    given = signals.split(",") if isinstance(signals, str) else signals
    names = tuple(given) if isinstance(given, Iterable) else (given,)
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise WeightError(f"signals are {signals!r}; give names, like ('bm25', 'dense')")
    return tuple(name.strip() for name in names)
