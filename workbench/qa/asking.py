"""From a question to an answer: retrieve, keep, weigh, choose, outline, write."""

from __future__ import annotations

import operator
import statistics
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypedDict

from workbench.corpus.analysis import Analyser
from workbench.engines.filters import Texts, Years
from workbench.errors import QueryError, shown
from workbench.models.embedders.base import Embedder
from workbench.profiles import Profile
from workbench.qa.choose import choose
from workbench.qa.events import Asked, Declined, Done, Event, Found, Outlined, Quoted
from workbench.qa.evidence import Read, best_of, find_sources, read_sources, weigh_sentences
from workbench.qa.outline import make_outline
from workbench.qa.question import Asked as Question
from workbench.qa.question import content_terms, read_question
from workbench.qa.records import Evidence, Outline, PaperFacts, Plan, Quote, Source
from workbench.qa.remembered import Remembered
from workbench.qa.vectors import SentenceVectors
from workbench.qa.writers.base import Task, Writer, check_seconds
from workbench.qa.writing import Drafts, write_sections
from workbench.ranking.ranking import Ranking
from workbench.ranking.weights import Weights
from workbench.records import Filters, Paper
from workbench.system.fork import Lock

ANSWERABLE = 0.51
"""The relevance that the best passage must have. The least mean of false answers and false refusals
on 120 titles asked of their own 400 ACL abstracts and 120 of others (.17), and 17 judged questions
of the sample corpus with and without their relevant papers (.26), none of them in
`questions.jsonl`."""

REMEMBERED = 64
"""Values of stages, and sections, that are remembered: some ten questions."""

NEAREST = 3
"""Sentences that are shown where there is no answer."""

EARLIER = 50
"""Answers whose times the estimate of the next is made of."""

