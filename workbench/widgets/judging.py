"""The judging widget: keys 0 to 3, each saved before the next; blind where the person wants it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from workbench.errors import EvaluationError
from workbench.evaluation.inputs import QueryInput, as_queries
from workbench.evaluation.judge_next.judgment_pool import (
    WHOLE,
    PooledPaper,
    judgment_pool,
    shuffled,
)
from workbench.evaluation.judgments.entry import Entry
from workbench.evaluation.judgments.grades_view import grades_view
from workbench.evaluation.judgments.judgments import Judgments
from workbench.present.latex import readable
from workbench.present.view import View
from workbench.present.words import authors_line, count
from workbench.ranking.view import marked
from workbench.records import Paper, Query
from workbench.widgets.base import error_content, static
from workbench.widgets.live import Live

if TYPE_CHECKING:
    from workbench.session import Workbench

DEPTH = 10
"""Papers of the ranking, and of each signal alone, that are to be judged for a query."""

LONGEST = 6_000
"""Characters of a paper's text that are shown."""

OnGrade = Callable[[str, str], None]

GRADES = ("not relevant", "related", "relevant", "exactly it")


@dataclass(frozen=True, slots=True)
class _Pool:
    """What is to be judged for one query, and its analysed terms."""

    papers: tuple[PooledPaper, ...]
    terms: Mapping[str, float]


