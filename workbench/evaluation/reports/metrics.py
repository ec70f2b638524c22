"""Metrics a query: names like "nDCG@10" through ir_measures, which is trec_eval's code.

What counts is the order that a person sees: rank r goes to ir_measures as score -r. A negative
grade counts as judged and not relevant, so it is 0 to every metric. nDCG has linear gains.
"""

from __future__ import annotations

import ast
import operator
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from workbench.errors import EvaluationError, MissingDependency
from workbench.records import Judgment

if TYPE_CHECKING:
    import pandas as pd

Run = Mapping[str, Sequence[str]]
"""Query id -> paper ids, best first."""

DEFAULT_METRICS = ("nDCG@10", "AP", "RR", "P@10", "R@100")
JUDGED = "Judged@10"

EXAMPLES = "nDCG@10, AP, RR, RR@10, P@5, R@100, Success@5, RBP(p=0.8), Judged@10"
MAX_GRADE = 1_000
"""trec_eval counts the papers of every grade up to the largest one, in one array a query."""

_NAME = re.compile(r"(?P<name>\w+)(?:\((?P<arguments>[^()]*)\))?(?:@(?P<at>[1-9]\d{0,8}))?")
_COMMA = re.compile(r",(?![^(]*\))")


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
    import pandas as pd

    measures = parse_metrics(metrics)
    grades = grades_by_query(judgments)
    _check_run(run)
    ids = [query_id for query_id in run if query_id in grades]
    qrels = {i: {paper: max(grade, 0) for paper, grade in grades[i].items()} for i in ids}
    rankings = {i: list(run[i]) for i in ids}
    values = _measured(rankings, qrels, [m for m in measures.values() if m.NAME != "RBP"])
    columns = {
        name: _rbp(rankings, qrels, measure)
        if measure.NAME == "RBP"
        else [values[i, measure] for i in ids]
        for name, measure in measures.items()
    }
    index = pd.Index(ids, name="query_id", dtype=object)
    return pd.DataFrame(columns, index=index, dtype="float64")


def parse_metrics(metrics: str | Iterable[str]) -> dict[str, Any]:
    """Name as given -> measure of ir_measures; a name given twice counts once.

    One text may hold several names with commas between. Raises EvaluationError for none, or for
    one that is unknown or has wrong arguments; MissingDependency without ir_measures.
    """
    given = _COMMA.split(metrics) if isinstance(metrics, str) else list(metrics)
    if not all(isinstance(name, str) for name in given):
        raise EvaluationError(f"metrics are {given!r}; give names such as {EXAMPLES}")
    names = [name.strip() for name in given]
    if not any(names):
        raise EvaluationError(f"no metric is named; give one or more of {EXAMPLES}")
    return {name: _measure(name) for name in names}


def deepest_cutoff(metrics: str | Iterable[str]) -> int:
    """The largest k that the metrics look at, 0 where none has one: a run should be as deep."""
    cutoffs = (m.params.get("cutoff", 0) for m in parse_metrics(metrics).values())
    return max(cutoffs, default=0)


def grades_by_query(judgments: Iterable[Judgment]) -> dict[str, dict[str, int]]:
    """Query id -> paper id -> grade, in the order given; a repeated judgment counts once.

    Raises EvaluationError for a grade that is no whole number up to 1,000, and for two judgments
    of one pair that disagree.
    """
    grades: dict[str, dict[str, int]] = {}
    for judgment in judgments:
        grade = whole_grade(judgment.query_id, judgment.paper_id, judgment.grade)
        known = grades.setdefault(judgment.query_id, {}).setdefault(judgment.paper_id, grade)
        if known != grade:
            raise EvaluationError(
                f"query {judgment.query_id!r}, paper {judgment.paper_id!r} is judged {known} and "
                f"{grade}; keep one of the two"
            )
    return grades


