"""Queries and judgments as people have them: the one place that knows what may be given.

Every verb takes its `queries` and `judgments` through here, so all of them take the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench.corpus.collection import read_qrels, read_queries
from workbench.corpus.identifiers import identifier
from workbench.corpus.tables import JUDGMENT_NAMES, QUERY_NAMES, Names, own_names
from workbench.errors import EvaluationError, QueryError
from workbench.evaluation.judgments.journal import is_journal
from workbench.evaluation.judgments.judgments import Judgments
from workbench.evaluation.judgments.standing import check_rule
from workbench.evaluation.reports.metrics import whole_grade
from workbench.records import Judgment, Query

QueryInput = str | Path | Mapping[Any, Any] | Iterable[Any]
"""A path, texts, `Query` records, a dict or Series id -> text, or a DataFrame."""

JudgmentInput = str | Path | Mapping[Any, Any] | Iterable[Any]
"""A path, a `Judgments`, `Judgment` records, a dict query -> paper -> grade, or a DataFrame."""

_THREE = ("query_id", "paper_id", "grade")

_QUERY_FORMS = (
    "give the path of a file, a list of texts or of Query records, a dict or Series id -> text, or "
    "a DataFrame with columns query_id and text"
)
_JUDGMENT_FORMS = (
    "give the path of a file, a Judgments, a list of Judgment records, a dict "
    "{query: {paper: grade}}, or a DataFrame with columns query_id, paper_id and grade"
)


def as_queries(given: QueryInput) -> list[Query]:
    """Queries from whatever holds them: a file (`read_queries`), texts, records, a dict or a Series
    id -> text, a DataFrame (`query_id` or `qid`, `text` or `query`; else its index is the id).

    A query without an id takes its text for one. Raises QueryError for one without either, named by
    its place (an empty one with an id is named when it is searched); EvaluationError for an id that
    is none or is there twice, and for what holds no queries; and what reading a file raises.
    """
    if isinstance(given, str | Path):
        return read_queries(given)
    if isinstance(given, Query):
        raise EvaluationError(f"queries are one Query ({given.text!r}); give a list, [query]")
    records: dict[str, Query] = {}
    for place, (query_id, query) in enumerate(_queries_in(given), start=1):
        text = query.text if isinstance(query, Query) else query
        named = f"query {query_id!r} (number {place})" if query_id != "" else f"query {place}"
        if not isinstance(text, str):
            raise QueryError(f"{named} is {text!r}, no text; {_QUERY_FORMS}")
        if not text.strip() and query_id == "":
            raise QueryError(f"{named} is empty; give it a text, or take it out")
        name = identifier(f"the id of query {place}", text if query_id == "" else query_id)
        if name in records:
            raise EvaluationError(
                f"query {name!r} is there twice, the second time as number {place}; take one out, "
                "or give each an id of its own"
            )
        records[name] = (
            replace(query, id=name) if isinstance(query, Query) else Query(text=text, id=name)
        )
    return list(records.values())


def _queries_in(given: Any) -> Iterable[tuple[Any, Any]]:
    """(id, text or Query), "" where there is no id."""
    if hasattr(given, "columns") and hasattr(given, "iloc"):
        return _frame_queries(given)
    if isinstance(given, Mapping) or hasattr(given, "items"):
        return list(given.items())
    return [_one_query(query) for query in _listed("queries", given, _QUERY_FORMS)]


def _one_query(query: Any) -> tuple[Any, Any]:
    if isinstance(query, Query):
        return query.id, query
    record = _as_mapping(query)
    if record is None:
        return "", query
    values = own_names(record, QUERY_NAMES)
    return values.get("query_id", ""), values.get("text")


def _frame_queries(frame: Any) -> Iterable[tuple[Any, Any]]:
    columns = _columns(frame, QUERY_NAMES, ("text",), _QUERY_FORMS)
    ids = columns.get("query_id", frame.index)
    return list(zip(ids.tolist(), columns["text"].tolist(), strict=True))


def as_judgments(given: JudgmentInput) -> list[Judgment]:
    """Judgments from whatever holds them: a file (that of a `Judgments`, or `read_qrels`), told by
    its content; a `Judgments`; records; a dict query -> paper -> grade; a DataFrame.

    Ids come out as text, grades as int. Raises EvaluationError for an id or a grade that is none,
    and for what holds no judgments; and what reading a file raises.
    """
    if isinstance(given, str | Path):
        given = open_judgments(given)
    if isinstance(given, Judgment):
        raise EvaluationError(f"judgments are one {given}; give a list of them")
    if isinstance(given, Judgments):
        return given.current()
    return [_judgment(*values) for values in _judgments_in(given)]


def _judgments_in(given: Any) -> Iterable[tuple[Any, Any, Any]]:
    if hasattr(given, "columns") and hasattr(given, "iloc"):
        columns = _columns(
            given, JUDGMENT_NAMES, ("query_id", "paper_id", "grade"), _JUDGMENT_FORMS
        )
        three = (columns[name].tolist() for name in ("query_id", "paper_id", "grade"))
        return list(zip(*three, strict=True))
    if isinstance(given, Mapping):
        return [
            (query_id, paper_id, grade)
            for query_id, grades in given.items()
            for paper_id, grade in _graded(query_id, grades).items()
        ]
    return [_one_judgment(one) for one in _listed("judgments", given, _JUDGMENT_FORMS)]


def _graded(query_id: Any, grades: Any) -> Mapping[Any, Any]:
    if not isinstance(grades, Mapping):
        raise EvaluationError(
            f"the judgments of query {query_id!r} are a {type(grades).__name__}; {_JUDGMENT_FORMS}"
        )
    return grades


def _one_judgment(one: Any) -> tuple[Any, Any, Any]:
    if isinstance(one, Judgment):
        return one.query_id, one.paper_id, one.grade
    values = own_names(_as_mapping(one) or {}, JUDGMENT_NAMES)
    if not values.keys() >= set(_THREE):
        raise EvaluationError(f"{one!r} is no judgment; {_JUDGMENT_FORMS}")
    query_id, paper_id, grade = (values[name] for name in _THREE)
    return query_id, paper_id, grade


def _judgment(query_id: Any, paper_id: Any, grade: Any) -> Judgment:
    query_id = identifier("a judgment's query_id", query_id)
    paper_id = identifier("a judgment's paper_id", paper_id)
    return Judgment(query_id, paper_id, whole_grade(query_id, paper_id, grade))


def open_judgments(path: str | Path, conflicts: str = "error") -> Judgments | list[Judgment]:
    """The `Judgments` whose file that is, or what `read_qrels` reads; the content says which.

    Raises EvaluationError for a rule that cannot be meant: qrels know nothing of people.
    """
    path = Path(path).expanduser()
    if is_journal(path):
        return Judgments(path, conflicts=conflicts)
    if check_rule(conflicts) != "error":
        raise EvaluationError(
            f"conflicts is {conflicts!r}, but {path} is no file that `Judgments` keeps: others do "
            "not say who judged, so there is nothing to settle"
        )
    return read_qrels(path)


def settled(given: Any) -> int:
    """How many pairs people judge differently, so that one grade was made by the rule."""
    return len(given.conflicts()) if isinstance(given, Judgments) else 0


def _listed(what: str, given: Any, forms: str) -> Iterable[Any]:
    if isinstance(given, bytes | set | frozenset) or not isinstance(given, Iterable):
        raise EvaluationError(f"{what} are {_short(given)}; {forms}")
    return given


def _as_mapping(value: Any) -> Mapping[Any, Any] | None:
    """A dict as it is, a named tuple (ir_measures' Qrel) by its fields; None for other things."""
    if isinstance(value, Mapping):
        return value
    return dict(value._asdict()) if hasattr(value, "_asdict") else None


def _columns(frame: Any, names: Names, needed: tuple[str, ...], forms: str) -> dict[str, Any]:
    """The frame's columns by their own names."""
    columns = own_names({name: name for name in frame.columns}, names)
    missing = [name for name in needed if name not in columns]
    if missing:
        raise EvaluationError(
            f"the DataFrame has no column {', '.join(missing)}, but "
            f"{', '.join(map(str, frame.columns))}; {forms}"
        )
    return {own: frame[name] for own, name in columns.items()}


def _short(value: Any) -> str:
    return f"{value!r:.80}" if not isinstance(value, str) else value