class JudgingWidget(Live, anywidget.AnyWidget):
    """Grade papers for queries, one after the other. `judge` makes it.

    Every grade is on the disk before the page says that it is saved. In blind mode neither ranks
    nor arms are sent to the page, and papers come in an order shuffled by `seed`.
    """

    _lets_go = ("_bench",)
    _esm = static("page_keys.js", "dom.js", "kernel.js", "judging_parts.js", "judging.js")
    _css = static("style.css", "judging.css")
    blind = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        bench: Workbench,
        queries: Sequence[Query],
        judgments: Judgments,
        *,
        depth: int,
        blind: bool,
        seed: int,
        known: Mapping[str, Mapping[str, int]],
    ) -> None:
        super().__init__(blind=blind)
        self.judgments = judgments
        self._bench = bench
        self._queries = {query.id: query for query in queries}
        self._depth = depth
        self._seed = seed
        self._known = known
        self._pools: dict[str, _Pool] = {}
        self._lock = threading.RLock()
        self._ranking: threading.Thread | None = None
        self._listeners: list[OnGrade] = []
        self._closed = False
        self.on_msg(self._hear)

    def close(self) -> None:
        """Take the widget away; what was judged stays in the file."""
        self._closed = True
        self._pools.clear()
        self._listeners.clear()
        super().close()

    def view(self) -> View:
        """What stands of this person's in the file: others' grades are not theirs to see here."""
        who, path = self.judgments.who, self.judgments.path
        own = [entry for entry in self.judgments.entries() if entry.who == who]
        own.sort(key=lambda entry: entry.at)
        of = f"of {count(len(self._queries), 'query')} to judge"
        return grades_view(path, len(own), [who], own, of, self.judgments.notes)

    def on_grade(self, listener: OnGrade) -> None:
        """Call `listener(query_id, paper_id)` after each grade given or taken back here."""
        self._listeners.append(listener)

    def follow_grade(self, query_id: str, paper_id: str) -> None:
        """Show what the file says of a pair, that was graded elsewhere. Waits for no lock, since
        who calls may hold another."""
        grade, note = self._mine(query_id).get(paper_id, (None, ""))
        self._show(query_id, paper_id, grade, note)

    # What the page says

    def _hear(self, _: Any, content: dict[str, Any], __: Any) -> None:
        actions: dict[str, Callable[[dict[str, Any]], None]] = {
            "hello": self._begin,
            "open": self._open,
            "grade": self._grade,
            "retract": self._retract,
            "undo": lambda _: self._undone(self.judgments.undo(), "undo"),
            "redo": lambda _: self._undone(self.judgments.redo(), "redo"),
            "next": self._next,
        }
        try:
            with self._lock:
                actions[content["type"]](content)
        except Exception as error:  # a callback must not end in a traceback under the widget
            self.send({"type": "failed", "of": content, "message": error_content(error)})

    def _begin(self, _: dict[str, Any]) -> None:
        queries = [{"id": query.id, "text": query.text} for query in self._queries.values()]
        self.send(
            {
                "type": "start",
                "queries": queries,
                "who": self.judgments.who,
                "path": str(self.judgments.path),
                "grades": list(GRADES),
                "notes": list(self.judgments.notes),
            }
        )
        for query_id in self._pools:
            self._send_progress(query_id)
        if self._ranking is None or not self._ranking.is_alive():
            self._ranking = threading.Thread(
                target=self._rank_all, name="workbench-judging", daemon=True
            )
            self._ranking.start()

    def _open(self, content: dict[str, Any]) -> None:
        """Send the papers of a query, with what this person said of them so far."""
        self.blind = bool(content.get("blind", self.blind))
        query = self._queries[content["query"]]
        pool = self._pool(query)
        order = shuffled(pool.papers, query.id, self._seed) if self.blind else pool.papers
        mine, known = self._mine(query.id), self._known.get(query.id, {})
        papers = self._bench.engine.papers([pooled.paper_id for pooled in order])
        self.send(
            {
                "type": "papers",
                "query": query.id,
                "papers": [
                    self._card(paper, pooled, pool.terms, mine.get(paper.id))
                    | {"known": None if self.blind else known.get(paper.id)}
                    for paper, pooled in zip(papers, order, strict=True)
                ],
            }
        )
        self._send_progress(query.id)

    def _grade(self, content: dict[str, Any]) -> None:
        query_id, paper_id = content["query"], content["paper"]
        if query_id not in self._queries:
            raise EvaluationError(f"query {query_id!r} is not one of those to judge")
        entry = self.judgments.add(
            query_id, paper_id, content["grade"], str(content.get("note") or "")
        )
        self._saved(query_id, paper_id, entry.grade, entry.note)

    def _retract(self, content: dict[str, Any]) -> None:
        query_id, paper_id = content["query"], content["paper"]
        self.judgments.retract(query_id, paper_id)
        self._saved(query_id, paper_id, None, "")

    def _undone(self, undone: Entry | None, what: str) -> None:
        if undone is None:
            self._note(f"There is nothing of yours to {what} in this file.")
            return
        pair = undone.query_id, undone.paper_id
        grade, note = self._mine(pair[0]).get(pair[1], (None, ""))
        self._saved(*pair, grade, note, undone=True)

    def _next(self, _: dict[str, Any]) -> None:
        """The pair whose judgment could most change which weight wins."""
        queries = list(self._queries.values())
        found = self._bench.judge_next(queries, self.judgments, 1, progress=False)
        if not found:
            self._note("No unjudged paper could change which weight wins; the verdict stands.")
            return
        best = found[0]
        query_id, paper_id = best.query_id, best.paper_id
        pool = self._pool(self._queries[query_id])
        if all(pooled.paper_id != paper_id for pooled in pool.papers):
            added = PooledPaper(paper_id, {})
            self._pools[query_id] = _Pool((*pool.papers, added), pool.terms)
        reason = "Its grade could change which weights win." if self.blind else best.reason
        self.send({"type": "next", "query": query_id, "paper": paper_id, "reason": reason})

    # What it sends

    def _saved(
        self, query_id: str, paper_id: str, grade: int | None, note: str, undone: bool = False
    ) -> None:
        self._show(query_id, paper_id, grade, note, undone)
        for listener in self._listeners:
            listener(query_id, paper_id)

    def _show(
        self, query_id: str, paper_id: str, grade: int | None, note: str, undone: bool = False
    ) -> None:
        self.send(
            {
                "type": "saved",
                "query": query_id,
                "paper": paper_id,
                "grade": grade,
                "note": note,
                "undone": undone,
            }
        )
        if query_id in self._pools:
            self._send_progress(query_id)
        self.keep()

    def _send_progress(self, query_id: str) -> None:
        papers = self._pools[query_id].papers
        done_ids = {*self._mine(query_id), *self._known.get(query_id, ())}
        done = sum(pooled.paper_id in done_ids for pooled in papers)
        self.send({"type": "progress", "query": query_id, "done": done, "of": len(papers)})

    def _note(self, text: str) -> None:
        self.send({"type": "message", "message": {"kind": "note", "title": "", "text": text}})

    def _card(
        self,
        paper: Paper,
        pooled: PooledPaper,
        terms: Mapping[str, float],
        mine: tuple[int, str] | None,
    ) -> dict[str, Any]:
        text = readable(paper.text) if paper.text != paper.title else ""
        place = " ".join(str(part) for part in (readable(paper.venue), paper.year) if part)
        by = " · ".join(part for part in (authors_line(paper.authors), place, paper.id) if part)
        return {
            "id": paper.id,
            "title": [list(piece) for piece in marked(readable(paper.title) or paper.id, terms)],
            "by": by,
            "text": [list(piece) for piece in marked(text[:LONGEST], terms)],
            "cut": max(0, len(text) - LONGEST),
            "ranks": {} if self.blind else _ranks(pooled),
            "grade": None if mine is None else mine[0],
            "note": "" if mine is None else mine[1],
        }

    # What the package says

    def _mine(self, query_id: str) -> dict[str, tuple[int, str]]:
        """Grade and note of this person by paper."""
        return {
            entry.paper_id: (entry.grade, entry.note)
            for entry in self.judgments.entries()
            if entry.query_id == query_id
            and entry.who == self.judgments.who
            and entry.grade is not None
        }

    def _pool(self, query: Query) -> _Pool:
        known = self._pools.get(query.id)
        if known is None:
            ranking = self._bench.search(query.text, self._depth)
            papers = judgment_pool(ranking.candidates, ranking.profile, self._depth)
            made = _Pool(papers, ranking.candidates.query.terms)
            known = self._pools.setdefault(query.id, made)  # another thread may have been faster
        return known

    def _rank_all(self) -> None:
        """Rank every query, so that the list shows what is missing before anybody opens it.

        Without the lock: a key must not wait for a search."""
        for query in self._queries.values():
            if self._closed:
                return
            try:
                self._pool(query)
                with self._lock:
                    self._send_progress(query.id)
            except Exception as error:  # the others still get theirs; opening this one says more
                told = {"type": "progress", "query": query.id, "done": 0, "of": 0}
                self.send({**told, "problem": str(error)})