def whole_grade(query_id: str, paper_id: str, grade: Any, where: str = "") -> int:
    """The grade as an int. Raises EvaluationError for no whole number, or one above 1,000."""
    try:
        whole = MAX_GRADE + 1 if isinstance(grade, bool) else operator.index(grade)
    except TypeError:
        whole = MAX_GRADE + 1
    if whole > MAX_GRADE:
        raise EvaluationError(
            f"{where + ': ' if where else ''}query {query_id!r}, paper {paper_id!r} has grade "
            f"{grade!r}; give a whole number up to {MAX_GRADE:,}"
        )
    return whole


def _check_run(run: Run) -> None:
    for query_id, papers in run.items():
        if isinstance(papers, str) or not all(isinstance(paper, str) for paper in papers):
            raise EvaluationError(
                f"the ranking of query {query_id!r} is not a list of paper ids; give "
                "{query id: [paper id, ...]}, best first"
            )
        if len(set(papers)) < len(papers):
            twice = Counter(papers).most_common(1)[0][0]
            raise EvaluationError(
                f"the ranking of query {query_id!r} holds paper {twice!r} twice; keep the better "
                "rank only"
            )


def _measure(name: str) -> Any:
    registry = _ir_measures().measures.registry
    parts = _NAME.fullmatch(name)
    if parts is None or parts["name"] not in registry:
        raise EvaluationError(f"unknown metric {name!r}{_hint(name, registry)}; known: {EXAMPLES}")
    try:
        # Parsed here: ir_measures 0.4 needs parts of `ast` that Python 3.14 no longer has.
        arguments = _arguments(parts["arguments"] or "")
        base = registry[parts["name"]]
        if parts["at"]:
            arguments[base.AT_PARAM] = int(parts["at"])
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


def _hint(name: str, registry: Mapping[str, Any]) -> str:
    base = re.split(r"[@(]", name)[0]
    # The registry also has aliases in capitals; the first spelling is the usual one.
    by_case = {known.lower(): known for known in reversed(list(registry))}
    close = get_close_matches(base.lower(), by_case, n=1)
    return f" (did you mean {by_case[close[0]]}?)" if close and base not in registry else ""


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
    rankings: Run, qrels: Mapping[str, Mapping[str, int]], measures: Sequence[Any]
) -> dict[tuple[str, Any], float]:
    """(query id, measure) -> value, for every query in `qrels`."""
    if not measures or not qrels:
        return {}
    scored: dict[str, dict[str, float]] = {}
    judged: dict[str, dict[str, int]] = {}
    # Numbers go in as ids: pytrec_eval crashes the process on text that is no UTF-8.
    for number, (query_id, grades) in enumerate(qrels.items()):
        papers = rankings[query_id]
        names = {paper: str(n) for n, paper in enumerate(dict.fromkeys([*papers, *grades]))}
        judged[str(number)] = {names[paper]: grade for paper, grade in grades.items()}
        # An empty ranking takes the measure's default, 0; Judged@k would divide by its length.
        if papers:
            ranks = enumerate(papers, start=1)
            scored[str(number)] = {names[paper]: -float(rank) for rank, paper in ranks}
    ids = list(qrels)
    found = _pipeline().evaluator(measures, judged).iter_calc(scored)
    return {(ids[int(metric.query_id)], metric.measure): float(metric.value) for metric in found}


def _rbp(rankings: Run, qrels: Mapping[str, Mapping[str, int]], measure: Any) -> list[float]:
    """Rank-biased precision (Moffat and Zobel, TOIS 2008): sum of (1 - p) p^(rank - 1).

    Computed here because ir_measures leaves it to a package of its own (cwl-eval).
    """
    p, least = measure["p"], measure.params.get("rel", 1)
    cutoff = measure.params.get("cutoff")
    return [
        sum(
            (1 - p) * p**place
            for place, paper in enumerate(rankings[query_id][:cutoff])
            if paper in grades and grades[paper] >= least
        )
        for query_id, grades in qrels.items()
    ]