WORDS = (10, 5000)
"""Limits of an answer's length."""


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages of an answer before its writer; any may be another function of the same shape.

    `retrieve`: the profile's search of the question, as a function -> Ranking. `keep`: ranking,
    question, threshold -> the passages and their papers. `weigh`: what was read, question, its
    vector, papers -> Evidence. `choose`: evidence, words -> rows of its quotes, the most valuable
    first. `outline`: evidence, rows, question, papers -> Outline.
    """

    retrieve: Callable[[Callable[[], Ranking]], Ranking] = operator.call
    keep: Callable[[Ranking, Question, float], tuple[list[Source], dict[str, Paper]]] = find_sources
    weigh: Callable[[Sequence[Read], Question, Any, Mapping[str, Paper]], Evidence] = (
        weigh_sentences
    )
    choose: Callable[[Evidence, int], list[int]] = choose
    outline: Callable[[Evidence, Sequence[int], Question, Mapping[str, Paper]], Outline] = (
        make_outline
    )


@dataclass(frozen=True, slots=True)
class Request:
    """A question with all that decides its answer. `search` gives the ranking; `key` tells
    searches apart. `seconds` is the time that writing may take. Raises QueryError for `words`,
    `seconds` or `unsupported` out of their limits."""

    question: str
    profile: Profile
    writer: Writer
    search: Callable[[], Ranking]
    key: str
    words: int = 300
    seconds: float = 120.0
    unsupported: str = "drop"
    insist: bool = False
    stages: Stages = field(default_factory=Stages)

    def __post_init__(self) -> None:
        check_words(self.words)
        object.__setattr__(self, "seconds", check_seconds(self.seconds))  # frozen
        if not isinstance(self.unsupported, str) or self.unsupported not in ("drop", "mark"):
            raise QueryError(f"unsupported is {shown(self.unsupported)}; give drop or mark")
        if not isinstance(self.stages, Stages):
            raise QueryError(f"stages is {shown(self.stages)}; give a Stages")


def check_words(words: int) -> int:
    """The length of an answer; raises QueryError for one that is out of its limits."""
    least, most = WORDS
    if isinstance(words, bool) or not isinstance(words, int) or not least <= words <= most:
        raise QueryError(f"words is {shown(words)}; give a whole number from {least} to {most}")
    return words


class AskOptions(TypedDict, total=False):
    """The options of `Workbench.ask`, for type checkers."""

    writer: Writer | str | None
    words: int
    profile: Profile | str | None
    weights: Weights | None
    year: Years
    venue: Texts
    author: Texts
    field: Texts
    ids: Texts
    filters: Filters | None
    unsupported: Literal["drop", "mark"]
    seconds: float
    insist: bool
    stages: Stages


class Asking:
    """Answers questions over one embedder; remembers stages and times. Safe between threads."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._vectors = SentenceVectors(embedder)
        self._known: Remembered[Any] = Remembered(REMEMBERED)
        self.drafts: Drafts = Remembered(REMEMBERED)
        """The sections written so far."""
        self._totals: dict[str, list[float]] = {}
        self._lock = Lock()

    def events(
        self, request: Request, values: dict[str, Any], stop: threading.Event
    ) -> Generator[Event, None, None]:
        """The events of an answer; each stage's value is put into `values` as it is made."""
        clock = _Clock(self._expected(request.writer))
        profile, writer = request.profile, request.writer
        yield Asked(
            question=request.question,
            profile=profile.name,
            writer=writer.name,
            words=request.words,
            **clock.now(),
        )
        stages, made = request.stages, self._known.made
        key: tuple[object, ...] = (
            request.key,
            request.question,
            profile.fingerprint,
            stages.retrieve,
        )
        ranking: Ranking = made(("retrieve", *key), lambda: stages.retrieve(request.search))
        question = read_question(request.question, Analyser(), ranking.engine)
        key = *key, stages.keep
        sources, papers = made(
            ("keep", *key), lambda: stages.keep(ranking, question, profile.context_threshold)
        )
        values |= {"retrieve": ranking, "keep": sources}
        clock.lap("retrieve")
        facts = tuple(map(paper_facts, papers.values()))
        yield Found(sources=tuple(sources), papers=facts, notes=ranking.notes, **clock.now())
        vector = ranking.candidates.query.vector
        if vector is None:
            vector = self._embedder.encode_query(request.question)
        reads: list[Read] = []
        for block in read_sources(sources, papers, self._vectors):
            reads += block
            seen = tuple(q for read in block if (q := best_of(read, vector, papers)))
            yield Quoted(quotes=seen, **clock.now())
        key = *key, stages.weigh
        evidence: Evidence = made(
            ("evidence", *key), lambda: stages.weigh(reads, question, vector, papers)
        )
        values["evidence"] = evidence
        clock.lap("evidence")
        reason = _too_thin(sources, evidence, question, papers, profile)
        if reason and not (request.insist and evidence.quotes):
            near = _nearest(sources, papers, self._vectors, vector, ranking)
            yield Declined(reason=reason, nearest=near, **clock.now())
        else:
            key = *key, stages.choose, request.words
            rows = made(("choose", *key), lambda: stages.choose(evidence, request.words))

            def planned() -> tuple[Outline, list[Quote]]:
                outline = stages.outline(evidence, rows, question, papers)
                return checked_outline(outline, ranking)

            outline, false = made(("outline", *key, stages.outline), planned)
            values |= {"choose": rows, "outline": outline}
            clock.lap("outline")
            note = f"The evidence is thin: {reason}." if reason else ""
            yield Outlined(outline=outline, note=note, **clock.now())
            mark = request.unsupported == "mark"
            task = Task.of(request.question, papers, profile, request.seconds, mark=mark, stop=stop)
            yield from write_sections(
                dict(enumerate(outline.plans)),
                task,
                writer,
                profile.workers,
                clock.now,
                self.drafts,
                false,
            )
            clock.lap("write")
        timings = clock.done()
        self._note_total(writer, timings["total"])
        yield Done(timings_ms=timings, **clock.now())

    def _expected(self, writer: Writer) -> float | None:
        with self._lock:
            totals = self._totals.get(writer.fingerprint)
            return statistics.median(totals) if totals else None

    def _note_total(self, writer: Writer, total: float) -> None:
        with self._lock:
            totals = self._totals.setdefault(writer.fingerprint, [])
            totals.append(total)
            del totals[:-EARLIER]


