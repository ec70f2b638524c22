"""Asks judged questions and measures the answers, beside baselines at equal words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from workbench.errors import QueryError, shown
from workbench.evaluation.statistics import randomisation
from workbench.qa.answer import Answer
from workbench.qa.asking import check_words
from workbench.qa.evaluation.baselines import BASELINES, Choose
from workbench.qa.evaluation.measures import (
    citation_precision,
    citation_recall,
    coverage,
    first_words,
    redundancy,
    strict_coverage,
)
from workbench.qa.evaluation.questions import JudgedQuestion
from workbench.qa.evaluation.report import OWN, AnswerReport, Row, median

LENGTHS = (150, 300, 600)

Ask = Callable[[str, int, Choose | None], Answer]
Told = tuple[list[str], list[str]]
"""The sentences of an answer in reading order, and its papers."""


def as_lengths(words: int | Sequence[int]) -> tuple[int, ...]:
    """One or several numbers of words, each once. Raises QueryError for none of them, and for one
    that no answer can have."""
    given = [words] if isinstance(words, int) else words
    if isinstance(given, str) or not isinstance(given, Iterable) or not (found := [*given]):
        raise QueryError(f"words is {shown(words)}; give one or several whole numbers")
    return tuple(dict.fromkeys(map(check_words, found)))


def evaluate_answers(
    ask: Ask,
    papers: Any,
    questions: Sequence[JudgedQuestion],
    words: Sequence[int] = LENGTHS,
    *,
    baselines: bool = True,
    progress: bool = True,
) -> AnswerReport:
    """Every question is asked once for each number of words and each way.

    `ask(text, words, choose)` gives an Answer; where `choose` is given, of the quotes that it
    chooses as they are. `papers` has `papers(ids)` for comparing quotes with the corpus. Questions
    that the corpus cannot answer count for abstention alone, and a declined one counts as an empty
    answer.
    """
    from workbench.system.progress import tqdm

    ways: dict[str, Choose | None] = {OWN: None, **(BASELINES if baselines else {})}
    longest: dict[str, Answer] = {}
    said: dict[tuple[int, str], dict[str, Told]] = {pair: {} for pair in product(words, ways)}
    for q in tqdm(questions, desc="Questions", unit="", delay=2, disable=not progress):
        longest[q.id] = ask(q.text, max(words), None)
        if q.answerable:  # all ways in a row, while its evidence is remembered
            for (length, way), answered in said.items():
                answered[q.id] = told(ask(q.text, length, ways[way]), length)
    answerable = [question for question in questions if question.answerable]
    answers = list(longest.values())
    rows: list[Row] = []
    for (length, way), answered in said.items():
        row, own = _row(way, length, answerable, answered), said[length, OWN]
        apart = [covered(q, own[q.id]) - covered(q, answered[q.id]) for q in answerable]
        rows.append(replace(row, p=randomisation(apart)) if apart and way != OWN else row)
    quotes = sum(len(answer.quotes) for answer in answers)
    wrong = sum(len(answer.check(papers)) for answer in answers)
    books = [answer.audit() for answer in answers]
    sentences = sum(book.sentences for book in books)
    tried = sentences + sum(len(book.dropped) for book in books)
    return AnswerReport(
        writer=answers[0].writer,
        questions=len(questions),
        rows=tuple(rows),
        declined_rightly=_ids(questions, longest, answerable=False, declined=True),
        declined_wrongly=_ids(questions, longest, answerable=True, declined=True),
        answered_wrongly=_ids(questions, longest, answerable=False, declined=False),
        verbatim=1 - wrong / quotes if quotes else 1.0,
        support=(sentences - sum(b.unsupported for b in books)) / tried if tried else 1.0,
        quotes=quotes,
        latency_ms=_latency(answers),
    )


def told(answer: Answer, words: int) -> Told:
    """What an answer says in at most so many words, without the repetition of what stands first,
    and the papers that it cites."""
    sentences: list[str] = []
    left = words
    for section in answer.sections:
        for sentence in section.sentences:
            if left > 0:
                sentences.append(first_words(sentence.text, left))
                left -= len(sentence.text.split())
    return sentences, answer.paper_ids


def covered(question: JudgedQuestion, answer: Told) -> float:
    """The share of a question's statements that an answer says."""
    return coverage(question.statements, " ".join(answer[0]))


def _row(
    method: str, words: int, questions: Sequence[JudgedQuestion], said: Mapping[str, Told]
) -> Row:
    """Means over the questions. The shuffled control gives each the answer of the next one."""

    def mean(measure: Callable[[JudgedQuestion, Told], float], shift: int = 0) -> float:
        answers = [said[q.id] for q in questions]
        moved = answers[shift:] + answers[:shift]
        values = [measure(q, a) for q, a in zip(questions, moved, strict=True)]
        return sum(values) / len(values) if values else 0.0

    def in_one(question: JudgedQuestion, answer: Told) -> float:
        return strict_coverage(question.statements, answer[0])

    def recalled(question: JudgedQuestion, answer: Told) -> float:
        return citation_recall(question.papers, answer[1])

    return Row(
        method=method,
        words=words,
        coverage=mean(covered),
        one_sentence=mean(in_one),
        citation_recall=mean(recalled),
        citation_precision=mean(lambda q, a: citation_precision(q.papers, a[1])),
        redundancy=mean(lambda q, a: redundancy(a[0])),
        words_used=mean(lambda q, a: float(sum(len(s.split()) for s in a[0]))),
        shuffled_coverage=mean(covered, 1),
        shuffled_one_sentence=mean(in_one, 1),
        shuffled_recall=mean(recalled, 1),
    )


def _ids(
    questions: Sequence[JudgedQuestion],
    answers: Mapping[str, Answer],
    *,
    answerable: bool,
    declined: bool,
) -> tuple[str, ...]:
    return tuple(
        q.id
        for q in questions
        if q.answerable == answerable and bool(answers[q.id].declined) == declined
    )


def _latency(answers: Sequence[Answer]) -> dict[str, float]:
    stages = list(dict.fromkeys(name for answer in answers for name in answer.timings_ms))
    return {
        name: median([a.timings_ms[name] for a in answers if name in a.timings_ms])
        for name in stages
    }
