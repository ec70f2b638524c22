"""What the search panel sends to its page, and what stays of it in a saved notebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.corpus.analysis import Analyser
from workbench.present.view import View
from workbench.profiles import NORMALISERS
from workbench.ranking.details import paper_details
from workbench.ranking.editing import query_terms
from workbench.ranking.ranking import Ranking
from workbench.ranking.suggestions import suggest_terms
from workbench.widgets import cards
from workbench.widgets.state import PanelState
from workbench.widgets.steps import Steps

LONG = 190
"""Words that a default embedder surely reads no further than."""

if TYPE_CHECKING:
    from workbench.widgets.judged import Judged


def options(judged: Judged | None, k: int) -> dict[str, Any]:
    """What may be chosen; `k` joins the usual counts of hits."""
    return {
        "normalisers": list(NORMALISERS),
        "ks": sorted({5, 10, 20, 50, k}),
        "queries": judged.texts if judged else [],
        "grading": bool(judged and judged.file is not None),
    }


def order(ranking: Ranking, result: int, seq: int, steps: Steps) -> dict[str, Any]:
    """The kernel's order of a result's rows under the settings with this number, and the place
    among the steps."""
    return {
        "result": result,
        "seq": seq,
        "order": ranking.rows.tolist(),
        "fingerprint": ranking.fingerprint,
        "at": steps.at,
        "steps": len(steps),
        "step": steps.done[steps.at].number,
    }


def result(state: PanelState, ranking: Ranking, found: Ranking) -> dict[str, Any]:
    """A result: what the browser ranks with, and what stands on the cards. `found` is the ranking
    under the profile's own weights."""
    candidates = ranking.candidates
    starts = candidates.paper_starts
    terms = query_terms(ranking.query, state.edits, Analyser(), ranking.engine)
    return {
        "query": ranking.query,
        "signals": list(candidates.signals),
        "colours": cards.colours(candidates.signals),
        "normaliser": ranking.profile.normaliser,
        "rows": len(candidates),
        "papers": ranking.papers_found,
        "columns": [column.tobytes() for column in ranking.normalised.T],
        "starts": starts.astype(np.int32).tobytes(),
        "ids": candidates.paper_ids[starts].tolist(),
        "order": ranking.rows.tolist(),
        "fingerprint": ranking.fingerprint,
        "cards": cards.cards(ranking),
        "terms": [cards.term_chip(term) for term in terms],
        "suggestions": [cards.suggestion_chip(s) for s in suggest_terms(found)],
        "notes": [*ranking.notes, *hints_on(ranking, [term.papers for term in terms])],
        "profile": f"{state.profile.name}, {ranking.profile.normaliser}",
        "ms": f"{found.timings_ms['total']:.1f}",
    }


def hints_on(ranking: Ranking, papers: list[int]) -> list[str]:
    """What a person should know of the model behind the semantic signal, for this query."""
    said = []
    if len(ranking.query.split()) > LONG:
        said.append(
            "A long query: the semantic signal reads its first 256 tokens, some 190 words; BM25 "
            "reads all of it."
        )
    if not any(papers) and not ranking.query.isascii():
        said.append(
            f"{ranking.engine.manifest.model}, which is left, may not know this language or these "
            "signs; then the order is chance."
        )
    return said


def strip(steps: Steps, judged: Judged | None) -> dict[str, Any]:
    """The steps as the browser shows them."""
    differences = steps.differences()
    return {
        "at": steps.at,
        "metric": judged.metric if judged else "",
        "steps": [
            {
                "number": step.number,
                "name": step.name,
                "value": step.value,
                "difference": difference,
                "query": step.state.query,
            }
            for step, difference in zip(steps.done, differences, strict=True)
        ],
    }


def details(ranking: Ranking, row: int, sent: Mapping[str, Any]) -> dict[str, Any] | None:
    """A hit in full, by its row among the candidates; None where it fell off the list meanwhile.
    `sent`: the result that the page has, whose terms say how the person wrote them."""
    hits = zip(ranking.rows.tolist(), ranking.hits, strict=True)
    hit = next((hit for place, hit in hits if place == row), None)
    if hit is None:
        return None
    known = (*sent.get("suggestions", ()), *sent.get("terms", ()))
    words = {term["term"]: term["word"] for term in known}
    found = paper_details(ranking, hit)
    return cards.details(found, ranking.candidates.query.terms, words)


def panel_view(ranking: Ranking, steps: Steps, judged: Judged | None) -> View:
    """The ranking, the steps that led to it, and the curve, where queries are judged."""
    shown = ranking.view()
    parts = [shown.html()]
    if judged is not None and (curve := judged.picture(ranking.profile)) is not None:
        parts.append(curve)
    if len(steps) > 1:
        parts.append(steps.view().html())
    return View(shown.head, shown.rows, shown.notes, "parts.html", {"parts": parts})
