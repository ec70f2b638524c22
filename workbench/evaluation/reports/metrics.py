"""Metrics a query: names like "nDCG@10" through ir_measures, which is trec_eval's code.

What counts is the order that a person sees: rank r goes to ir_measures as score -r. A negative
grade counts as judged and not relevant, so it is 0 to every metric. nDCG has linear gains.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from workbench.corpus.identifiers import identifier
from workbench.errors import EvaluationError, MissingDependency
from workbench.evaluation.metric_names import EXAMPLES, metric_names, nearest_name
from workbench.evaluation.reports.runs import Run, as_run, ids_of
from workbench.records import Judgment

if TYPE_CHECKING:
    import pandas as pd

Rankings = Mapping[str, Sequence[str]]
"""Query id -> paper ids, best first."""

DEFAULT_METRICS = ("nDCG@10", "AP", "RR", "P@10", "R@100")

MAX_GRADE = 1_000
"""trec_eval counts the papers of every grade up to the largest one, in one array a query."""

MOST_SEEN = 100_000
"""Rankings whose values a group of metrics remembers."""

_NAME = re.compile(r"(?P<name>\w+)(?:\((?P<arguments>[^()]*)\))?(?:@(?P<at>[1-9]\d{0,8}))?")


def per_query(
    run: Run, judgments: Iterable[Judgment], metrics: str | Iterable[str] = DEFAULT_METRICS
) -> pd.DataFrame:
    """The metrics of every query of the run that has a judgment, float64 (queries, metrics).

    The index holds query ids in the run's order, the columns the metrics' names as given. A query
    for which nothing was found, or nothing is relevant, has 0. Judged@k is over the papers found
    where they are fewer than k. RBP takes grade 1 and up as relevant, or `RBP(rel=2)`.

    Raises EvaluationError for an unknown metric, a paper twice in one ranking, or judgments of one
    pair that disagree; MissingDependency without ir_measures.
    """
    return values_of(ids_of(as_run(run)), grades_by_query(judgments), parse_metrics(metrics))


def values_of(
    ranked: Mapping[str, Sequence[str]],
    grades: Mapping[str, Mapping[str, int]],
    measures: Mapping[str, Any],
) -> pd.DataFrame:
    """`per_query` of rankings, grades and metrics (`parse_metrics`) that were checked before."""
    return QueryValues(grades, measures).of(ranked)


class QueryValues:
    """The metrics of queries in one ranking after another. A metric sees how many papers there
    are, and which judged ones stand where: a query for which that is as before has the values that
    it had. Grades and metrics were checked before."""

    def __init__(
        self, grades: Mapping[str, Mapping[str, int]], measures: Mapping[str, Any]
    ) -> None:
        self._grades = {
            query_id: {paper: max(grade, 0) for paper, grade in given.items()}
            for query_id, given in grades.items()
        }
        self._measures = measures
        # Without what lies below every cutoff, which is most of a run. Among the judged alone, the
        # first may lie anywhere.
        cut = {
            name: measure
            for name, measure in measures.items()
            if "cutoff" in measure.params and not measure.params.get("judged_only")
        }
        rest = {name: measure for name, measure in measures.items() if name not in cut}
        depth = max((measure.params["cutoff"] for measure in cut.values()), default=0)
        self._groups = [_Group(some, at) for some, at in ((cut, depth), (rest, None)) if some]

    def __repr__(self) -> str:
        return f"QueryValues({', '.join(self._measures)})"

    def of(self, ranked: Mapping[str, Sequence[str]]) -> pd.DataFrame:
        """As `per_query`, of rankings that need no check."""
        import pandas as pd

        ids = [query_id for query_id in ranked if query_id in self._grades]
        rankings = {query_id: ranked[query_id] for query_id in ids}
        found = [group.values(rankings, self._grades) for group in self._groups]
        columns = {name: values for group in found for name, values in group.items()}
        index = pd.Index(ids, name="query_id", dtype=object)
        ordered = {name: columns[name] for name in self._measures}
        return pd.DataFrame(ordered, index=index, dtype="float64")


Seen = tuple[str, int, tuple[tuple[int, str], ...]]
"""What metrics see of a ranking: its query, how many papers, and (place, paper) of the judged."""


class _Group:
    """Metrics that look equally deep, and their values by what they saw."""

    def __init__(self, measures: Mapping[str, Any], depth: int | None) -> None:
        self._measures = measures
        self._depth = depth
        self._known: dict[Seen, list[float]] = {}

    def values(
        self,
        ranked: Mapping[str, Sequence[str]],
        grades: Mapping[str, Mapping[str, int]],
    ) -> dict[str, list[float]]:
        """By metric the values of the queries, in their order."""
        seen: list[Seen] = []
        for query_id, papers in ranked.items():
            given, first = grades[query_id], papers[: self._depth]
            places = tuple((place, paper) for place, paper in enumerate(first) if paper in given)
            seen.append((query_id, len(first), places))
        new = {each[0]: each for each in seen if each not in self._known}
        if new:
            if len(self._known) > MOST_SEEN:
                self._known = {each: self._known[each] for each in seen if each in self._known}
            rankings = {query_id: ranked[query_id][: self._depth] for query_id in new}
            qrels = {query_id: grades[query_id] for query_id in new}
            found = _measured(rankings, qrels, self._measures)
            self._known |= {
                each: [values[query_id] for values in found.values()]
                for query_id, each in new.items()
            }
        rows = [self._known[each] for each in seen]
        return {name: [row[i] for row in rows] for i, name in enumerate(self._measures)}


def judged_share(
    ranked: Mapping[str, Sequence[str]], grades: Mapping[str, Mapping[str, int]], depth: int
) -> float:
    """Mean share of judged papers among the first `depth`, over the queries of `grades`; 0 for one
    for which nothing was found. ir_measures' Judged."""
    cut = [(ranked[query_id][:depth], given) for query_id, given in grades.items()]
    shares = [sum(paper in given for paper in first) / max(len(first), 1) for first, given in cut]
    return float(sum(shares) / len(shares))


