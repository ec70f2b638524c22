"""Paper Search Workbench: search papers, tune the search, and know how sure you are.

import workbench as wb
bench = wb.open("data/landmarks")
bench.search("late interaction retrieval")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from workbench import errors
from workbench.errors import *  # noqa: F403

__version__ = "0.1.0"

_HOMES = {
    "open": ("workbench.opening", "open_corpus"),
    "index": ("workbench.opening", "index"),
    "Elasticsearch": ("workbench.engines.elastic.spec", "Elasticsearch"),
    "WeightCurve": ("workbench.evaluation.tuning.curve", "WeightCurve"),
    "Workbench": ("workbench.session", "Workbench"),
    "Profile": ("workbench.profiles", "Profile"),
    "list_profiles": ("workbench.profiles", "list_profiles"),
    "Report": ("workbench.evaluation.reports.report", "Report"),
    "Ranking": ("workbench.ranking.ranking", "Ranking"),
    "Paper": ("workbench.records", "Paper"),
    "Passage": ("workbench.records", "Passage"),
    "QueryEdits": ("workbench.ranking.editing", "QueryEdits"),
    "Query": ("workbench.records", "Query"),
    "Judgment": ("workbench.records", "Judgment"),
    "Judgments": ("workbench.evaluation.judgments.judgments", "Judgments"),
    "Filters": ("workbench.records", "Filters"),
    "Candidates": ("workbench.records", "Candidates"),
    "Hit": ("workbench.records", "Hit"),
    "parity": ("workbench.evaluation.likeness.parity", "parity"),
    "Sampler": ("workbench.monitor.sampler", "Sampler"),
    "read_recording": ("workbench.monitor.recording", "read_recording"),
    "read_queries": ("workbench.corpus.collection", "read_queries"),
    "read_qrels": ("workbench.corpus.collection", "read_qrels"),
    "WeightSearch": ("workbench.evaluation.tuning.weight_search", "WeightSearch"),
}
"""Public names and where they live; each is imported when first used."""

__all__ = [
    "Candidates",
    "Elasticsearch",
    "Filters",
    "Hit",
    "Judgment",
    "Judgments",
    "Paper",
    "Passage",
    "Profile",
    "Query",
    "QueryEdits",
    "Ranking",
    "Report",
    "Sampler",
    "WeightCurve",
    "WeightSearch",
    "Workbench",
    "index",
    "list_profiles",
    "open",
    "parity",
    "read_qrels",
    "read_queries",
    "read_recording",
]
__all__ += errors.__all__

if TYPE_CHECKING:
    from workbench.corpus.collection import read_qrels, read_queries
    from workbench.engines.elastic.spec import Elasticsearch
    from workbench.evaluation.judgments.judgments import Judgments
    from workbench.evaluation.likeness.parity import parity
    from workbench.evaluation.reports.report import Report
    from workbench.evaluation.tuning.curve import WeightCurve
    from workbench.evaluation.tuning.weight_search import WeightSearch
    from workbench.monitor.recording import read_recording
    from workbench.monitor.sampler import Sampler
    from workbench.opening import index
    from workbench.opening import open_corpus as open
    from workbench.profiles import Profile, list_profiles
    from workbench.ranking.editing import QueryEdits
    from workbench.ranking.ranking import Ranking
    from workbench.records import Candidates, Filters, Hit, Judgment, Paper, Passage, Query
    from workbench.session import Workbench


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
