"""Workbench: what `wb.open` returns. It wires the rooms together and has no logic of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from workbench.corpus.identifiers import identifiers
from workbench.corpus.ingest import IngestReport
from workbench.engines.keeper import Keeper, Regrouping
from workbench.engines.provenance import (
    check_followed,
    library,
    locate,
    record_keeper,
    records_of,
)
from workbench.errors import RecordError
from workbench.evaluation.collection import (
    query_candidates,
    unknown_papers,
)
from workbench.evaluation.inputs import (
    JudgmentInput,
    QueryInput,
    as_judgments,
    as_queries,
)
from workbench.evaluation.judge_next.choose import judge_next, judged_items
from workbench.evaluation.judge_next.suggestions import Suggestions
from workbench.evaluation.likeness.list_comparison import ListComparison, compare_lists
from workbench.evaluation.likeness.overlap import RankedList
from workbench.evaluation.metric_names import metric_names
from workbench.evaluation.reports.metrics import DEFAULT_METRICS, grades_by_query
from workbench.evaluation.reports.report import Report
from workbench.evaluation.tuning.curve import WeightCurve
from workbench.evaluation.tuning.exact.rank_metrics import parse_metric
from workbench.evaluation.tuning.weight_search import WeightSearch
from workbench.experiments.evaluating import Collection, Subject, check_depth
from workbench.experiments.experiment import Block, list_experiments
from workbench.experiments.listing import ExperimentTable
from workbench.experiments.recording import Recorder, asked_answers
from workbench.experiments.store import FOLDER as EXPERIMENTS
from workbench.models.embedders.base import Embedder
from workbench.profiles import Profile
from workbench.qa.answer import Answer
from workbench.qa.asking import Stages
from workbench.qa.evaluation.baselines import Choose
from workbench.qa.evaluation.evaluate import LENGTHS, as_lengths, evaluate_answers
from workbench.qa.evaluation.questions import Questions, read_questions
from workbench.qa.evaluation.report import AnswerReport
from workbench.qa.reviewing import review
from workbench.qa.writers.base import Writer
from workbench.qa.writers.make import make_writer
from workbench.ranking.exporting import export_from
from workbench.ranking.fusion import weight_vector
from workbench.ranking.late_interaction import TokenCacheReport
from workbench.ranking.retriever import with_stages
from workbench.ranking.weights import (
    Weights,
    check_k,
    signal_names,
    weights_of_several,
)
from workbench.records import Hit
from workbench.searching import Searching
from workbench.system.progress import Progress

if TYPE_CHECKING:
    from workbench.corpus.formats.pdf_text import Box
    from workbench.corpus.identity.duplicates import Duplicates


class Workbench(Searching):
    """One corpus, opened. Reads are safe from several threads; use `with` or `close()`."""

    def __init__(
        self,
        folder: Path,
        *,
        profile: Profile | str | None = None,
        embedder: Embedder | None = None,
        keeper: Keeper | None = None,
        experiments: Path | None = None,
        progress: bool = False,
    ) -> None:
        super().__init__(
            folder, profile=profile, embedder=embedder, keeper=keeper, progress=progress
        )
        self._measured: Subject | None = None
        self.recorder = Recorder(experiments or folder / EXPERIMENTS)

    # Changing

    def add(
        self,
        source: Any,
        *,
        strict: bool = False,
        columns: Mapping[str, str] | None = None,
        progress: Progress = True,
        reopen: bool = True,
    ) -> IngestReport:
        """Add or replace papers from anything `wb.index` takes; this session sees them at once, or
        without `reopen` once `reopen()` is called (to add from a thread while another searches).

        Nothing already stored is read, analysed or embedded again. `progress` may be a function
        that is called with (what is done, how many, of how many). Raises what `wb.index` raises.
        """
        report = self._keeper.add(
            source, self._embedder, strict=strict, columns=columns, progress=progress
        )
        if reopen:
            self.reopen()
        return report

    def delete(self, ids: str | int | Iterable[str | int]) -> int:
        """Remove papers by id; returns how many there were. Raises RecordError for no id."""
        count = self._keeper.delete(identifiers("ids", ids, RecordError), self._embedder)
        self.reopen()
        return count

    def cache_token_vectors(self, *, progress: bool = True) -> TokenCacheReport:
        """Encode and keep every passage's token vectors (int8, some 60 kB each), so that
        `reranker="late-interaction"` is fast from the first query. Run it again to continue."""
        return self._retriever.cache_token_vectors(self.profile, progress=progress)

    # Where papers came from

    def sync(
        self,
        source: str | Path | None = None,
        *,
        columns: Mapping[str, str] | None = None,
        prune: bool = False,
        progress: bool = True,
    ) -> IngestReport:
        """Read again the files, folders and Zotero libraries that papers came from: what is new is
        added, what changed is changed, what is gone is removed. `source` is one more to follow.

        Files that did not change are not read. A record that turned bad keeps its old version. A
        file that lost more than a fifth of its records keeps them, unless `prune`. Raises
        CorpusNotFound where nothing is followed, CorpusError where papers are kept without their
        records, and what `add` raises.
        """
        keeper = record_keeper(self._keeper)
        if source is not None:
            self.add(source, columns=columns, progress=progress)
        check_followed(self.folder)
        report = keeper.refresh(self._embedder, prune=prune, progress=progress)
        self.reopen()
        return report

    def duplicates(self) -> Duplicates:
        """Papers that several records make: which, why, what was taken from which; and those that
        are retracted or withdrawn. `separate` and `join` of the result change the corpus."""
        from workbench.corpus.identity.duplicates import Duplicates, find_groups

        def regroup(change: Regrouping) -> None:
            record_keeper(self._keeper).regroup(change, self._embedder)
            self.reopen()

        with library(self.folder) as records:
            return Duplicates(list(find_groups(records)), dict(records.flagged()), regroup)

    def records(self, paper_id: str) -> list[tuple[str, Mapping[str, Any]]]:
        """[(file and line, the record as the file has it)] of a paper; none is known of papers
        that came by other means."""
        return records_of(self.folder, paper_id)

    def locate(
        self, paper: Hit | str, start: int | None = None, end: int | None = None
    ) -> list[tuple[str, int, Box]]:
        """Where characters of a paper from a PDF stand: [(file, page from 1, box)], the box as
        (left, bottom, right, top) in points from the page's lower left corner. A hit means its
        passage; else `start` and `end` count in the paper's text. Empty where there is no PDF."""
        return locate(self.engine, self.folder, paper, start, end)

    def export(self, what: Any, path: str | Path) -> int:
        """Write papers to a file that other tools read; its ending says how: .bib, .ris, .csv or
        .json (CSL-JSON). Returns how many. `what` is a Ranking (with rank and score), judgments
        (with query and grade), an answer (the papers that it quotes, with the quotes), papers or
        their ids. Raises UnsupportedSource for another ending, CorpusNotFound for ids that the
        corpus lacks.
        """
        return export_from(self.engine, what, path)

    # Answers

    def review(
        self, answer: Answer, *, accept: Iterable[str] = (), reject: Iterable[str] = (),
        writer: Writer | str | None = None, profile: Profile | str | None = None,
        seconds: float = 120.0,
    ) -> Answer:  # fmt: skip
        """An answer under a person's verdicts on its quotes, by id, in place of earlier ones.
        A rejected quote leaves it, and its sections alone are written anew, by `writer`. Raises
        AnswerError for an id that no quote has, and what `ask` raises."""
        chosen = self.chosen(profile, None)
        by, drafts = make_writer(writer), self._answers.drafts
        return review(answer, accept, reject, self.engine, by, chosen, seconds, drafts)

    def evaluate_answers(
        self,
        questions: Questions,
        words: int | Sequence[int] = LENGTHS,
        *,
        writer: Writer | str | None = None,
        profile: Profile | str | None = None,
        baselines: bool = True,
        progress: bool = True,
    ) -> AnswerReport:
        """How good answers are: what they say of what they should, the papers that they cite, what
        is declined, and the time by stage; beside other ways to choose sentences at equal words,
        and beside chance (each question measured against another one's answer).

        `questions` are records or a JSONL file: `id`, `text`, `papers` (required; none where the
        corpus has no answer) and `statements`. Raises EvaluationError and what `ask` raises.
        """

        def ask(text: str, words: int, choose: Choose | None) -> Answer:
            if choose is None:
                return self.ask(text, words=words, writer=writer, profile=profile)
            return self.ask(text, words=words, profile=profile, stages=Stages(choose=choose))

        judged, lengths = read_questions(questions), as_lengths(words)
        asked = asked_answers(judged, lengths, self.chosen(profile, None), baselines)
        measure = partial(evaluate_answers, ask, self.engine, judged, lengths)
        options = {"baselines": baselines, "progress": progress}
        return self.recorder.answers(self.subject, asked, lambda: measure(**options))

    # Measuring

    def evaluate(
        self,
        queries: QueryInput,
        judgments: JudgmentInput,
        metrics: str | Iterable[str] = DEFAULT_METRICS,
        *,
        k: int = 1000,
        weights: Weights | None = None,
        profile: Profile | str | None = None,
        progress: bool = True,
    ) -> Report:
        """How good the search is on judged queries: metrics with intervals, values a query.

        `queries` and `judgments` are paths, records, dicts or frames (`as_queries` and
        `as_judgments` in `evaluation.inputs` say all); metrics go by ir_measures' names and see the
        best `k` papers. `weights` and `profile` as in `search`. Compare two reports with
        `report.compare(other)`.

        Raises EvaluationError, also where the corpus has none of the judged papers; what reading
        the files raises; and what `search` raises, with the query's id.
        """
        profile = self.chosen(profile, weights)
        names, k = metric_names(metrics), check_k(k)
        check_depth(names, k)
        judged = Collection.of(queries, judgments)
        return self.recorder.evaluate(self.subject, judged, names, profile, k, progress=progress)

    @overload
    def tune(
        self, queries: QueryInput, judgments: JudgmentInput, metric: str = "nDCG@10", *,
        signals: tuple[str, str] = ("bm25", "dense"), profile: Profile | str | None = None,
        progress: bool = True,
    ) -> WeightCurve: ...  # fmt: skip
    @overload
    def tune(
        self, queries: QueryInput, judgments: JudgmentInput, metric: str = "nDCG@10", *,
        signals: str | Sequence[str], profile: Profile | str | None = None, progress: bool = True,
    ) -> WeightCurve | WeightSearch: ...  # fmt: skip
    def tune(
        self,
        queries: QueryInput,
        judgments: JudgmentInput,
        metric: str = "nDCG@10",
        *,
        signals: str | Sequence[str] = ("bm25", "dense"),
        profile: Profile | str | None = None,
        progress: bool = True,
    ) -> WeightCurve | WeightSearch:
        """A metric at every weight between two signals, exactly: `best` is the optimum, `profile`
        the session's with it. With more signals, a search by exact lines: a `WeightSearch`.

        `signals` also as one text, "bm25,dense". Those of a stage that the profile leaves out, like
        `bm25_feedback`, are computed too. `queries`, `judgments` as in `evaluate`. Queries without
        any judgment are left out and listed in `left_out`, with the judged papers that the corpus
        does not have. The best value is of the queries it was tuned on: `cross_validate()` says how
        much too high. Raises EvaluationError, WeightError (unknown signal), and what `evaluate`
        raises.
        """
        signals = signal_names(signals)
        profile = self._with_signals(profile, signals)
        parse_metric(metric)  # before anything is retrieved
        collection = Collection.of(queries, judgments)
        return self.recorder.tune(
            self.subject, collection, metric, signals, profile, progress=progress
        )

    def judge_next(
        self,
        queries: QueryInput,
        judgments: JudgmentInput,
        n: int = 20,
        *,
        metric: str = "nDCG@10",
        signals: str | Sequence[str] = ("bm25", "dense"),
        profile: Profile | str | None = None,
        contenders: Iterable[Weights] | None = None,
        depth: int | None = None,
        grades: Sequence[int] | None = None,
        progress: bool = True,
    ) -> Suggestions:
        """The unjudged pairs whose judgment could most change which weights win, with the reason.

        Queries that nobody judged yet count too. `contenders` are the weights that compete, by
        default a grid over `signals`; papers among the first `depth` under one of them are tried
        with each of `grades`. Raises what `evaluation.judge_next` and `evaluate` raise.
        """
        signals = signal_names(signals)
        rivals = None if contenders is None else weights_of_several(contenders)
        named = list(dict.fromkeys(name for weights in rivals or () for name in weights)) or signals
        profile = self._with_signals(profile, named)
        asked, judged = as_queries(queries), as_judgments(judgments)
        unknown_papers(self.engine, asked, grades_by_query(judged))
        every = {query.id for query in asked}
        found = query_candidates(self._retriever, asked, every, profile, progress)
        items = judged_items(found, judged, profile.normaliser)
        return judge_next(
            items, n, metric, signals, contenders=rivals, depth=depth, grades=grades,
            papers=self.engine.papers,
        )  # fmt: skip

    def compare(self, first: RankedList, second: RankedList, *, p: float = 0.9) -> ListComparison:
        """Two rankings (or lists of paper ids) side by side: overlap, order, and what moved.

        `p` is the persistence of RBO. Raises EvaluationError for two empty lists or a paper twice.
        """
        return compare_lists(first, second, p=p)

    # What was measured

    def experiment(self, name: str, *, tags: Iterable[str] = (), note: str = "") -> Block:
        """`with bench.experiment("dense weight") as run:` what is measured inside is one record's.
        Outside of one it is recorded too, unless WORKBENCH_RECORD is false."""
        return Block(self.recorder, lambda: self.subject, name, tags, note)

    def experiments(self, metric: str = "") -> ExperimentTable:
        """What was recorded here, newest first: `[ID]` of it is an `Experiment`. The best by
        `metric` is marked. Raises ExperimentError."""
        return list_experiments(self.recorder.store, metric, lambda: self.subject)

    # Widgets: they compute nothing and call this session. They raise MissingDependency.

    def panel(self, queries: Any = None, judgments: Any = None, **options: Any) -> Any:
        """The workbench in a notebook: search, two settings side by side and, with judged queries,
        the metric at every weight. `options` as in `widgets.panel`. Raises what `tune` raises."""
        return _widget("panel", "panel")(self, queries, judgments, **options)

    def search_panel(self, query: str = "", **options: Any) -> Any:
        """Search, query tuning and weights in a notebook; `k` and `profile` as in `search`."""
        return _widget("search_panel", "SearchPanel")(self, query, **options)

    def weight_tuner(self, queries: QueryInput, judgments: JudgmentInput, **options: Any) -> Any:
        """The sliders beside a metric's exact curve. Options: `metric`, `k`, `profile`, `query`.
        Raises what `tune` raises."""
        return _widget("weight_tuner", "weight_tuner")(self, queries, judgments, **options)

    def compare_panel(self, query: str = "", **options: Any) -> Any:
        """Two settings or engines side by side in a notebook; `other` is a Workbench."""
        return _widget("compare", "ComparePanel")(self, query, **options)

    def memory_plot(self, pool: Any = None, *, recording: str | Path | None = None) -> Any:
        """Memory by model over time, live, with buttons to release; or a recording, played. `pool`
        is a ModelPool, by default the one of this session's models."""
        pool = self._pool if pool is None else pool
        return _widget("memory_plot", "memory_plot")(pool, recording=recording)

    def judge(self, queries: QueryInput, judgments: Any, **options: Any) -> Any:
        """Grade papers for queries with the keys 0 to 3 into a file of judgments. `options` as in
        `widgets.judging.judge`. Raises EvaluationError."""
        return _widget("judging", "judge")(self, queries, judgments, **options)

    def ask_panel(self, question: str = "", **options: Any) -> Any:
        """Ask in a notebook: stages as they come, quotes in their paragraphs, verdicts on them,
        earlier questions, export. Options: `writer`, `profile`, `words`, as in `ask`."""
        return _widget("ask_panel", "AskPanel")(self, question, **options)

    def import_panel(self) -> Any:
        """Drop files or name paths, see what they are and what would become of them, then add
        them. Nothing is written before. `wb.import_panel(into=...)` makes a new corpus."""
        return _widget("import_panel", "ImportPanel")(self)

    def experiments_panel(self, metric: str = "") -> Any:
        """The experiments in a notebook: filters, two compared, the history of a metric."""
        return _widget("experiments", "experiments_panel")(self, metric)

    def profile_picker(self, **options: Any) -> Any:
        """The profiles, what each changes and costs; picks one or saves one. `options` as in
        `widgets.profile_picker`."""
        return _widget("profile_picker", "profile_picker")(self, **options)

    def serve(self, **options: Any) -> Any:
        """Serve this corpus over HTTP in the background, with this session's profile: a
        `RunningService` with `url` and `stop()`. `options` as in `ServeOptions`. Raises
        ServiceError."""
        served = import_module("workbench.serve.options").served(self, self._keeper, options)
        return import_module("workbench.serve.background").RunningService(served)

    # The session itself

    def _with_signals(self, profile: Profile | str | None, signals: Sequence[str]) -> Profile:
        """The profile with the stages that compute some signals; WeightError where none does."""
        profile = with_stages(self.chosen(profile, None), signals)
        weight_vector(dict.fromkeys(signals, 1.0), self._retriever.signals(profile))
        return profile

    @property
    def subject(self) -> Subject:
        """This session as what is measured; digests are read once a generation."""
        if self._measured is None or self._measured.engine is not self.engine:
            parts = self.engine, self._retriever, self._embedder
            self._measured = Subject(*parts, self.recorder.folder.parent)
        return self._measured


def _widget(module: str, name: str) -> Any:
    """The one door up to the widgets: opened when called, so that a search needs no ipywidgets."""
    return getattr(import_module(f"workbench.widgets.{module}"), name)
