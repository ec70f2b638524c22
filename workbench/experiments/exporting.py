"""An experiment as a folder that a colleague can open: record, data, notebook, descriptions."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any
from uuid import uuid4

from workbench.corpus.faults import as_path, disk_faults
from workbench.errors import ExperimentError
from workbench.evaluation.reports.trec import write_qrels
from workbench.experiments.blobs import FOLDER as TABLES
from workbench.experiments.crate import ir_metadata, ro_crate, yaml_of
from workbench.experiments.kept import KeptExperiment
from workbench.experiments.page import page
from workbench.experiments.store import ExperimentStore
from workbench.profiles import affiliation, person
from workbench.system.files import replacing

MARK = "experiment.json"
"""The whole record in plain values; an export is told by it."""

FILES = {
    MARK: "the record, in plain values",
    "queries.jsonl": "the queries",
    "qrels.txt": "the judgments, TREC's form",
    "profile.toml": "the settings of the search",
    "run.trec": "the rankings, TREC's form",
    "run.annotated.trec": "the rankings below their ir_metadata",
    "per_query.csv": "the metrics of each query",
    "report.html": "a page for people",
    "reproduce.ipynb": "a notebook that measures again and compares",
    "requirements.lock": "the packages that were installed",
    "ir_metadata.yaml": "ir_metadata 0.1",
    "experiments.sqlite": "the record as the workbench opens it",
}


def export(experiment: KeptExperiment, folder: str | Path) -> Path:
    """Write the experiment into a new or empty folder, all of it or nothing; returns the folder.

    The papers are not in it: their licences are theirs; `open_export` says which are missing.
    Raises ExperimentError for a folder that holds something, or for what ranked nothing; DiskFull.
    """
    target = as_path(folder, ExperimentError)
    with disk_faults(target):
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise ExperimentError(f"{target}: holds something already; name a new folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{uuid4().hex[:8]}.part")
        try:
            part.mkdir()
            _write(experiment, part)
            if target.exists():
                target.rmdir()
            os.replace(part, target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return target


def write_page(experiment: KeptExperiment, path: str | Path) -> Path:
    """Write the HTML page of `report`; replaces the file."""
    target = as_path(path, ExperimentError)
    with disk_faults(target), replacing(target) as stream:
        stream.write(page(experiment, experiment.store.summaries()))
    return target


def _write(experiment: KeptExperiment, folder: Path) -> None:
    report = experiment.report()
    report.write_run(folder / "run.trec", tag=experiment.id)
    write_qrels(folder / "qrels.txt", experiment.judgments)
    queries = [{"id": query.id, "text": query.text} for query in experiment.queries]
    lines = "".join(json.dumps(query, ensure_ascii=False) + "\n" for query in queries)
    experiment.per_query.to_csv(folder / "per_query.csv", float_format="%.17g")
    who = person(), affiliation()
    texts: dict[str, Callable[[], str]] = {
        MARK: lambda: json.dumps(experiment.to_dict(), indent=1, ensure_ascii=False),
        "queries.jsonl": lambda: lines,
        "profile.toml": experiment.profile.to_toml,
        "report.html": lambda: page(experiment, experiment.store.summaries()),
        "reproduce.ipynb": lambda: json.dumps(notebook(experiment), indent=1),
        "requirements.lock": lock,
        "ir_metadata.yaml": lambda: yaml_of(ir_metadata(experiment, *who)),
    }
    for name, text in texts.items():
        (folder / name).write_text(text(), encoding="utf-8", newline="")
    ranked = (folder / "run.trec").read_text("utf-8")
    annotated = annotate(texts["ir_metadata.yaml"](), ranked)
    (folder / "run.annotated.trec").write_text(annotated, encoding="utf-8", newline="")
    copy_record(experiment, folder)
    files = dict(FILES)
    files |= {
        path.relative_to(folder).as_posix(): "a table of the record: vectors, rankings, judgments"
        for path in sorted((folder / TABLES).iterdir())
    }
    crate = ro_crate(experiment, files, *who)
    content = json.dumps(crate, indent=1, ensure_ascii=False)
    (folder / "ro-crate-metadata.json").write_text(content, encoding="utf-8")


def annotate(header: str, run: str) -> str:
    """A TREC run below its ir_metadata, each line of which begins with "# "."""
    marked = "".join(f"# {line}\n" for line in header.splitlines())
    return f"# ir_metadata.start\n{marked}# ir_metadata.end\n{run}"


def copy_record(experiment: KeptExperiment, folder: Path) -> None:
    """The record and its tables in a store of their own."""
    document = experiment.document
    tables = [*document["tables"].values(), document["corpus"]["content"]]
    (folder / TABLES).mkdir(parents=True)
    for name in filter(None, tables):
        source = experiment.store.folder / TABLES / f"{name}.parquet"
        shutil.copyfile(source, folder / TABLES / source.name)
    store = ExperimentStore(folder)
    [summary] = [row for row in experiment.store.summaries() if row.id == experiment.id]
    short = {n: v for n, v in summary._asdict().items() if n not in ("tags", "notes")}
    store.keep(document, short, document.get("key", ""))
    for tag in summary.tags:
        store.annotate(experiment.id, "tag", tag)
    for note in summary.notes:
        store.annotate(experiment.id, "note", note)


def lock() -> str:
    """All installed packages with their versions, one a line."""
    found = {
        f"{dist.metadata['Name']}=={dist.version}"
        for dist in metadata.distributions()
        if dist.metadata["Name"]
    }
    return "".join(f"{line}\n" for line in sorted(found, key=str.lower))


def notebook(experiment: KeptExperiment) -> dict[str, Any]:
    """A notebook that opens the corpus, measures again, and stops where a number differs."""
    corpus = experiment.document["corpus"]
    cells = [
        _text(
            f"# {experiment.name}\n\nReproduces experiment `{experiment.id}`. Set `corpus` to a "
            f"folder with the same {corpus['papers']:,} papers."
        ),
        _code(f'corpus = {corpus["opened"]!r}\nrecord = "."', "parameters"),
        _code(
            "import workbench as wb\n\n"
            "bench = wb.open(corpus)\n"
            "experiment = wb.open_experiment(record, bench)\n"
            "experiment"
        ),
        _text("## The same again\n\nWith the recorded query vectors, and with new ones."),
        _code("again = experiment.rerun()\nagain"),
        _code(
            'assert again.replayed, "other numbers than then: the reasons are above"\n'
            "again.identical  # False where this CPU computes other query vectors"
        ),
        _text("## In the workbench's own words"),
        _code(
            "report = bench.evaluate(\n"
            '    f"{record}/queries.jsonl",\n'
            '    f"{record}/qrels.txt",\n'
            f"    {list(experiment.metrics)!r},\n"
            f"    k={experiment.k},\n"
            '    profile=wb.Profile.from_toml(f"{record}/profile.toml"),\n'
            ")\n"
            "report"
        ),
    ]
    return {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": uuid4().hex[:8], "metadata": {}, "source": source}


def _code(source: str, *tags: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "id": uuid4().hex[:8],
        "metadata": {"tags": list(tags)} if tags else {},
        "execution_count": None,
        "outputs": [],
        "source": source,
    }
