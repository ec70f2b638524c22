"""Workbench: what `wb.open` returns. Holds corpus, engine, model, profile; no logic of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, overload

from workbench.corpus.analysis import Analyser
from workbench.corpus.collection import read_queries
from workbench.corpus.ingest import IngestReport
from workbench.corpus.manifest import Manifest
from workbench.engines.filters import Texts, Years, make_filters
from workbench.engines.keeper import FolderKeeper, Keeper
from workbench.errors import CorpusMismatch, EvaluationError
from workbench.evaluation.curve import CurveItem, WeightCurve
from workbench.evaluation.judge_next import judge_next
from workbench.evaluation.judgments import read_judgments, settled
from workbench.evaluation.lists import ListComparison, compare_lists
from workbench.evaluation.metrics import DEFAULT_METRICS, deepest_cutoff, grades_by_query
from workbench.evaluation.overlap import Ranked
from workbench.evaluation.report import Report, make_report
from workbench.evaluation.search import WeightSearch
from workbench.evaluation.suggestions import Suggestions
from workbench.evaluation.tuning import tune
from workbench.models.embedder import Embedder, OnnxEmbedder
from workbench.profiles import Profile, as_profile
from workbench.ranking.editing import QueryEdits
from workbench.ranking.fusion import normalise, weight_vector
from workbench.ranking.late_interaction import TokenCacheReport
from workbench.ranking.ranking import Ranking, complete_weights, ranked_ids
from workbench.ranking.retriever import Retriever, with_stages
from workbench.records import Candidates, Judgment, Query

Queries = str | Path | Iterable[Query]
Judgments = str | Path | Iterable[Judgment]


class Workbench:
    """One corpus, opened. Reads are safe from several threads; use `with` or `close()`."""

    def __init__(
        self,
        folder: Path,
        *,
        profile: Profile | str | None = None,
        embedder: Embedder | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        self.folder = folder
        self.profile = as_profile(profile)
        self._analyser = Analyser()
        self._keeper: Keeper = keeper or FolderKeeper(folder)
        self.engine = self._keeper.open()
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
        profile: Profile | str | None = None,
        year: Years = None,
        venue: Texts = None,
        author: Texts = None,
        field: Texts = None,
        ids: Texts = None,
        edits: QueryEdits | None = None,
    ) -> Ranking:
        """The best `k` papers for a query.

        `weights` by signal; those left out share what is missing to 1 in the profile's proportions,
        so {"dense": 0.7} leaves 0.3 to the others. Filters are described at `Filters`; `year` is
        one year or an inclusive (first, last), either None for open. `edits` mute, boost, require
        or add terms.

        Raises QueryError (empty, over 100,000 characters, or nothing searchable under these
        weights), WeightError, FilterError, ProfileError. A query of stop words only, or in a
        script that the papers do not use, is answered by the dense signal and says so in `notes`.
        """
        profile = self._profile(profile, weights)
        filters = make_filters(year=year, venue=venue, author=author, field=field, ids=ids)
        retrieved = self._retriever.retrieve(query, profile, filters, edits=edits)
        return Ranking(retrieved, profile, self.engine, k)

    def evaluate(
        self,
        queries: Queries,
        judgments: Judgments,
        metrics: str | Iterable[str] = DEFAULT_METRICS,
        *,
        k: int = 1000,
        weights: Mapping[str, float] | None = None,
        profile: Profile | str | None = None,
        progress: bool = True,
    ) -> Report:
        """How good the search is on judged queries: metrics with intervals, values a query.

        `queries` and `judgments` are records or files (`read_queries`, `read_qrels`, a file of
        `Judgments`); metrics go by ir_measures' names and see the best `k` papers. `weights` and
        `profile` as in `search`. Compare two reports with `report.compare(other)`.

        Raises EvaluationError, what reading the files raises, and what `search` raises.
        """
        profile = self._profile(profile, weights)
        if (depth := deepest_cutoff(metrics)) > k:
            raise EvaluationError(f"k is {k}, but a metric looks at {depth} papers; give a k of it")
        asked, judged = _queries(queries), read_judgments(judgments)
        known = grades_by_query(judged)
        run = {
            query.id: ranked_ids(candidates, profile, k)
            for query, candidates in self._candidates(asked, known, profile, progress)
        }
        count = settled(judgments)
        return make_report(run, asked, judged, metrics, label=profile.name, settled=count)

    @overload
    def tune(
        self,
        queries: Queries,
        judgments: Judgments,
        metric: str = "nDCG@10",
        *,
        signals: tuple[str, str] = ("bm25", "dense"),
        profile: Profile | str | None = None,
        progress: bool = True,
    ) -> WeightCurve: ...
    @overload
    def tune(
        self,
        queries: Queries,
        judgments: Judgments,
        metric: str = "nDCG@10",
        *,
        signals: Sequence[str],
        profile: Profile | str | None = None,
        progress: bool = True,
    ) -> WeightCurve | WeightSearch: ...
    def tune(
        self,
        queries: Queries,
        judgments: Judgments,
        metric: str = "nDCG@10",
        *,
        signals: Sequence[str] = ("bm25", "dense"),
        profile: Profile | str | None = None,
        progress: bool = True,
    ) -> WeightCurve | WeightSearch:
        """A metric at every weight between two signals, exactly: `best` is the optimum, `profile`
        the session's with it. With more signals, a search by exact lines: a `WeightSearch`.

        Signals of a stage that the profile leaves out, like `bm25_feedback`, are computed too.
        Queries without any judgment are left out, as in `evaluate`, and listed in `left_out`. The
        best value is of the queries it was tuned on: `cross_validate()` says how much too high.
        Raises EvaluationError, WeightError (unknown signal), and what `evaluate` raises.
        """
        profile = with_stages(self._profile(profile, None), signals)
        weight_vector(dict.fromkeys(signals, 1.0), self._retriever.signals(profile))
        asked, grades = _queries(queries), grades_by_query(read_judgments(judgments))
        found = self._candidates(asked, grades, profile, progress)
        rare = self.engine.document_frequencies
        return tune(found, asked, grades, signals, metric, profile, rare)

    def panel(self, queries: Any = None, judgments: Any = None, **options: Any) -> Any:
        """The workbench in a notebook: search, two settings side by side and, with judged queries,
        the metric at every weight. `options` as in `widgets.panel`. Raises MissingDependency."""
        return _widget("panel", "panel")(self, queries, judgments, **options)

    def search_panel(self, query: str = "", **options: Any) -> Any:
        """Search, query tuning and weights in a notebook; `k` and `profile` as in `search`."""
        return _widget("search_panel", "SearchPanel")(self, query, **options)

    def weight_tuner(self, queries: Queries, judgments: Judgments, **options: Any) -> Any:
        """The sliders beside the exact curve of a metric; options as `metric`, `signals` in `tune`.

        Raises what `tune` raises.
        """
        return _widget("weight_tuner", "weight_tuner")(self, queries, judgments, **options)

    def compare_panel(self, query: str = "", **options: Any) -> Any:
        """Two settings, or two engines, side by side in a notebook; `other` is a Workbench."""
        return _widget("compare", "ComparePanel")(self, query, **options)

    def memory_plot(self, pool: Any = None, *, recording: str | Path | None = None) -> Any:
        """Memory by model over time, live, with buttons to release; or a recording, played. `pool`
        is a ModelPool, by default the one of this session's models."""
        pool = pool or getattr(self._embedder, "pool", None)
        return _widget("memory_plot", "memory_plot")(pool, recording=recording)

    def judge(self, queries: Queries, judgments: Any, **options: Any) -> Any:
        """Grade papers for queries with the keys 0 to 3 into a file of judgments. `options` as in
        `widgets.judging.judge`. Raises EvaluationError, MissingDependency."""
        return _widget("judging", "judge")(self, queries, judgments, **options)

    def profile_picker(self, **options: Any) -> Any:
        """The profiles, what each changes and costs; picks one or saves one. `options` as in
        `widgets.profile_picker`. Raises MissingDependency."""
        return _widget("profile_picker", "profile_picker")(self, **options)

    def judge_next(
        self,
        queries: Queries,
        judgments: Judgments,
        n: int = 20,
        *,
        metric: str = "nDCG@10",
        signals: Sequence[str] = ("bm25", "dense"),
        profile: Profile | None = None,
        progress: bool = True,
        **options: Any,
    ) -> Suggestions:
        """The unjudged pairs whose judgment could most change which weights win, with the reason.

        Queries that nobody judged yet count too. `options` as in `evaluation.judge_next`:
        contenders, depth, grades. Raises what that and `evaluate` raise.
        """
        profile = with_stages(self._profile(profile, None), signals)
        asked, grades = _queries(queries), grades_by_query(read_judgments(judgments))
        every = {query.id for query in asked}
        items = {
            query.id: CurveItem(
                found, normalise(found, profile.normaliser), grades.get(query.id, {})
            )
            for query, found in self._candidates(asked, every, profile, progress)
        }
        return judge_next(items, n, metric, signals, papers=self.engine.papers, **options)

    def compare(self, first: Ranked, second: Ranked, *, p: float = 0.9) -> ListComparison:
        """Two rankings (or lists of paper ids) side by side: overlap, order, and what moved.

        `p` is the persistence of RBO. Raises EvaluationError for two empty lists or a paper twice.
        """
        return compare_lists(first, second, p=p)

    def add(self, source: Any, *, strict: bool = False, progress: bool = True) -> IngestReport:
        """Add or replace papers from a file, folder or DataFrame; this session sees them at once.

        Nothing already stored is read, analysed or embedded again.
        """
        report = self._keeper.add(source, self._embedder, strict=strict, progress=progress)
        self._reopen()
        return report

    def cache_token_vectors(self, *, progress: bool = True) -> TokenCacheReport:
        """Encode and keep every passage's token vectors (int8, some 60 kB each), so that
        `reranker="late-interaction"` is fast from the first query. Run it again to continue."""
        return self._retriever.cache_token_vectors(self.profile, progress=progress)

    def delete(self, ids: str | Iterable[str]) -> int:
        """Remove papers by id; returns how many there were."""
        names = [ids] if isinstance(ids, str) else list(ids)
        count = self._keeper.delete(names, self._embedder)
        self._reopen()
        return count

    def info(self) -> dict[str, Any]:
        """What this corpus holds and from what it was made."""
        manifest = self.manifest
        return {
            "folder": str(self.folder),
            "papers": manifest.papers,
            "passages": manifest.passages,
            "terms": manifest.terms,
            **self._keeper.facts(),
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
        return f"Workbench({self._keeper.name!r}, {self.manifest.papers:,} papers)"

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
        for query, retrieved in zip(bar, found, strict=True):
            yield query, retrieved.candidates

    def _profile(
        self, profile: Profile | str | None, weights: Mapping[str, float] | None
    ) -> Profile:
        """The profile asked for, or the session's, with the weights asked for."""
        profile = self.profile if profile is None else as_profile(profile)
        signals = self._retriever.signals(profile)
        if weights is not None:
            full = complete_weights(weights, profile.weights, signals)
            profile = profile.replace(weights=full)
        weight_vector(profile.weights, signals)
        return profile

    def _reopen(self) -> None:
        self.engine.close()
        self.engine = self._keeper.open()
        self._retriever = Retriever(self.engine, self._embedder, self._analyser)

    def _check_model(self, manifest: Manifest) -> None:
        for name in ("fingerprint", "dimension"):
            own = getattr(self._embedder, name)
            key = "model_fingerprint" if name == "fingerprint" else name
            made = getattr(manifest, key)
            if made and own != made:  # an attached index does not say with which model it was made
                raise CorpusMismatch(
                    f"{self._keeper.name}: made with model {manifest.model!r} ({name} {made}), but "
                    f"{self._embedder.name!r} has {name} {own}; use the model it was made with, "
                    "or index the source into a new folder"
                )


def _widget(module: str, name: str) -> Any:
    """The one door up to the widgets: opened when called, so that a search needs no ipywidgets."""
    return getattr(import_module(f"workbench.widgets.{module}"), name)


def _queries(queries: Queries) -> list[Query]:
    return read_queries(queries) if isinstance(queries, str | Path) else list(queries)
