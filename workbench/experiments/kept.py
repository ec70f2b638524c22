"""KeptExperiment: a record as it was written, its tables read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.engines.paper_digests import PARTS, PaperDigests
from workbench.errors import ExperimentError, shown
from workbench.evaluation.reports.report import Interval, Report, make_report
from workbench.experiments.evaluating import Collection, Ranked, Subject
from workbench.experiments.store import ExperimentStore
from workbench.present.view import Shown, View
from workbench.present.words import count, setting
from workbench.profiles import Profile
from workbench.records import Judgment, Query

if TYPE_CHECKING:
    import pandas as pd

SubjectNow = Callable[[], Subject | None]
"""The corpus as it is now; None where it is not at hand."""


class KeptExperiment(Shown):
    """One measurement as it was recorded. `document` holds all but the tables, in plain values."""

    def __init__(
        self,
        store: ExperimentStore,
        document: Mapping[str, Any],
        subject: SubjectNow = lambda: None,
    ) -> None:
        self.store = store
        self.document = document
        self.subject = subject

    id = property(lambda self: str(self.document["id"]), doc="Its name in the store.")
    kind = property(lambda self: str(self.document["kind"]), doc='"evaluate", "tune", ...')
    parent = property(lambda self: str(self.document["parent"]), doc="Id of what it is part of.")
    error = property(lambda self: str(self.document.get("error", "")), doc="Its traceback, or ''.")

    @property
    def name(self) -> str:
        """What the person called it, else profile and weights."""
        return str(self.document["name"] or self.document.get("label", "") or self.kind)

    @property
    def when(self) -> datetime:
        """When it began, UTC."""
        return datetime.fromtimestamp(self.document["started"], UTC)

    @property
    def profile(self) -> Profile:
        """The settings of the search. Raises ExperimentError for what is no search."""
        self._searched()
        return Profile(**self.document["profile"])

    @property
    def k(self) -> int:
        """How many papers a query were ranked at most."""
        self._searched()
        return int(self.document["k"])

    @property
    def metrics(self) -> dict[str, Interval]:
        """Means over the queries, with their intervals."""
        return {name: Interval(**v) for name, v in self.document.get("metrics", {}).items()}

    @property
    def stages(self) -> dict[str, str]:
        """Digests of what each stage gave, in order; empty for what is no search."""
        order = (*PARTS, "queries", "candidates", "ranking", "metric")
        found = self.document.get("stages", {})
        return {name: found[name] for name in order if name in found}

    @property
    def world(self) -> Mapping[str, Any]:
        """What candidates were made of, but for queries and profile, in plain values."""
        found: Mapping[str, Any] = self.document.get("corpus", {}).get("world", {})
        return found

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags, as they are now."""
        return self.store.tags(self.id)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes, oldest first."""
        return self.store.notes(self.id)

    @cached_property
    def content(self) -> PaperDigests | None:
        """Digests of the papers that were searched; None where the engine could not tell."""
        name = self.document.get("corpus", {}).get("content", "")
        if not name:
            return None
        table = self.store.table(name)
        ids = np.array(table["paper_ids"], dtype=np.str_)
        return PaperDigests(ids, *(table[part] for part in PARTS))

    @cached_property
    def queries(self) -> list[Query]:
        """The queries that were asked; with `vector` where they were searched."""
        table = self._table("queries")
        vectors = table["vector"]
        return [
            Query(text, vector=vectors[row] if searched else None, id=name)
            for row, (name, text, searched) in enumerate(
                zip(table["query_id"], table["text"], table["searched"], strict=True)
            )
        ]

    @cached_property
    def judgments(self) -> list[Judgment]:
        """All judgments as they were given."""
        table = self._table("judgments")
        grades = table["grade"].tolist()
        return list(map(Judgment, table["query_id"], table["paper_id"], grades))

    @property
    def collection(self) -> Collection:
        """Queries and judgments."""
        return Collection(self.queries, self.judgments, int(self.document.get("settled", 0)))

    @cached_property
    def ranked(self) -> dict[str, Ranked]:
        """What was ranked: query id -> (paper ids, best first; scores, float64)."""
        table = self._table("rankings")
        found: dict[str, Ranked] = {
            query.id: ([], np.zeros(0)) for query in self.queries if query.vector is not None
        }
        ids = np.array(table["query_id"] or [""], dtype=np.str_)
        starts = np.flatnonzero(np.append(True, ids[1:] != ids[:-1])).tolist()
        for start, stop in zip(starts, [*starts[1:], len(table["query_id"])], strict=True):
            if stop > start:
                papers = table["paper_id"][start:stop]
                found[table["query_id"][start]] = papers, table["score"][start:stop]
        return found

    @cached_property
    def per_query(self) -> pd.DataFrame:
        """The metrics a query, float64 (queries, metrics), as they were recorded."""
        import pandas as pd

        table = self._table("values")
        index = pd.Index(table.pop("query_id"), name="query_id", dtype=object)
        return pd.DataFrame(table, index=index)

    def report(self, metrics: str | None = None) -> Report:
        """The report, made anew of the recorded rankings and judgments; or of other metrics."""
        run = {
            query: list(zip(papers, scores.tolist(), strict=True))
            for query, (papers, scores) in self.ranked.items()
        }
        return make_report(
            run, self.queries, self.judgments, metrics or tuple(self.metrics), label=self.name,
            settled=int(self.document.get("settled", 0)), settings=self.document["settings"],
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """All but the tables, in plain values."""
        return {**self.document, "tags": list(self.tags), "notes": list(self.notes)}

    def __repr__(self) -> str:
        means = ", ".join(f"{name} {v.mean:.4f}" for name, v in list(self.metrics.items())[:3])
        failed = ", failed" if self.error else ""
        return f"Experiment({self.id!r}, {shown(self.name, 40)}, {means or self.kind}{failed})"

    def view(self) -> View:
        """What it measured, of what, with what, and where it can be had again."""
        document = self.document
        corpus = document.get("corpus", {})
        rows = [
            f"  {name}  {v.mean:.4f}  [{v.low:.4f}, {v.high:.4f}]"
            for name, v in self.metrics.items()
        ]
        if corpus:
            papers = count(corpus["papers"], "paper")
            rows.append(f"  corpus {corpus['opened']}: {papers}, {corpus['fingerprint']}")
        if "profile" in document:
            rows.append(f"  {self.profile!r}, k {self.k}, {document['queries']:,} queries")
        rows += [f"  {name} {digest}" for name, digest in self.stages.items()]
        machine = document["machine"]
        rows.append(
            f"  Python {machine['python']}, {machine['cpu']['model']}, {machine['blas']}, "
            f"{machine['threads']['cores']} cores, code {machine['code']}"
        )
        rows += [f"  {kind}: {setting(text)}" for kind, text in document["origin"].items()]
        rows += [f"  tags: {', '.join(self.tags)}"] if self.tags else []
        rows += [f"  note: {note}" for note in self.notes]
        rows += [f"  {line}" for line in self.error.strip().splitlines()[-1:]]
        head = f"{self.name} ({self.id}), {self.when:%Y-%m-%d %H:%M} UTC"
        return View(head, tuple(rows), tuple(document.get("said", ())))

    def _table(self, name: str) -> dict[str, Any]:
        self._searched()
        return self.store.table(self.document["tables"][name])

    def _searched(self) -> None:
        if "tables" not in self.document:
            raise ExperimentError(
                f"experiment {self.id} is of kind {self.kind!r} and ranked nothing itself; take "
                "one of the measurements inside of it: bench.experiments() names their parent"
            )
