"""From a finished measurement to its record; what cannot be kept never costs the measurement."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from workbench.corpus.notices import notice
from workbench.errors import WorkbenchError
from workbench.evaluation.collection import run_label, run_settings, unknown_papers
from workbench.evaluation.reports.report import Report
from workbench.evaluation.tuning.curve import WeightCurve
from workbench.evaluation.tuning.tune import tune
from workbench.evaluation.tuning.weight_search import WeightSearch
from workbench.experiments.batch import CandidateBatch
from workbench.experiments.candidates import CandidateCache
from workbench.experiments.evaluating import (
    Collection,
    Evaluation,
    Subject,
    evaluate,
    retrieve,
    stage_digests,
)
from workbench.experiments.machine import machine, origin
from workbench.experiments.store import ExperimentStore, new_id
from workbench.models.embedders.base import LazyEmbedder
from workbench.models.weights.digest import digest_of
from workbench.profiles import Profile, enclosing_experiment, may_record
from workbench.qa.evaluation.questions import JudgedQuestion
from workbench.qa.evaluation.report import AnswerReport

SEEDS = {"bootstrap": 0, "resamples": 1_000}
"""Of the intervals of a report, which are the only numbers by chance."""


@dataclass(slots=True)
class _Block:
    """An experiment under way; what is measured inside is its child."""

    id: str
    name: str
    problem: WorkbenchError | None = None


_block: ContextVar[_Block | None] = ContextVar("block", default=None)


@dataclass(slots=True)
class Recorder:
    """Measures, and keeps what was measured in one folder, unless WORKBENCH_RECORD is false."""

    folder: Path
    store: ExperimentStore = field(init=False)
    cache: CandidateCache = field(init=False)
    _said: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.store = ExperimentStore(self.folder)
        self.cache = CandidateCache(self.folder)

    def evaluate(
        self,
        subject: Subject,
        collection: Collection,
        metrics: str | Iterable[str],
        profile: Profile,
        k: int,
        *,
        name: str = "",
        progress: bool = False,
    ) -> Report:
        """What `Workbench.evaluate` does; the report names its experiment."""
        cache = self.cache if may_record() else None
        done = evaluate(subject, collection, metrics, profile, k, cache=cache, progress=progress)
        kept = self.keep(lambda: evaluation_document(self.store, done, "evaluate"), name)
        return replace(done.report, experiment=kept)

    def tune(
        self,
        subject: Subject,
        collection: Collection,
        metric: str,
        signals: Sequence[str],
        profile: Profile,
        *,
        progress: bool = False,
    ) -> WeightCurve | WeightSearch:
        """What `Workbench.tune` does; the record is of the best weights."""
        started = time.perf_counter()
        cache = self.cache if may_record() else None
        unknown = unknown_papers(subject.engine, collection.queries, collection.grades)
        retrieval = retrieve(subject, collection, profile, cache=cache, progress=progress)
        found = list(retrieval)
        grades = collection.grades
        tuned = tune(found, collection.queries, grades, signals, metric, profile, unknown)
        seconds = time.perf_counter() - started

        def document() -> dict[str, Any]:
            best = profile.replace(weights=tuned.best.weights)
            ranked = CandidateBatch(found).rank(best, 1000)
            report = collection.evaluator([metric]).report_on(
                {query_id: papers for query_id, (papers, _) in ranked.items()}, run_label(best),
                unknown_papers=unknown, settings=run_settings(subject.engine, best, 1000),
            )  # fmt: skip
            done = Evaluation(subject, collection, best, 1000, report, ranked, retrieval, seconds)
            about = {"tuned": {"signals": list(signals), "best": tuned.best.value}}
            return {**evaluation_document(self.store, done, "tune"), **about}

        self.keep(document)
        return tuned

    def answers(
        self, subject: Subject, asked: Mapping[str, Any], measure: Callable[[], AnswerReport]
    ) -> AnswerReport:
        """What `Workbench.evaluate_answers` does; `asked` says of what, in plain values."""
        started = time.perf_counter()
        report = measure()
        seconds = time.perf_counter() - started

        def document() -> dict[str, Any]:
            own = report.row()
            names = ("coverage", "citation_recall", "citation_precision", "redundancy")
            values = {name: float(getattr(own, name)) for name in names}
            values["abstention_accuracy"] = report.abstention_accuracy
            return {
                "kind": "answers",
                "seconds": seconds,
                "label": report.writer,
                "metrics": {n: {"mean": v, "low": v, "high": v} for n, v in values.items()},
                "queries": report.questions,
                "corpus": corpus_facts(subject, content_table(self.store, subject)),
                "asked": dict(asked),
                "answers": report.to_dict(),
                "models": models(subject, None),
            }

        self.keep(document)
        return report

    def keep(
        self, document: Callable[[], Mapping[str, Any]], name: str = "", *, named: str = ""
    ) -> str:
        """Keep what `document` says, and return its id; "" where nothing is to be recorded, or
        where it cannot be: that is told once, or at the end of the block around it."""
        block = _block.get()
        if not may_record():
            return ""
        try:
            content = dict(document())
            about = {
                "id": named or new_id(),
                "name": name or (block.name if block else ""),
                "parent": block.id if block else enclosing_experiment(),
                "started": time.time() - content.get("seconds", 0.0),
                "machine": machine(),
                "origin": origin(),
                "seeds": SEEDS,
            }
            if about["parent"] == about["id"]:
                about["parent"] = enclosing_experiment()
            whole = {**about, **content}
            return self.store.keep(whole, summary_of(whole), str(whole.get("key", "")))
        except WorkbenchError as problem:
            if block is not None:
                block.problem = problem
            elif str(problem) not in self._said:
                self._said.add(str(problem))
                notice(f"not recorded: {problem}")
            return ""

    @contextmanager
    def block(self, name: str, kind: str = "block", more: Mapping[str, Any] = {}) -> Iterator[str]:
        """What is measured inside belongs together. Gives the id; an error inside is recorded and
        goes on; one of recording is raised at the end."""
        block = _Block(new_id(), name)
        token = _block.set(block)
        started = time.perf_counter()
        said = ""
        try:
            yield block.id
        except BaseException:
            said = traceback.format_exc(limit=20)
            raise
        finally:
            _block.reset(token)
            document = {
                "kind": kind,
                "seconds": time.perf_counter() - started,
                "metrics": self._last_metrics(block.id),
                "error": said,
                **more,
            }
            self.keep(lambda: document, name, named=block.id)
        if block.problem is not None:
            raise block.problem

    def _last_metrics(self, parent: str) -> dict[str, Any]:
        """Those of the last measurement inside of a block."""
        made = self.store.children(parent)
        return dict(self.store.document(made[-1]).get("metrics", {})) if made else {}


def asked_answers(
    questions: Iterable[JudgedQuestion], words: Sequence[int], profile: Profile, baselines: bool
) -> dict[str, Any]:
    """What `evaluate_answers` was asked, in plain values."""
    told = [asdict(question) for question in questions]
    return {
        "questions": told,
        "words": list(words),
        "profile": profile.to_dict(),
        "baselines": baselines,
    }


def evaluation_document(store: ExperimentStore, done: Evaluation, kind: str) -> dict[str, Any]:
    """The record of an evaluation, its tables kept already."""
    report, collection = done.report, done.collection
    shared = done.retrieval.tables
    if not shared:
        shared |= {
            "queries": store.keep_table(queries_table(done)),
            "judgments": store.keep_table(judgments_table(collection)),
            "content": content_table(store, done.subject),
        }
    tables = {
        "queries": shared["queries"],
        "judgments": shared["judgments"],
        "rankings": store.keep_table(rankings_table(done)),
        "values": store.keep_table(
            {"query_id": list(report.per_query.index)}
            | {name: report.per_query[name].to_numpy() for name in report.per_query.columns}
        ),
    }
    return {
        "kind": kind,
        "key": evaluation_key(done.subject, collection, done.profile, done.k, report.metrics),
        "seconds": done.seconds,
        "label": report.label,
        "profile": done.profile.to_dict(),
        "k": done.k,
        "settings": dict(report.settings),
        "metrics": {name: value.to_dict() for name, value in report.metrics.items()},
        "queries": report.queries,
        "judged_at_10": report.judged_at_10,
        "said": list(report.notes),
        "settled": collection.settled,
        "corpus": corpus_facts(done.subject, shared["content"]),
        "stages": stage_digests(done),
        "candidates": {"key": done.retrieval.key, "reused": done.retrieval.reused},
        "tables": tables,
        "models": models(done.subject, done.profile),
        "timings_ms": {name: round(ms, 3) for name, ms in done.retrieval.timings_ms.items()},
    }


def evaluation_key(
    subject: Subject, collection: Collection, profile: Profile, k: int, metrics: Iterable[str]
) -> str:
    """Equal for measurements of equal things; "" where the engine cannot tell its content."""
    if not subject.digests:
        return ""
    made_of = sorted(subject.world.items()), profile.fingerprint, k, [*metrics]
    told = f"({', '.join((*map(repr, made_of), *collection.told))})"
    return sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def content_table(store: ExperimentStore, subject: Subject) -> str:
    """Keep the digests of its papers, and return the name of the table; "" where there are none."""
    content = subject.content
    return "" if content is None else store.keep_table(asdict(content))


def corpus_facts(subject: Subject, content: str) -> dict[str, Any]:
    """What was searched, in plain values; `content` as of `content_table`."""
    manifest = subject.engine.manifest
    return {
        "opened": str(subject.opened.absolute()),
        "engine": subject.engine.fingerprint,
        "fingerprint": manifest.fingerprint,
        "papers": manifest.papers,
        "passages": manifest.passages,
        "world": subject.world,
        "content": content,
    }


def models(subject: Subject, profile: Profile | None) -> dict[str, Any]:
    """The models that took part, with the sha256 of their files where they have some."""
    embedder = subject.embedder
    found: dict[str, Any] = {"name": embedder.name, "fingerprint": embedder.fingerprint}
    if isinstance(embedder, LazyEmbedder):
        found["weights_sha256"] = embedder.folder.sha256
        tokenizer = embedder.folder.path / "tokenizer.json"
        if tokenizer.is_file():
            found["tokenizer_sha256"] = digest_of(tokenizer)
    if profile is not None and profile.reranker:
        found["reranker"] = subject.retriever.reranker_fingerprint(profile)
    return found


def summary_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """What tables show."""
    names = ("id", "kind", "parent", "started", "seconds")
    return {
        **{name: document[name] for name in names},
        "name": document["name"] or document.get("label", ""),
        "metrics": {name: value["mean"] for name, value in document.get("metrics", {}).items()},
        "queries": document.get("queries", 0),
        "error": document.get("error", "").strip().rpartition("\n")[2],
    }


def queries_table(done: Evaluation) -> dict[str, Any]:
    """Every query asked, with its vector where it was searched; float32 (queries, dimension)."""
    ready = {query.id: query for query in done.retrieval.queries}
    asked = done.collection.queries
    width = done.subject.embedder.dimension
    vectors = np.zeros((len(asked), width), dtype=np.float32)
    for row, query in enumerate(asked):
        found = ready.get(query.id)
        if found is not None and found.vector is not None:
            vectors[row] = found.vector
    return {
        "query_id": [query.id for query in asked],
        "text": [query.text for query in asked],
        "searched": np.array([query.id in ready for query in asked], dtype=bool),
        "vector": vectors,
    }


def judgments_table(collection: Collection) -> dict[str, Any]:
    """All judgments as they were given."""
    return {
        "query_id": [judgment.query_id for judgment in collection.judgments],
        "paper_id": [judgment.paper_id for judgment in collection.judgments],
        "grade": np.array([judgment.grade for judgment in collection.judgments], dtype=np.int32),
    }


def rankings_table(done: Evaluation) -> dict[str, Any]:
    """One row a paper found, best first, scores bit by bit."""
    ranked = done.ranked
    return {
        "query_id": [q for q, (papers, _) in ranked.items() for _ in papers],
        "paper_id": [paper for papers, _ in ranked.values() for paper in papers],
        "score": np.concatenate([scores for _, scores in ranked.values()] or [np.zeros(0)]),
    }
