"""Why a hit scores as it does, down to the query's terms, with sums that add up exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.engines.base import Engine
from workbench.present.view import Shown, View
from workbench.records import Hit, Query

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Explanation(Shown):
    """`hit.score` is the sum of the signals' contributions; a contribution is weight x normalised;
    a lexical signal's value is the sum of its `terms` (float32, in order): the query's, and for
    `bm25_feedback` those of the expanded query that the passage has."""

    hit: Hit
    terms: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def rows(self) -> list[dict[str, Any]]:
        """One row a signal and one a term of it."""
        rows: list[dict[str, Any]] = []
        for name, s in self.hit.signals.items():
            rows.append(
                {
                    "signal": name,
                    "term": "",
                    "value": s.value,
                    "normalised": s.normalised,
                    "weight": s.weight,
                    "contribution": s.contribution,
                }
            )
            for term, part in self.terms.get(name, {}).items():
                rows.append({"signal": name, "term": term, "value": part})
        return rows

    def to_frame(self) -> pd.DataFrame:
        """The rows as a frame; a term has a value only."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def view(self) -> View:
        """The table that a notebook shows."""
        lines = [f"score {self.hit.score:.4f} ="]
        for name, s in self.hit.signals.items():
            lines.append(
                f"  {s.contribution:+.4f}  {name}: weight {s.weight:g} x normalised "
                f"{s.normalised:.4f} (value {s.value:.4f})"
            )
            terms = self.terms.get(name, {})
            lines += [f"             {part:8.4f}  {term}" for term, part in terms.items()]
        head = f"{self.hit.rank}. {self.hit.paper.title}"
        more = {"hit": self.hit, "terms": self.terms}
        return View(head, tuple(lines), template="explanation.html", more=more)


def explain(query: Query, hit: Hit, engine: Engine, expanded: Query | None = None) -> Explanation:
    """The explanation of one hit of a ranking made by `engine` for `query`, and its expansion."""
    place = hit.paper.id, hit.passage.number
    terms = dict(engine.term_scores(query, *place))
    if expanded is not None:
        parts = engine.term_scores(expanded, *place)["bm25"]
        terms["bm25_feedback"] = {term: part for term, part in parts.items() if part}
    return Explanation(hit, terms)
