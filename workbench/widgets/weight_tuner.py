"""The weight tuner: the search panel with the curve of judged queries beside its sliders."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import EvaluationError
from workbench.evaluation.inputs import JudgmentInput, QueryInput
from workbench.evaluation.judgments.judgments import Judgments
from workbench.profiles import Profile, as_profile
from workbench.ranking.weights import balance_of
from workbench.session import Workbench
from workbench.widgets.judged import Judged
from workbench.widgets.search_panel import SearchPanel


def weight_tuner(
    bench: Workbench,
    queries: QueryInput,
    judgments: JudgmentInput | None = None,
    metric: str = "nDCG@10",
    *,
    k: int = 10,
    profile: Profile | str | None = None,
    query: str = "",
    grades: str | Path | Judgments | None = None,
) -> SearchPanel:
    """The search panel with the curve beside it; without a `query` it starts with the one that the
    present weights cost most.

    `grades` is the file that grades on the cards are written to; by default `judgments`, where
    those are a `Judgments`. Raises EvaluationError for neither, and what `Workbench.tune` raises.
    """
    if grades is None and isinstance(judgments, Judgments):
        grades = judgments
    file = grades if isinstance(grades, Judgments) or grades is None else Judgments(grades)
    judged = Judged(bench, queries, judgments, metric, file)
    base = bench.profile if profile is None else as_profile(profile)
    return SearchPanel(bench, query or _first(judged, base), k=k, profile=base, judged=judged)


def _first(judged: Judged, base: Profile) -> str:
    """The query that loses most, or the first where none is judged yet."""
    try:
        ends = judged.ends(base.weights)
        return str(judged.regrets(balance_of(base.weights), base, ends)[0]["text"])
    except EvaluationError:
        if judged.file is None:
            raise
    return judged.texts[0] if judged.texts else ""
