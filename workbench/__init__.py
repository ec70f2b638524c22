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

_ROOMS = {
    "workbench.engines.elastic.keepers": "Elasticsearch",
    "workbench.corpus.collection": "read_qrels read_queries",
    "workbench.corpus.inspecting": "inspect_source",
    "workbench.evaluation.judgments.judgments": "Judgments",
    "workbench.evaluation.likeness.parity": "parity",
    "workbench.evaluation.reports.report": "Report",
    "workbench.evaluation.tuning.curve": "WeightCurve",
    "workbench.evaluation.tuning.weight_search": "WeightSearch",
    "workbench.monitor.recording": "read_recording",
    "workbench.monitor.sampler": "Sampler",
    "workbench.opening": "import_panel index merge open_corpus",
    "workbench.profiles": "Profile list_profiles",
    "workbench.qa.answer": "Answer",
    "workbench.qa.assembling": "open_answer",
    "workbench.ranking.editing": "QueryEdits",
    "workbench.ranking.ranking": "Ranking",
    "workbench.records": "Candidates Filters Hit Judgment Paper Passage Query",
    "workbench.experiments.experiment": "Experiment",
    "workbench.session": "Workbench",
    "workbench.studies.compare": "compare_systems",
    "workbench.studies.records": "open_record",
    "workbench.studies.sweep": "sweep",
}
_OTHER = {
    "compare": "compare_systems",
    "inspect": "inspect_source",
    "open": "open_corpus",
    "open_experiment": "open_record",
}
_HOMES = {name: module for module, names in _ROOMS.items() for name in names.split()}
"""Public names and where they live; each is imported when first used."""

__all__ = [
    "Answer",
    "Candidates",
    "Elasticsearch",
    "Experiment",
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
    "compare",
    "errors",
    "import_panel",
    "index",
    "inspect",
    "list_profiles",
    "merge",
    "open",
    "open_answer",
    "open_experiment",
    "parity",
    "read_qrels",
    "read_queries",
    "read_recording",
    "sweep",
]
__all__ += errors.__all__

if TYPE_CHECKING:
    from workbench.corpus.collection import read_qrels, read_queries
    from workbench.corpus.inspecting import inspect_source as inspect
    from workbench.engines.elastic.keepers import Elasticsearch
    from workbench.evaluation.judgments.judgments import Judgments
    from workbench.evaluation.likeness.parity import parity
    from workbench.evaluation.reports.report import Report
    from workbench.evaluation.tuning.curve import WeightCurve
    from workbench.evaluation.tuning.weight_search import WeightSearch
    from workbench.experiments.experiment import Experiment
    from workbench.monitor.recording import read_recording
    from workbench.monitor.sampler import Sampler
    from workbench.opening import import_panel, index, merge
    from workbench.opening import open_corpus as open
    from workbench.profiles import Profile, list_profiles
    from workbench.qa.answer import Answer
    from workbench.qa.assembling import open_answer
    from workbench.ranking.editing import QueryEdits
    from workbench.ranking.ranking import Ranking
    from workbench.records import Candidates, Filters, Hit, Judgment, Paper, Passage, Query
    from workbench.session import Workbench
    from workbench.studies.compare import compare_systems as compare
    from workbench.studies.records import open_record as open_experiment
    from workbench.studies.sweep import sweep


def __getattr__(name: str) -> Any:
    home = _OTHER.get(name, name)
    if name in _OTHER.values() or home not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[home]), home)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
