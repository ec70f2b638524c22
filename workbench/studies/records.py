"""Experiments by what a person types: an exported folder, a corpus and an id, an id."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench.corpus.faults import as_path
from workbench.corpus.notices import notice
from workbench.errors import ExperimentError, WorkbenchError, shown
from workbench.experiments.experiment import Experiment, open_experiment
from workbench.experiments.exporting import MARK
from workbench.experiments.rerunning import Drift, Rerun
from workbench.experiments.store import FOLDER, ExperimentStore
from workbench.opening import open_corpus
from workbench.profiles import Profile
from workbench.session import Workbench


def find_experiment(
    where: str | Path, corpus: str | Path | Workbench | None = None
) -> tuple[Experiment, Workbench | None]:
    """The experiment, and its corpus where that is at hand. `where` is an exported folder, an id
    (with the corpus that it is of; "latest" is one too), or CORPUS/ID.

    A corpus that is given is opened; without one, that of CORPUS/ID, or the one that an export was
    made on, if it is at its old place. Raises ExperimentError for what is no experiment, and what
    opening the corpus raises.
    """
    store, name = _located(where, corpus)
    if corpus is None:
        corpus = store.folder.parent
        if store.folder.name != FOLDER:
            opened = store.document(name).get("corpus", {}).get("opened", "")
            corpus = opened if opened and Path(opened).is_dir() else None
    return _with_corpus(store, name, corpus)


def find_record(where: str | Path, corpus: str | Path | Workbench | None = None) -> Experiment:
    """The experiment alone, whose corpus is not opened. Raises as `find_experiment`."""
    return open_experiment(*_located(where, corpus))


def _located(
    where: str | Path, corpus: str | Path | Workbench | None
) -> tuple[ExperimentStore, str]:
    path = as_path(where, ExperimentError)
    if (path / MARK).is_file():
        store = ExperimentStore(path)
        rows = store.summaries()
        if len(rows) != 1:
            raise ExperimentError(f"{path}: no export of one experiment; export it again")
        return store, rows[0].id
    if corpus is None:
        if not (path.parent / FOLDER).is_dir():
            raise ExperimentError(
                f"{shown(str(where))} is no exported experiment, and {path.parent} no corpus with "
                "experiments; give an exported folder, CORPUS/ID, or an id and its corpus"
            )
        corpus = path.parent
    at = corpus.recorder.folder if isinstance(corpus, Workbench) else as_path(corpus) / FOLDER
    return ExperimentStore(at), path.name


def open_record(where: str | Path, corpus: str | Path | Workbench | None = None) -> Experiment:
    """The experiment of an exported folder, of CORPUS/ID, or of an id and its `corpus`. With a
    corpus it can be rerun there; what of the corpus is not as it was is said. Raises
    ExperimentError, and what opening the corpus raises."""
    experiment, bench = find_experiment(where, corpus)
    if bench is None:
        opened = experiment.document.get("corpus", {}).get("opened", "")
        notice(f"experiment {experiment.id}: its corpus ({opened}) is not here; name it to rerun")
    elif experiment.world:
        for change in experiment.changes():
            notice(f"experiment {experiment.id}: {change}")
    return experiment


def rerun_record(experiment: Experiment, bench: Workbench | None) -> Rerun:
    """`Experiment.rerun`; answers are asked and measured again. Raises ExperimentError for a kind
    that measured nothing itself."""
    if experiment.kind == "answers" and bench is not None:
        return _answers(experiment, bench)
    return experiment.rerun()


def _with_corpus(
    store: ExperimentStore, name: str, corpus: Any
) -> tuple[Experiment, Workbench | None]:
    experiment = open_experiment(store, name)
    if corpus is None:
        return experiment, None
    bench = corpus if isinstance(corpus, Workbench) else open_corpus(corpus, progress=False)
    return open_experiment(store, experiment.id, lambda: bench.subject), bench


def _answers(experiment: Experiment, bench: Workbench) -> Rerun:
    """The questions asked again; differences of the rows, but for time."""
    import time

    import pandas as pd

    from workbench.qa.evaluation.questions import JudgedQuestion

    asked = experiment.document["asked"]
    questions = [
        JudgedQuestion(q["id"], q["text"], tuple(q["papers"]), tuple(q["statements"]))
        for q in asked["questions"]
    ]
    started = time.perf_counter()
    again = bench.evaluate_answers(
        questions, asked["words"], writer=experiment.document["answers"]["writer"],
        profile=Profile(**asked["profile"]), baselines=asked["baselines"], progress=False,
    )  # fmt: skip
    rows = []
    before = experiment.document["answers"]["rows"]
    for then, now in zip(before, again.to_dict()["rows"], strict=True):
        for name, value in then.items():
            if value != now[name]:
                apart: Any = None
                with suppress(TypeError):
                    apart = now[name] - value
                metric = f"{then['method']} {then['words']} {name}"
                rows.append(("", metric, value, now[name], apart))
    columns = ["query", "metric", "recorded", "now", "difference"]
    try:
        reasons = tuple(experiment.changes())
    except WorkbenchError:
        reasons = ()
    return Rerun(
        experiment.id, len(questions), 0, pd.DataFrame(rows, columns=columns), Drift(0, 1.0, 0.0),
        {}, reasons, time.perf_counter() - started,
    )  # fmt: skip
