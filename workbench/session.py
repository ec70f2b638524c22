"""Workbench: what `wb.open` returns. Holds corpus, engine, model, profile; no logic of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from workbench.corpus.analysis import Analyser
from workbench.corpus.collection import read_qrels, read_queries
from workbench.corpus.ingest import IngestReport
from workbench.corpus.manifest import Manifest
from workbench.engines.embedded import EmbeddedEngine
from workbench.engines.filters import Texts, Years, make_filters
from workbench.engines.indexing import Indexer
from workbench.errors import CorpusMismatch, EvaluationError
from workbench.evaluation.curve import CurveItem, WeightCurve, weight_curve
from workbench.evaluation.metrics import DEFAULT_METRICS, deepest_cutoff, grades_by_query
from workbench.evaluation.report import Report, make_report
from workbench.models.embedder import Embedder, OnnxEmbedder
from workbench.profiles import Profile
from workbench.ranking.fusion import normalise
from workbench.ranking.ranking import Ranking, complete_weights, ranked_ids
from workbench.ranking.retriever import Retriever
from workbench.records import Candidates, Judgment, Query

Queries = str | Path | Iterable[Query]
Judgments = str | Path | Iterable[Judgment]


class Workbench:
    """One corpus, opened. Reads are safe from several threads; use `with` or `close()`."""

    def __init__(
        self, folder: Path, *, profile: Profile | None = None, embedder: Embedder | None = None
    ) -> None:
        self.folder = folder
        self.profile = profile or Profile()
        self._analyser = Analyser()
        self.engine = EmbeddedEngine(folder)
        manifest = self.engine.manifest
        self._embedder = embedder or OnnxEmbedder(manifest.model)
        self._check_model(manifest)
        self._retriever = Retriever(self.engine, self._embedder, self._analyser)

    @property
    def manifest(self) -> Manifest:
        """What the open generation was made from."""
        return self.engine.manifest

    def search(
        self,
        query: str,
        k: int = 10,
        *,
        weights: Mapping[str, float] | None = None,
        profile: Profile | None = None,
        year: Years = None,
        venue: Texts = None,
        author: Texts = None,
        field: Texts = None,
        ids: Texts = None,
    ) -> Ranking:
        """The best `k` papers for a query.

        `weights` by signal; those left out share what is missing to 1, so {"dense": 0.7} means
        bm25 0.3 under the default profile. Filters are described at `Filters`; `year` is one year
        or an inclusive (first, last), either None for open.

        Raises QueryError (empty, over 100,000 characters, or nothing searchable under these
        weights), WeightError, FilterError, ProfileError. A query of stop words only, or in a
        script that the papers do not use, is answered by the dense signal and says so in `notes`.
        """
        profile = self._profile(profile, weights)
        filters = make_filters(year=year, venue=venue, author=author, field=field, ids=ids)
        retrieved = self._retriever.retrieve(query, profile.n_candidates, filters)
        return Ranking(retrieved, profile, self.engine, k)

    def evaluate(
        self,
        queries: Queries,
        judgments: Judgments,
        metrics: str | Iterable[str] = DEFAULT_METRICS,
        *,
        k: int = 1000,
        weights: Mapping[str, float] | None = None,
        profile: Profile | None = None,
        progress: bool = True,
    ) -> Report:
        """How good the search is on judged queries: metrics with intervals, values a query.

        `queries` and `judgments` are records or files (`read_queries`, `read_qrels`); metrics go
        by ir_measures' names and see the best `k` papers. `weights` and `profile` as in `search`.
        Compare two reports with `report.compare(other)`.

        Raises EvaluationError, what reading the files raises, and what `search` raises.
        """
        profile = self._profile(profile, weights)
        if (depth := deepest_cutoff(metrics)) > k:
            raise EvaluationError(f"k is {k}, but a metric looks at {depth} papers; give a k of it")
        asked, judged = _queries(queries), _judgments(judgments)
        known = grades_by_query(judged)
        run = {
            query.id: ranked_ids(candidates, profile, k)
            for query, candidates in self._candidates(asked, known, profile, progress)
        }
        return make_report(run, asked, judged, metrics, label=profile.name)

    def tune(
        self,
        queries: Queries,
        judgments: Judgments,
        metric: str = "nDCG@10",
        *,
        signals: tuple[str, str] = ("bm25", "dense"),
        profile: Profile | None = None,
        progress: bool = True,
    ) -> WeightCurve:
        """A metric at every weight between two signals, exactly; `curve.best` is the optimum.

        Queries without any judgment are left out, as in `evaluate`. The value at the optimum is
        of the queries it was tuned on: check it on others with `evaluate`.
        Raises EvaluationError, WeightError (unknown signal), and what `evaluate` raises.
        """
        profile = profile or self.profile
        asked, grades = _queries(queries), grades_by_query(_judgments(judgments))
        items = [
            CurveItem(candidates, normalise(candidates, profile.normaliser), grades[query.id])
            for query, candidates in self._candidates(asked, grades, profile, progress)
        ]
        return weight_curve(items, signals, metric)

    def add(self, source: Any, *, strict: bool = False, progress: bool = True) -> IngestReport:
        """Add or replace papers from a file, folder or DataFrame; this session sees them at once.

        Nothing already stored is read, analysed or embedded again.
        """
        report = self._indexer(progress).add(source, strict=strict)
        self._reopen()
        return report

    def delete(self, ids: str | Iterable[str]) -> int:
        """Remove papers by id; returns how many there were."""
        count = self._indexer(False).delete([ids] if isinstance(ids, str) else list(ids))
        self._reopen()
        return count

    def info(self) -> dict[str, Any]:
        """What this corpus holds and from what it was made."""
        manifest = self.manifest
        size = sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
        return {
            "folder": str(self.folder),
            "papers": manifest.papers,
            "passages": manifest.passages,
            "terms": manifest.terms,
            "bytes": size,
            "model": manifest.model,
            "dimension": manifest.dimension,
            "analyser": manifest.analyser,
            "chunking": manifest.chunking,
            "bm25": {"k1": manifest.k1, "b": manifest.b},
            "generation": manifest.generation,
            "fingerprint": manifest.fingerprint,
            "versions": manifest.versions,
        }

    def close(self) -> None:
        """Let go of the files."""
        self.engine.close()

    def __enter__(self) -> Workbench:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Workbench({str(self.folder)!r}, {self.manifest.papers:,} papers)"

    def _candidates(
        self, queries: list[Query], judged: Collection[str], profile: Profile, progress: bool
    ) -> Iterator[tuple[Query, Candidates]]:
        """The candidates of each judged query, with a bar past two seconds."""
        from tqdm.auto import tqdm

        chosen = [query for query in queries if query.id in judged]
        for query in tqdm(chosen, desc="Queries", unit="", delay=2, disable=not progress):
            yield query, self._retriever.retrieve(query.text, profile.n_candidates).candidates

    def _profile(self, profile: Profile | None, weights: Mapping[str, float] | None) -> Profile:
        """The profile asked for, or the session's, with the weights asked for."""
        profile = profile or self.profile
        if weights is None:
            return profile
        full = complete_weights(weights, profile.weights, self.engine.signals)
        return profile.replace(weights=full)

    def _indexer(self, progress: bool) -> Indexer:
        return Indexer(self.folder, self._embedder, progress=progress)

    def _reopen(self) -> None:
        self.engine.close()
        self.engine = EmbeddedEngine(self.folder)
        self._retriever = Retriever(self.engine, self._embedder, self._analyser)

    def _check_model(self, manifest: Manifest) -> None:
        for name in ("dimension", "fingerprint"):
            own = getattr(self._embedder, name)
            key = "model_fingerprint" if name == "fingerprint" else name
            made = getattr(manifest, key)
            if own != made:
                raise CorpusMismatch(
                    f"{self.folder}: made with model {manifest.model!r} ({name} {made}), but "
                    f"{self._embedder.name!r} has {name} {own}; use the model it was made with, "
                    "or index the source into a new folder"
                )


def _queries(queries: Queries) -> list[Query]:
    return read_queries(queries) if isinstance(queries, str | Path) else list(queries)


def _judgments(judgments: Judgments) -> list[Judgment]:
    return read_qrels(judgments) if isinstance(judgments, str | Path) else list(judgments)