def judge(
    bench: Workbench,
    queries: QueryInput,
    judgments: str | Path | Judgments,
    *,
    depth: int = DEPTH,
    blind: bool = False,
    seed: int = 0,
    who: str | None = None,
    known: Mapping[str, Mapping[str, int]] | None = None,
) -> JudgingWidget:
    """Judge papers for queries (`as_queries`) into a file of judgments, or a `Judgments`.

    For each query, the first `depth` papers of the ranking and of each of its signals alone.
    `known` holds grades from elsewhere, by query and paper id: they are shown, and their papers
    count as done.
    Raises EvaluationError for no query, a depth below 1, or a file that holds no judgments.
    """
    asked = as_queries(queries)
    if not asked:
        raise EvaluationError("there is no query to judge for; give at least one")
    if depth < 1:
        raise EvaluationError(f"depth is {depth}; judge at least 1 paper a query")
    if not isinstance(judgments, Judgments):
        judgments = Judgments(judgments, who=who)
    return JudgingWidget(
        bench, asked, judgments, depth=depth, blind=blind, seed=seed, known=known or {}
    )


def _ranks(pooled: PooledPaper) -> dict[str, int]:
    """Ranks by arm, the whole ranking first."""
    own = {name: rank for name, rank in pooled.ranks.items() if name != WHOLE}
    return ({WHOLE: pooled.ranks[WHOLE]} if WHOLE in pooled.ranks else {}) | own