class _Clock:
    """Milliseconds by stage, and what an event says of time."""

    def __init__(self, expected: float | None) -> None:
        self._start = self._last = time.perf_counter()
        self._expected = expected
        self._stages: dict[str, float] = {}

    def now(self) -> dict[str, Any]:
        elapsed = (time.perf_counter() - self._start) * 1e3
        left = None if self._expected is None else round(max(0.0, self._expected - elapsed), 3)
        return {"elapsed_ms": round(elapsed, 3), "remaining_ms": left}

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self._stages[stage] = (now - self._last) * 1e3
        self._last = now

    def done(self) -> dict[str, float]:
        return {**self._stages, "total": (time.perf_counter() - self._start) * 1e3}


def paper_facts(paper: Paper) -> PaperFacts:
    """What a reference needs of a paper."""
    return PaperFacts(**{name: getattr(paper, name) for name in PaperFacts.__slots__})


def checked(quotes: Sequence[Quote], ranking: Ranking) -> tuple[list[Quote], list[Quote]]:
    """The quotes that are the corpus's text at their place, marked verbatim, and the others."""
    true, false = [], []
    for quote, paper in zip(
        quotes, ranking.engine.papers([q.paper_id for q in quotes]), strict=True
    ):
        if quote.text and paper.text[quote.start : quote.end] == quote.text:
            true.append(replace(quote, verbatim=True))
        else:
            false.append(quote)
    return true, false


def checked_outline(outline: Outline, ranking: Ranking) -> tuple[Outline, list[Quote]]:
    """The outline without quotes that are not in their papers, and those: another stage's."""
    tldr, false = checked(outline.tldr, ranking)
    plans = []
    for plan in outline.plans:
        true, wrong = checked(plan.quotes, ranking)
        false += [quote for quote in wrong if quote not in false]
        if true:
            plans.append(Plan(plan.title, tuple(true)))
    return Outline(tuple(tldr), tuple(plans)), false


def _nearest(
    sources: Sequence[Source],
    papers: Mapping[str, Paper],
    vectors: SentenceVectors,
    question: Any,
    ranking: Ranking,
) -> tuple[Quote, ...]:
    """The best sentence of each of the most relevant passages, kept or not."""
    best = sorted(sources, key=lambda source: -source.relevance)[:NEAREST]
    shown = [replace(source, kept=True) for source in best]
    reads = [read for block in read_sources(shown, papers, vectors) for read in block]
    quotes = [quote for read in reads if (quote := best_of(read, question, papers))]
    return tuple(checked(quotes, ranking)[0])


def _too_thin(
    sources: Sequence[Source],
    evidence: Evidence,
    question: Question,
    papers: Mapping[str, Paper],
    profile: Profile,
) -> str:
    """Why there is no answer; empty where there is one."""
    if not sources:
        return "no paper was found"
    if not question.weights:
        return "the question has no word that papers could be about; name what is asked for"
    kept = [source for source in sources if source.kept]
    if not kept:
        best = max(source.relevance for source in sources)
        return (
            f"no passage reaches the relevance {profile.context_threshold:g} of the profile's "
            f"context_threshold (the best has {best:.2f})"
        )
    if not evidence.quotes:
        return "the passages found hold no sentence that can be quoted"
    if evidence.relevance >= max(ANSWERABLE, profile.context_threshold):
        return ""
    terms: set[str] = set()
    for source in kept[:5]:
        terms |= set(Analyser().terms(f"{papers[source.paper_id].title} {source.text}"))
    words = [word for word in _words(question.text) if not set(Analyser().terms(word)) & terms]
    about = f"; the nearest papers do not mention {', '.join(words[:4])}" if words else ""
    return (
        f"the corpus seems to have no answer: the best passage has relevance "
        f"{evidence.relevance:.2f}, {ANSWERABLE:g} is needed{about}"
    )


def _words(text: str) -> list[str]:
    analyser = Analyser()
    asking = set(content_terms(text, analyser))
    spans = [(text[a:b], term) for a, b, term in analyser.spans(text)]
    return list(dict.fromkeys(word for word, term in spans if term in asking))
