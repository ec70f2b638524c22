"""Experiment: what was measured, and all that can be done with it afterwards."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from workbench.errors import ExperimentError, shown
from workbench.evaluation.reports.comparison import Comparison
from workbench.evaluation.reports.trec import falling
from workbench.experiments.diff import ExperimentDiff, diff
from workbench.experiments.evaluating import Subject
from workbench.experiments.exporting import export, write_page
from workbench.experiments.kept import KeptExperiment, SubjectNow
from workbench.experiments.listing import ExperimentTable, experiment_table
from workbench.experiments.mlflow_sink import log_to_mlflow
from workbench.experiments.recording import Recorder
from workbench.experiments.reproduction import Reproduction, reproduction
from workbench.experiments.rerunning import Rerun, changes_since, rerun
from workbench.experiments.store import ExperimentStore

if TYPE_CHECKING:
    import pandas as pd


class Experiment(KeptExperiment):
    """A measurement that was recorded: its report, rankings, queries and judgments; why another
    one differs; the same again."""

    def diff(self, other: KeptExperiment | Block) -> ExperimentDiff:
        """Why the other's numbers are others: the first stage whose bytes differ, the causes by
        name, the queries that moved, and the part of each cause in the difference, by swapping one
        input at a time. Raises ExperimentError where the two share no query or metric."""
        return diff(self, _measured(other))

    def compare(self, *others: KeptExperiment | Block, **options: Any) -> Comparison:
        """Query by query with significance, as `Report.compare`."""
        return self.report().compare(*(_measured(other).report() for other in others), **options)

    def reproduced_by(
        self,
        other: KeptExperiment | Block,
        baselines: tuple[KeptExperiment, KeptExperiment] | None = None,
    ) -> Reproduction:
        """How close another experiment comes to this one: KTU, RBO, RMSE; with the `baselines`
        of each, (this one's, the other's), also effect ratio and delta RI. Raises ExperimentError
        where the two share no query or no metric."""
        there = _measured(other)
        both = [q for q in self.per_query.index if q in set(there.per_query.index)]
        names = [name for name in self.metrics if name in there.metrics]
        if not both or not names:
            raise ExperimentError(f"{self.id} and {there.id} share no query or no metric")
        pair = [
            ({q: e.ranked[q][0] for q in both}, e.per_query.loc[both, names]) for e in (self, there)
        ]
        values = tuple(e.per_query.loc[both, names] for e in baselines) if baselines else None
        return reproduction(pair[0], pair[1], values)  # type: ignore[arg-type] # two of them

    def rerun(self) -> Rerun:
        """Measure again on the corpus as it is now, nothing from a cache; identical, or which
        number differs, by how much, from what. Raises ExperimentError without a corpus at hand."""
        return rerun(self, self._at_hand())

    def changes(self) -> list[str]:
        """What of corpus, model and code is not as it was, in sentences; nothing is measured.
        Raises ExperimentError without a corpus at hand."""
        return changes_since(self, self._at_hand())

    def _at_hand(self) -> Subject:
        subject = self.subject()
        if subject is None:
            opened = self.document.get("corpus", {}).get("opened", "")
            raise ExperimentError(
                f"experiment {self.id} was made on {opened or 'no corpus'}, which is not open here;"
                " open the corpus where it is now: wb.open_experiment(THIS, PATH), or `workbench "
                "rerun THIS --corpus PATH`"
            )
        return subject

    def tag(self, *tags: str) -> Self:
        """Add tags."""
        for text in tags:
            self.store.annotate(self.id, "tag", text)
        return self

    def untag(self, *tags: str) -> Self:
        """Take tags away."""
        for text in tags:
            self.store.annotate(self.id, "untag", text)
        return self

    def note(self, text: str) -> Self:
        """Add a note; those before stay."""
        self.store.annotate(self.id, "note", text)
        return self

    def export(self, folder: str | Path) -> Path:
        """Write a folder for a colleague: record, queries, judgments, rankings, vectors, lock file,
        a notebook that reproduces it, an HTML page, RO-Crate and ir_metadata. Raises
        ExperimentError for a folder that holds something, DiskFull."""
        return export(self, folder)

    def write_html(self, path: str | Path) -> Path:
        """Write the page for people without Python: one file, plots included."""
        return write_page(self, path)

    def write_run(self, path: str | Path, tag: str = "workbench") -> None:
        """What was ranked as a TREC run, as `Report.write_run`."""
        self.report().write_run(path, tag)

    def log_to_mlflow(self, experiment_name: str = "paper-search-workbench") -> str:
        """Log means, settings, tags and the page to MLflow, where it is set to; returns the id of
        its run. Raises MissingDependency without mlflow."""
        return log_to_mlflow(self, experiment_name)

    def to_ranx(self) -> dict[str, dict[str, float]]:
        """query -> paper -> score, which `ranx.Run` and pytrec_eval take; equal scores are a
        step of float32 apart, so that they keep their order."""
        return {
            query: dict(zip(papers, map(float, falling(scores)), strict=True))
            for query, (papers, scores) in self.ranked.items()
        }

    def to_pyterrier(self) -> pd.DataFrame:
        """PyTerrier's frame of results: qid, query, docno, score, rank from 0; scores as in
        `to_ranx`."""
        import pandas as pd

        texts = {query.id: query.text for query in self.queries}
        rows = [
            (query, texts[query], paper, score, rank)
            for query, (papers, scores) in self.ranked.items()
            for rank, (paper, score) in enumerate(
                zip(papers, map(float, falling(scores)), strict=True)
            )
        ]
        return pd.DataFrame(rows, columns=["qid", "query", "docno", "score", "rank"])


class Block(AbstractContextManager["Block"]):
    """What `with bench.experiment(...) as run` gives: everything measured inside belongs to it.

    After the block, `run.last` is the last measurement inside, which also stands for the block in
    `diff` and `compare`.
    """

    def __init__(
        self, recorder: Recorder, subject: SubjectNow, name: str, tags: Iterable[str], note: str
    ) -> None:
        if not isinstance(name, str) or not name.strip():
            raise ExperimentError(f"the experiment's name is {shown(name)}; say what it is about")
        self._recorder, self._subject, self._name = recorder, subject, name.strip()
        self._tags, self._note = tuple([tags] if isinstance(tags, str) else tags), note
        self._stack = ExitStack()
        self.id = ""

    def __enter__(self) -> Self:
        self.id = self._stack.enter_context(self._recorder.block(self._name))
        return self

    def __exit__(self, *raised: Any) -> None:
        self._stack.__exit__(*raised)
        for text in self._tags:
            self._recorder.store.annotate(self.id, "tag", text)
        if self._note:
            self._recorder.store.annotate(self.id, "note", self._note)

    def __repr__(self) -> str:
        return f"Block({self._name!r}, {self.id or 'not begun'})"

    @property
    def measurements(self) -> list[Experiment]:
        """Everything that was measured inside, in order."""
        store = self._recorder.store
        return [open_experiment(store, name, self._subject) for name in store.children(self.id)]

    @property
    def last(self) -> Experiment:
        """The last measurement inside. Raises ExperimentError where there is none."""
        found = self.measurements
        if not found:
            raise ExperimentError(f"nothing was measured in {self._name!r}, or not recorded")
        return found[-1]

    def diff(self, other: KeptExperiment | Block) -> ExperimentDiff:
        """`Experiment.diff` of the last measurement."""
        return self.last.diff(other)

    def compare(self, *others: KeptExperiment | Block) -> Comparison:
        """`Experiment.compare` of the last measurement."""
        return self.last.compare(*others)


def open_experiment(
    store: ExperimentStore, name: str, subject: SubjectNow = lambda: None
) -> Experiment:
    """An experiment by its id, what the id begins with, or "latest". Raises what
    `ExperimentStore.document` raises."""
    if name == "latest":
        name = next((row.id for row in reversed(store.summaries()) if row.kind != "block"), name)
    return Experiment(store, store.document(name), subject)


def list_experiments(
    store: ExperimentStore, metric: str = "", subject: SubjectNow = lambda: None
) -> ExperimentTable:
    """What `bench.experiments` returns."""
    rows = store.summaries()
    return experiment_table(rows, metric, lambda name: open_experiment(store, name, subject))


def _measured(other: Any) -> KeptExperiment:
    if isinstance(other, Block):
        return other.last
    if isinstance(other, KeptExperiment):
        return other
    raise ExperimentError(
        f"{shown(other)} is no experiment; take one from bench.experiments(), or the `run` of "
        "`with bench.experiment(...) as run`"
    )
