"""From retrieved candidates and judgments to what tuning returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from workbench.evaluation.curve import WeightCurve, weight_curve
from workbench.evaluation.items import CurveItem
from workbench.evaluation.left_out import what_is_left_out
from workbench.profiles import Profile
from workbench.ranking.fusion import normalise
from workbench.records import Candidates, Query


def tune(
    found: Iterable[tuple[Query, Candidates]],
    asked: Sequence[Query],
    grades: Mapping[str, Mapping[str, int]],
    signals: Sequence[str],
    metric: str,
    base: Profile,
) -> WeightCurve:
    """`found`: the candidates of each judged query; `asked`: all queries; `grades`: by query id
    and paper id. Raises what `weight_curve` raises."""
    items = [
        CurveItem(candidates, normalise(candidates, base.normaliser), grades[query.id])
        for query, candidates in found
    ]
    signals = tuple(signals)
    left_out = what_is_left_out(asked, grades, items, signals)
    return weight_curve(items, signals, metric, base=base, left_out=left_out)
