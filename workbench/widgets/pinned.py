"""A, that was pinned, against what is on screen now: two lists, and all judged queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.evaluation.likeness.list_comparison import compare_lists
from workbench.ranking.ranking import Ranking
from workbench.widgets.steps import Step

if TYPE_CHECKING:
    from workbench.widgets.judged import Judged


@dataclass(frozen=True, slots=True, eq=False)
class Pinned:
    """A: a step, and its ranking."""

    step: Step
    ranking: Ranking

    def payload(
        self, now: Step | None, ranking: Ranking | None, judged: Judged | None
    ) -> dict[str, Any]:
        """What the page says of A and B. `all` is the metric of both settings over every judged
        query, since edits and filters belong to one. Lists of two queries are not compared."""
        ids = self.ranking.paper_ids
        said: dict[str, Any] = {
            "step": self.step.number,
            "name": self.step.name,
            "value": self.step.value,
            "now": now.value if now else None,
            "ranks": {paper: rank for rank, paper in enumerate(ids, start=1)},
            "here": ranking is not None and ranking.query == self.ranking.query,
            "same": ranking is not None and ranking.profile == self.ranking.profile,
            "rbo": None,
            "all": None,
        }
        if ranking is None:
            return said
        if said["here"] and ids and len(ranking):
            found = compare_lists(self.ranking, ranking, labels=("A", "B"))
            said |= {"rbo": found.rbo, "shared": found.shared}
        if judged is not None and not said["same"]:
            said["all"] = judged.contrast(self.ranking.profile, ranking.profile)
        return said
