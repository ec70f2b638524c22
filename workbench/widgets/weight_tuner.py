"""The weight tuner: the search panel with the curve of judged queries beside its sliders."""

from __future__ import annotations

from workbench.evaluation.inputs import JudgmentInput, QueryInput
from workbench.profiles import Profile, as_profile
from workbench.ranking.balance import balance_of
from workbench.session import Workbench
from workbench.widgets.judged import Judged
from workbench.widgets.search_panel import SearchPanel


def weight_tuner(
    bench: Workbench,
    queries: QueryInput,
    judgments: JudgmentInput,
    metric: str = "nDCG@10",
    *,
    k: int = 10,
    profile: Profile | str | None = None,
    query: str = "",
) -> SearchPanel:
    """The search panel with the curve beside it; without a `query` it starts with the one that the
    present weights cost most.

    Raises what `Workbench.tune` raises.
    """
    judged = Judged(bench, queries, judgments, metric)
    base = bench.profile if profile is None else as_profile(profile)
    ends = judged.ends(base.weights)
    query = query or judged.regrets(balance_of(base.weights), base, ends)[0]["text"]
    return SearchPanel(bench, query, k=k, profile=base, judged=judged)
