"""The panel alone in a browser, for somebody without a notebook."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from workbench.errors import EvaluationError, MissingDependency
from workbench.system.children import attach_module

Folder = Annotated[str, typer.Argument(help="The corpus: a folder with an index or with papers.")]
Queries = Annotated[Path | None, typer.Option(help="Queries, as JSONL or TSV.")]
Qrels = Annotated[Path | None, typer.Option(help="Judgments of them.")]
Grades = Annotated[Path | None, typer.Option(help="File that grades on the cards go to.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port on this computer.")]
Browser = Annotated[bool, typer.Option(help="Open a browser.")]

EXTENSIONS = (
    "anywidget",
    "@jupyter-widgets/jupyterlab-manager",
    "@voila-dashboards/widgets-manager8",
)
"""Of JupyterLab's what the panel needs; others look for parts of JupyterLab that voila lacks."""


def serve(
    folder: Folder,
    queries: Queries = None,
    qrels: Qrels = None,
    grades: Grades = None,
    port: Port = 8866,
    browser: Browser = True,
) -> None:
    """Open the panel of a corpus in a browser, without a notebook around it. Only this computer
    can reach it, by an address with a secret in it. Ctrl-C ends it."""
    if importlib.util.find_spec("voila") is None:
        raise MissingDependency(
            "the panel alone needs voila; run `pip install 'paper-search-workbench[app]'`"
        )
    if queries is None and (qrels or grades):
        raise EvaluationError("--qrels or --grades are given without --queries; give them too")
    from workbench.opening import open_corpus

    open_corpus(folder).close()  # what is wrong with it is said here, and an index is built
    with TemporaryDirectory(prefix="workbench-") as place:
        page = Path(place) / "panel.ipynb"
        write_notebook(page, folder, queries, qrels, grades)
        options = [str(page), f"--port={port}", "--token"]
        options += ["--Voila.ip=127.0.0.1", "--show_tracebacks=False", "--Voila.log_level=20"]
        options += [f"--VoilaConfiguration.extension_allowlist={name}" for name in EXTENSIONS]
        options += [] if browser else ["--no-browser"]
        try:
            raise typer.Exit(attach_module("voila", options))
        except KeyboardInterrupt:  # voila heard it too
            typer.echo("Closed.", err=True)


def write_notebook(
    page: Path, folder: str, queries: Path | None, qrels: Path | None, grades: Path | None
) -> None:
    """A notebook of one cell that shows the panel."""
    given = [str(path.resolve()) if path else None for path in (queries, qrels, grades)]
    source = (
        "import workbench as wb\n\n"
        f"bench = wb.open({str(Path(folder).resolve())!r}, progress=False)\n"
        f"bench.panel({given[0]!r}, {given[1]!r}, grades={given[2]!r})"
    )
    cell = {"cell_type": "code", "id": "panel", "metadata": {}, "source": source, "outputs": []}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": kernel},
        "cells": [{**cell, "execution_count": None}],
    }
    page.write_text(json.dumps(notebook), encoding="utf-8")
