"""Several systems measured on one collection: what they share is done once, what one of them
cannot do is recorded, and what was measured before is not measured again."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from threading import Lock
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from workbench.errors import (
    DeadlineExceeded,
    ExperimentError,
)
from workbench.evaluation.collection import run_settings, unknown_papers
from workbench.evaluation.reports.metrics import QueryValues, parse_metrics
from workbench.evaluation.reports.report import Evaluator, Report
from workbench.experiments.batch import CandidateBatch
from workbench.experiments.candidates import retrieval_settings
from workbench.experiments.evaluating import (
    Collection,
    Evaluation,
    Ranked,
    Retrieval,
    Subject,
    prepare,
)
from workbench.experiments.experiment import open_experiment
from workbench.experiments.recording import evaluation_document, evaluation_key
from workbench.profiles import Profile
from workbench.records import Query
from workbench.session import Workbench
from workbench.studies.systems import System
from workbench.system.deadline import Deadline, check_deadline, limited

T = TypeVar("T")

SIDE_BY_SIDE = 4
"""Groups of systems at once: each keeps its candidates, and uses all cores for its queries."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Outcome:
    """What became of a system: its `report`, or the `error`, a traceback. `experiment` is its
    record, `ties` by metric the least and greatest mean over all orders of equal scores, `reused`
    whether it had been measured before."""

    label: str
    report: Report | None
    error: str = ""
    experiment: str = ""
    ties: Mapping[str, tuple[float, float]] | None = None
    reused: bool = False

    def __repr__(self) -> str:
        return f"Outcome({self.label!r}, {self.report!r})"


Rest = Callable[[], Outcome]
"""What is left to do of a system once it is measured."""


def measure(
    systems: Sequence[System],
    collection: Collection,
    metrics: Sequence[str],
    k: int,
    *,
    progress: bool = True,
) -> list[Outcome]:
    """Measure each system; outcomes in the order given. Equal retrieval is done once, for as long
    as its systems are measured; what retrieves differently runs side by side, so that one is
    ranked while another waits for its engine or model. An error of one is its outcome; Ctrl-C ends
    all, and what was measured stays."""
    from workbench.system.progress import tqdm

    groups: dict[Any, list[int]] = {}
    for place, system in enumerate(systems):
        groups.setdefault(_group(system, place), []).append(place)
    asked = _Asked(collection, metrics, k)
    ended: SimpleQueue[tuple[int, Outcome | None]] = SimpleQueue()
    until = Deadline(math.inf)

    def finish(place: int, rest: Rest) -> None:
        outcome = None
        try:
            outcome = rest()
        finally:
            ended.put((place, outcome))

    def one_group(places: Sequence[int]) -> None:
        left = list(places)
        with ThreadPoolExecutor(1) as writing:
            shared = _Shared(asked, writing)
            try:
                with limited(until):
                    while left:
                        rest = _measured(systems[left[0]], shared)
                        shared.hand_over(finish, left[0], rest)
                        del left[0]
                    shared.wait()
            finally:
                for place in left:  # Ctrl-C, or worse: nobody may wait for them
                    ended.put((place, None))

    outcomes: dict[int, Outcome] = {}
    with ThreadPoolExecutor(min(SIDE_BY_SIDE, len(groups))) as pool:
        # A copy of the context each: what is measured there belongs to the block around this.
        running = [pool.submit(copy_context().run, one_group, each) for each in groups.values()]
        try:
            bar = tqdm(systems, desc="Systems", unit="", delay=2, disable=not progress)
            for _ in bar:
                place, outcome = ended.get()
                if outcome is not None:
                    outcomes[place] = outcome
        except BaseException:
            until.cancel()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    for each in running:
        each.result()
    return [outcomes[place] for place in range(len(systems))]


def _group(system: System, place: int) -> Any:
    if system.profile is None or system.bench is None:
        return place
    return id(system.bench.subject), repr(retrieval_settings(system.profile))


