"""An experiment in MLflow, for teams that keep theirs there; one way, the record stays here."""

from __future__ import annotations

import re
from typing import Any

from workbench.errors import MissingDependency
from workbench.experiments.kept import KeptExperiment
from workbench.experiments.page import page

_OUTSIDE = re.compile(r"[^\w\-. :/]")
"""Characters that MLflow takes in no name."""


def log_to_mlflow(experiment: KeptExperiment, experiment_name: str) -> str:
    """What `Experiment.log_to_mlflow` does, to the server or folder that MLflow is set to."""
    mlflow = _mlflow()
    mlflow.set_experiment(experiment_name)
    with mlflow.start_run(run_name=experiment.name) as run:
        for name, value in experiment.metrics.items():
            mlflow.log_metric(_name(name), value.mean)
        settings = experiment.document.get("settings", {})
        mlflow.log_params({_name(name): str(value)[:500] for name, value in settings.items()})
        mlflow.set_tags(
            {"workbench.id": experiment.id, "workbench.tags": ",".join(experiment.tags)}
        )
        mlflow.log_text(page(experiment), "report.html")
        return str(run.info.run_id)


def _name(name: str) -> str:
    """nDCG@10 as nDCG_at_10."""
    return _OUTSIDE.sub("_", name.replace("@", "_at_"))


def _mlflow() -> Any:
    try:
        import mlflow
    except ImportError:
        raise MissingDependency(
            "logging to MLflow needs mlflow; pip install 'paper-search-workbench[mlflow]'"
        ) from None
    return mlflow