def parse_metrics(metrics: str | Iterable[str]) -> dict[str, Any]:
    """Name as given -> measure of ir_measures; a name given twice counts once.

    One text may hold several names with commas between. Raises EvaluationError for none, or for
    one that is unknown or has wrong arguments; MissingDependency without ir_measures.
    """
    return {name: _measure(name) for name in metric_names(metrics)}


def deepest_cutoff(metrics: str | Iterable[str]) -> int:
    """The largest k that the metrics look at, 0 where none has one: a run should be as deep."""
    cutoffs = (m.params.get("cutoff", 0) for m in parse_metrics(metrics).values())
    return max(cutoffs, default=0)


def grades_by_query(judgments: Iterable[Judgment]) -> dict[str, dict[str, int]]:
    """Query id -> paper id -> grade, in the order given; a repeated judgment counts once.

    Ids that are whole numbers become text. Raises EvaluationError for an id that is none
    (`identifier`), a grade that is no whole number up to 1,000, and two judgments of one pair that
    disagree.
    """
    grades: dict[str, dict[str, int]] = {}
    for judgment in judgments:
        query_id = identifier("a judgment's query_id", judgment.query_id)
        paper_id = identifier("a judgment's paper_id", judgment.paper_id)
        grade = whole_grade(query_id, paper_id, judgment.grade)
        known = grades.setdefault(query_id, {}).setdefault(paper_id, grade)
        if known != grade:
            raise EvaluationError(
                f"query {query_id!r}, paper {paper_id!r} is judged {known} and {grade}; keep one "
                "of the two"
            )
    return grades


def whole_grade(query_id: str, paper_id: str, grade: Any, where: str = "") -> int:
    """The grade as an int, 1.0 too. Raises EvaluationError for no whole number, or one above
    1,000."""
    try:
        grade = int(grade) if isinstance(grade, float) and grade.is_integer() else grade
        whole = MAX_GRADE + 1 if isinstance(grade, bool) else operator.index(grade)
    except TypeError:
        whole = MAX_GRADE + 1
    if whole > MAX_GRADE:
        raise EvaluationError(
            f"{where + ': ' if where else ''}query {query_id!r}, paper {paper_id!r} has grade "
            f"{grade!r}; give a whole number up to {MAX_GRADE:,}"
        )
    return whole


def _measure(name: str) -> Any:
    registry = _ir_measures().measures.registry
    parts = _NAME.fullmatch(name)
    if parts is None or parts["name"] not in registry:
        near = nearest_name(name, registry)
        raise EvaluationError(f"unknown metric {name!r}{near}; known: {EXAMPLES}")
    try:
        # Parsed here: ir_measures 0.4 needs parts of `ast` that Python 3.14 no longer has.
        arguments = _arguments(parts["arguments"] or "")
        base = registry[parts["name"]]
        if parts["at"]:
            arguments[base.AT_PARAM] = int(parts["at"])
        needed = [key for key, info in base.SUPPORTED_PARAMS.items() if info.required]
        if base.AT_PARAM in needed and base.AT_PARAM not in arguments:
            at = 10 if base.AT_PARAM == "cutoff" else 0.1
            raise EvaluationError(
                f"metric {name!r} needs a {base.AT_PARAM}: {name}@{at}; known: {EXAMPLES}"
            )
        measure = base(**arguments)
        measure.validate_params()
    except (ValueError, SyntaxError, AssertionError) as problem:
        raise EvaluationError(
            f"metric {name!r} cannot be computed: {problem}; examples: {EXAMPLES}"
        ) from None
    _check_supported(name, measure)
    return measure