@dataclass(slots=True)
class _Asked:
    """What every system is asked, and the judged queries by model and analyser, ready to search."""

    collection: Collection
    metrics: Sequence[str]
    k: int
    _evaluator: Evaluator | None = None
    _ready: dict[tuple[str, str], list[Query]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @property
    def evaluator(self) -> Evaluator:
        """Of the collection, made once. Raises what it raises, for each system anew."""
        with self._lock:
            if self._evaluator is None:
                self._evaluator = self.collection.evaluator(self.metrics)
            return self._evaluator

    def ready(self, subject: Subject) -> list[Query]:
        """The judged queries with terms and vectors, made once for equal models."""
        made_by = subject.embedder.fingerprint, subject.retriever.analyser.fingerprint
        with self._lock:
            if made_by not in self._ready:
                grades = self.collection.grades
                judged = [query for query in self.collection.queries if query.id in grades]
                self._ready[made_by] = prepare(subject, judged)
            return self._ready[made_by]


@dataclass(slots=True)
class _Shared:
    """What systems of one group share: a retrieval, what it found, judged papers not there; and
    the thread in which records are written while the next system is measured."""

    asked: _Asked
    writing: ThreadPoolExecutor
    retrieval: Retrieval | None = None
    batch: CandidateBatch = field(default_factory=lambda: CandidateBatch([]))
    unknown: Sequence[str] = ()
    keys: set[str] = field(default_factory=set)
    _last: Future[None] | None = None

    def retrieved(self, bench: Workbench, profile: Profile) -> Retrieval:
        """The retrieval, over once it was made."""
        if self.retrieval is None:
            collection, subject = self.asked.collection, bench.subject
            self.unknown = unknown_papers(subject.engine, collection.queries, collection.grades)
            ready = self.asked.ready(subject)
            retrieval = Retrieval(subject, ready, profile, bench.recorder.cache, False, later=True)
            found = []
            for pair in retrieval:
                check_deadline()
                found.append(pair)
            self.batch = CandidateBatch(found)
            self.retrieval = retrieval
            self.hand_over(retrieval.keep)
        return self.retrieval

    def hand_over(self, work: Callable[..., None], *given: Any) -> None:
        """Have something done in the other thread, as part of the block around this; not before
        what was handed over last is done, so that what waits is little."""
        self.wait()
        self._last = self.writing.submit(copy_context().run, work, *given)

    def wait(self) -> None:
        """Until what was handed over is done; raises what it raised."""
        if self._last is not None:
            self._last.result()


def _measured(system: System, shared: _Shared) -> Rest:
    """Measure a system. What is left is to write its record, which another thread may do."""
    started = time.perf_counter()

    def failed() -> Outcome:
        error, kept = traceback.format_exc(limit=20), ""
        if system.bench is not None:
            document: dict[str, Any] = {
                "kind": "evaluate",
                "label": system.label,
                "error": error,
                "metrics": {},
                "seconds": time.perf_counter() - started,
            }
            kept = system.bench.recorder.keep(lambda: document, system.label)
        return Outcome(system.label, None, error, kept)

    def guarded(work: Callable[[], Outcome | T]) -> Outcome | T:
        try:
            return work()
        except DeadlineExceeded:
            raise
        except Exception:
            return failed()

    def measured() -> Outcome | Rest:
        if system.bench is None or system.profile is None:
            return _foreign(system, shared)
        return _own(system, system.bench, system.profile, shared)

    found = guarded(measured)
    if isinstance(found, Outcome):
        ended = found
        return lambda: ended
    rest: Rest = found
    return lambda: guarded(rest)


def _foreign(system: System, shared: _Shared) -> Outcome:
    """A run made elsewhere, measured beside the others."""
    collection, metrics = shared.asked.collection, tuple(shared.asked.metrics)
    report = Report.from_run(
        system.run, collection.judgments, metrics, queries=collection.queries, label=system.label
    )
    return Outcome(system.label, report)


def _own(system: System, bench: Workbench, profile: Profile, shared: _Shared) -> Outcome | Rest:
    subject, asked = bench.subject, shared.asked
    collection, metrics, k = asked.collection, asked.metrics, asked.k
    store = bench.recorder.store
    key = evaluation_key(subject, collection, profile, k, metrics)
    if key and key in shared.keys:  # the same system twice: its record may be under way
        shared.wait()
    shared.keys.add(key)
    known = store.find(key) if key else ""
    if known:
        try:
            experiment = open_experiment(store, known)
            report = replace(experiment.report(), label=system.label, experiment=known)
            ties = tie_range(experiment.ranked, report)
            return Outcome(system.label, report, "", known, ties, reused=True)
        except ExperimentError:
            pass  # damaged or incomplete: it is measured again, and the record stays as it is
    started = time.perf_counter()
    retrieval = shared.retrieved(bench, profile)
    ranked = shared.batch.rank(profile, k)
    report = asked.evaluator.report_on(
        {query: papers for query, (papers, _) in ranked.items()}, system.label,
        unknown_papers=shared.unknown, settings=run_settings(subject.engine, profile, k),
    )  # fmt: skip
    seconds = time.perf_counter() - started
    done = Evaluation(subject, collection, profile, k, report, ranked, retrieval, seconds)

    def kept() -> Outcome:
        name = bench.recorder.keep(
            lambda: evaluation_document(store, done, "evaluate"), system.label
        )
        report = replace(done.report, experiment=name)
        return Outcome(system.label, report, "", name, tie_range(ranked, report))

    return kept


def tie_range(ranked: Mapping[str, Ranked], report: Report) -> dict[str, tuple[float, float]]:
    """By metric the least and the greatest mean over all orders of equal scores: the judged
    relevant last in each tie, and first (McSherry and Najork, ECIR 2008)."""
    grades = report.judgments
    worst: dict[str, list[str]] = {}
    best: dict[str, list[str]] = {}
    for query in report.per_query.index:
        papers, scores = ranked.get(query, ([], np.zeros(0)))
        if not _matters(papers, scores, grades[query]):
            continue
        given = np.array([max(grades[query].get(paper, 0), 0) for paper in papers])
        worst[query] = [papers[i] for i in np.lexsort((given, -scores))]
        best[query] = [papers[i] for i in np.lexsort((-given, -scores))]
    metrics = list(report.metrics)
    low, high = (report.per_query[metrics].to_numpy(copy=True) for _ in range(2))
    if worst:
        measured = QueryValues({q: grades[q] for q in worst}, parse_metrics(metrics))
        rows = [row for row, query in enumerate(report.per_query.index) if query in worst]
        low[rows], high[rows] = measured.of(worst), measured.of(best)
    ends = zip(low.mean(axis=0).tolist(), high.mean(axis=0).tolist(), strict=True)
    return dict(zip(metrics, ends, strict=True))


def _matters(papers: list[str], scores: NDArray[np.float64], grades: Mapping[str, int]) -> bool:
    """Whether a relevant paper shares its score with another."""
    level = scores[1:] == scores[:-1]
    if not level.any():
        return False
    tied = np.flatnonzero(np.append(level, False) | np.append(False, level))
    relevant = {paper for paper, grade in grades.items() if grade > 0}
    return not relevant.isdisjoint(papers[place] for place in tied)
