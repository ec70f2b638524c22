"""Several systems measured on one collection: what they share is done once, what one of them
cannot do is recorded, and what was measured before is not measured again."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.engines.keeper import EngineSpec
from workbench.errors import (
    DeadlineExceeded,
    EvaluationError,
    ExperimentError,
    ProfileError,
    shown,
)
from workbench.evaluation.collection import run_label, run_settings, unknown_papers
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
from workbench.opening import open_corpus
from workbench.present.words import setting
from workbench.profiles import Profile
from workbench.records import Query
from workbench.session import Workbench
from workbench.system.deadline import Deadline, check_deadline, limited

SIDE_BY_SIDE = 4
"""Groups of systems at once: each keeps its candidates, and uses all cores for its queries."""

RUN_ENDINGS = {".trec", ".run", ".txt", ".res"}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class System:
    """What is measured: a session under a profile, or a run that was made elsewhere."""

    label: str
    bench: Workbench | None
    profile: Profile | None
    run: Any = None

    def __repr__(self) -> str:
        return f"System({self.label!r})"


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


def as_systems(given: Any, bench: Workbench | None) -> list[System]:
    """Systems as people name them: a Workbench; a Profile, the name of one, weights or an engine
    over `bench`; (Workbench, profile); a run as a path, dict, frame or ranx.Run; or a dict of these
    by label. Raises EvaluationError for anything else, and for a label twice."""
    if isinstance(given, Mapping):
        pairs = [(str(label), each) for label, each in given.items()]
    elif isinstance(given, Iterable) and not isinstance(given, str):
        pairs = [("", each) for each in given]
    else:
        raise EvaluationError(f"systems are {shown(given)}; give a list of them, or a dict by name")
    found = [_system(label, each, bench) for label, each in pairs]
    if not found:
        raise EvaluationError("no system to measure; give at least one")
    labels: dict[str, int] = {}
    named = []
    for system in found:
        number = labels[system.label] = labels.get(system.label, 0) + 1
        if number > 1 and isinstance(given, Mapping):
            raise EvaluationError(f"two systems are called {system.label!r}; rename one")
        label = f"{system.label} ({number})" if number > 1 else system.label
        named.append(replace(system, label=label))
    return named


def _system(label: str, given: Any, bench: Workbench | None) -> System:
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], Workbench):
        profile = _profile(given[1], given[0])
        return System(label or _label(profile), given[0], profile)
    if isinstance(given, Workbench):
        name = f"{given.folder.parent.name if given.folder.name == 'index' else given.folder.name}"
        return System(label or f"{run_label(given.profile)} on {name}", given, given.profile)
    if isinstance(given, EngineSpec) and not isinstance(given, type):
        over = _over(bench, given)
        opened = open_corpus(over.recorder.folder.parent, engine=given, profile=over.profile)
        return System(label or type(given).__name__, opened, over.profile)
    if isinstance(given, Path) or (isinstance(given, str) and _is_run(given)):
        return System(label or Path(given).stem, bench, None, Path(given))
    if isinstance(given, Profile | str) or _is_weights(given):
        profile = _profile(given, _over(bench, given))
        return System(label or _label(profile), bench, profile)
    return System(label or str(getattr(given, "name", "") or "run"), bench, None, given)


def _label(profile: Profile) -> str:
    """As `run_label`, and the other settings that are not those that the name stands for."""
    said = run_label(profile)
    try:
        usual = Profile.named(profile.name)
    except ProfileError:
        return said
    names = (*retrieval_settings(profile), "normaliser")
    pairs = [(name, getattr(profile, name), getattr(usual, name)) for name in names]
    return ", ".join([said, *(f"{n} {setting(v)}" for n, v, known in pairs if v != known)])


def _over(bench: Workbench | None, given: object) -> Workbench:
    if bench is None:
        raise EvaluationError(
            f"{shown(given)} is to be measured on a corpus; say which: compare(..., bench=bench)"
        )
    return bench


def _profile(given: Any, bench: Workbench) -> Profile:
    if _is_weights(given):
        return bench.chosen(None, given)
    return bench.chosen(given, None)


def _is_weights(given: Any) -> bool:
    return (
        isinstance(given, Mapping)
        and bool(given)
        and all(isinstance(value, int | float) for value in given.values())
    )


def _is_run(given: str) -> bool:
    path = Path(given).expanduser()
    return path.suffix in RUN_ENDINGS or path.is_file()


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

    def one_group(places: Sequence[int]) -> None:
        shared = _Shared(asked)
        left = list(places)
        try:
            with limited(until):
                while left:
                    outcome = _measured(systems[left[0]], shared)
                    ended.put((left.pop(0), outcome))
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
    """What systems of one group share: a retrieval, what it found, judged papers not there."""

    asked: _Asked
    retrieval: Retrieval | None = None
    batch: CandidateBatch = field(default_factory=lambda: CandidateBatch([]))
    unknown: Sequence[str] = ()

    def retrieved(self, bench: Workbench, profile: Profile) -> Retrieval:
        """The retrieval, over once it was made."""
        if self.retrieval is None:
            collection, subject = self.asked.collection, bench.subject
            self.unknown = unknown_papers(subject.engine, collection.queries, collection.grades)
            ready = self.asked.ready(subject)
            retrieval = Retrieval(subject, ready, profile, bench.recorder.cache, False)
            found = []
            for pair in retrieval:
                check_deadline()
                found.append(pair)
            self.batch = CandidateBatch(found)
            self.retrieval = retrieval
        return self.retrieval


def _measured(system: System, shared: _Shared) -> Outcome:
    started = time.perf_counter()
    try:
        if system.bench is None or system.profile is None:
            return _foreign(system, shared)
        return _own(system, system.bench, system.profile, shared)
    except DeadlineExceeded:
        raise
    except Exception:
        error = traceback.format_exc(limit=20)
        kept = ""
        if system.bench is not None:
            failed: dict[str, Any] = {
                "kind": "evaluate",
                "label": system.label,
                "error": error,
                "metrics": {},
            }
            failed["seconds"] = time.perf_counter() - started
            kept = system.bench.recorder.keep(lambda: failed, system.label)
        return Outcome(system.label, None, error, kept)


def _foreign(system: System, shared: _Shared) -> Outcome:
    """A run made elsewhere, measured beside the others."""
    collection, metrics = shared.asked.collection, tuple(shared.asked.metrics)
    report = Report.from_run(
        system.run, collection.judgments, metrics, queries=collection.queries, label=system.label
    )
    return Outcome(system.label, report)


def _own(system: System, bench: Workbench, profile: Profile, shared: _Shared) -> Outcome:
    subject, asked = bench.subject, shared.asked
    collection, metrics, k = asked.collection, asked.metrics, asked.k
    store = bench.recorder.store
    key = evaluation_key(subject, collection, profile, k, metrics)
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
    kept = bench.recorder.keep(lambda: evaluation_document(store, done, "evaluate"), system.label)
    return Outcome(
        system.label, replace(report, experiment=kept), "", kept, tie_range(ranked, report)
    )


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