def _check_supported(name: str, measure: Any) -> None:
    p = measure["p"] if measure.NAME == "RBP" else 0.5
    least = min(measure.params.get(key, 1) for key in ("cutoff", "rel"))
    gains = measure.params.get("gains", {}).values()
    fits = all(isinstance(gain, int) and 0 <= gain <= MAX_GRADE for gain in gains)
    if not 0 < p < 1 or least < 1 or not fits:
        raise EvaluationError(
            f"metric {name!r} cannot be computed: p must be between 0 and 1, a cut-off and rel at "
            f"least 1, gains from 0 to {MAX_GRADE:,}; examples: {EXAMPLES}"
        )
    if measure.NAME != "RBP" and not _pipeline().supports(measure):
        raise EvaluationError(
            f"metric {name!r} is known to ir_measures, but not computed here; use one of {EXAMPLES}"
        )


def _arguments(text: str) -> dict[str, Any]:
    call = ast.parse(f"f({text})", mode="eval").body
    if not isinstance(call, ast.Call) or call.args or not all(k.arg for k in call.keywords):
        raise ValueError("arguments are name=value")
    return {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}


def _ir_measures() -> Any:
    try:
        import ir_measures
    except ImportError as problem:
        raise MissingDependency(
            f"metrics need ir_measures, which cannot be imported ({problem}); run "
            "`pip install ir_measures`"
        ) from problem
    return ir_measures


def _pipeline() -> Any:
    """The providers that run in this process on ids as they are: no other program, no files."""
    from ir_measures.providers import FallbackProvider, registry

    providers: Any = FallbackProvider
    return providers([registry[name] for name in ("pytrec_eval", "judged", "msmarco")])


def _measured(
    rankings: Mapping[str, Sequence[str]],
    qrels: Mapping[str, Mapping[str, int]],
    measures: Mapping[str, Any],
) -> dict[str, dict[str, float]]:
    """By metric the value of every query in `qrels`."""
    own = {name: _rbp(rankings, qrels, m) for name, m in measures.items() if m.NAME == "RBP"}
    # One call a set of gains: ir_measures 0.4 computes plain nDCG with those of another measure,
    # where the order of a set has it so.
    theirs: dict[str, list[Any]] = {}
    for measure in measures.values():
        if measure.NAME != "RBP":
            theirs.setdefault(repr(measure.params.get("gains")), []).append(measure)
    if not theirs:
        return own
    by_rank = cache(lambda papers: {str(rank): -float(rank) for rank in range(papers)})
    scored: dict[str, Mapping[str, float]] = {}
    judged: dict[str, dict[str, int]] = {}
    # Numbers go in as ids: pytrec_eval crashes the process on text that is no UTF-8. A paper's is
    # its rank, so that rankings of one length are one object; judged ones not found follow.
    for number, (query_id, grades) in enumerate(qrels.items()):
        papers = rankings[query_id]
        names = {paper: str(rank) for rank, paper in enumerate(papers) if paper in grades}
        judged[str(number)] = {
            names.get(paper) or f"-{n}": grade for n, (paper, grade) in enumerate(grades.items())
        }
        # An empty ranking takes the measure's default, 0; Judged@k would divide by its length.
        if papers:
            scored[str(number)] = by_rank(len(papers))
    ids = list(qrels)
    values: dict[Any, dict[str, float]] = {m: {} for some in theirs.values() for m in some}
    for some in theirs.values():
        for each in _pipeline().evaluator(some, judged).iter_calc(scored):
            values[each.measure][ids[int(each.query_id)]] = float(each.value)
    return {name: own[name] if name in own else values[m] for name, m in measures.items()}


def _rbp(
    rankings: Mapping[str, Sequence[str]], qrels: Mapping[str, Mapping[str, int]], measure: Any
) -> dict[str, float]:
    """Rank-biased precision (Moffat and Zobel, TOIS 2008): sum of (1 - p) p^(rank - 1).

    Computed here because ir_measures leaves it to a package of its own (cwl-eval).
    """
    p, least = measure["p"], measure.params.get("rel", 1)
    cutoff = measure.params.get("cutoff")
    return {
        query_id: sum(
            (1 - p) * p**place
            for place, paper in enumerate(rankings[query_id][:cutoff])
            if paper in grades and grades[paper] >= least
        )
        for query_id, grades in qrels.items()
    }
