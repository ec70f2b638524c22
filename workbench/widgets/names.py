"""Authors, venues and fields of a query's papers: what a few letters may mean."""

from __future__ import annotations

from collections import Counter
from typing import Any

from workbench.corpus.analysis import fold_name
from workbench.ranking.ranking import Ranking
from workbench.widgets.rankings import Rankings
from workbench.widgets.state import KINDS, PanelState

MOST = 12


def names_like(ranking: Ranking, kind: str, text: str) -> list[dict[str, Any]]:
    """Names of a kind (venue, author, field) with a word that begins as the last of `text` does,
    and how many papers among the candidates have each, most first; all names for no text."""
    candidates = ranking.candidates
    papers = ranking.engine.papers(candidates.paper_ids[candidates.paper_starts].tolist())
    counts: Counter[str] = Counter()
    for paper in papers:
        held = {"venue": [paper.venue], "author": paper.authors, "field": paper.fields}[kind]
        counts.update({name for name in held if name})
    wanted = fold_name(text.rpartition(";")[2]).split()
    rows = [(name, many) for name, many in counts.items() if _fits(name, wanted)]
    rows.sort(key=lambda row: (-row[1], row[0]))
    return [{"kind": kind, "name": name, "count": many} for name, many in rows[:MOST]]


def hints(state: PanelState, rankings: Rankings) -> list[dict[str, Any]]:
    """Names that a person may have meant by a filter that leaves nothing."""
    found = rankings.unfiltered(state)
    return [
        {**name, "instead": word}
        for kind in KINDS
        for word in getattr(state, kind)
        for name in names_like(found, kind, word)[:3]
    ]


def _fits(name: str, wanted: list[str]) -> bool:
    words = fold_name(name).split()
    return all(any(word.startswith(start) for word in words) for start in wanted)
