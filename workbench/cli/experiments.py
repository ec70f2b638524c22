"""Verbs about what was measured: list, diff, rerun, export, report, and notebooks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import AsJson
from workbench.cli.printing import print_json

notebook_app = typer.Typer(no_args_is_help=True, help="Run notebooks with parameters.")

Run = Annotated[
    str,
    typer.Argument(
        help="CORPUS/ID, an exported folder, or an id with --corpus; the id may be 'latest'.",
        show_default=False,
    ),
]
Corpus = Annotated[Path | None, typer.Option(help="The corpus folder to measure on.")]


def experiments(
    folder: Annotated[Path, typer.Argument(help="Corpus folder.", show_default=False)],
    metric: Annotated[str, typer.Option(help="Mark the best by this one.")] = "",
    tag: Annotated[str, typer.Option(help="Only those with this tag.")] = "",
    sort: Annotated[str, typer.Option(help="A metric, started, seconds, name or kind.")] = "",
    as_json: AsJson = False,
) -> None:
    """List what was measured on a corpus."""
    from workbench.corpus.faults import is_folder
    from workbench.errors import CorpusNotFound
    from workbench.experiments.experiment import list_experiments
    from workbench.experiments.store import FOLDER, ExperimentStore

    if not is_folder(folder):
        raise CorpusNotFound(f"{folder}: no such folder; give a corpus")
    found = list_experiments(ExperimentStore(folder / FOLDER), metric).filter(tag=tag)
    found = found.sort(sort) if sort else found
    if as_json:
        print_json(found.to_dict())
    else:
        typer.echo(str(found))


def rerun(run: Run, corpus: Corpus = None, as_json: AsJson = False) -> None:
    """Measure an experiment again: exit 0 where every number is the same, else 1."""
    from workbench.studies.records import find_experiment, rerun_record

    experiment, bench = find_experiment(run, corpus)
    again = rerun_record(experiment, bench)
    if as_json:
        print_json(again.to_dict())
    else:
        typer.echo(str(again))
    if not again.identical:
        raise typer.Exit(1)


def diff(first: Run, second: Run, corpus: Corpus = None, as_json: AsJson = False) -> None:
    """Say why two experiments have different numbers."""
    from workbench.studies.records import find_experiment

    pair = [find_experiment(run, corpus)[0] for run in (first, second)]
    found = pair[0].diff(pair[1])
    if as_json:
        print_json(found.to_dict())
    else:
        typer.echo(str(found))


def export(
    run: Run,
    out: Annotated[Path, typer.Argument(help="A new folder.", show_default=False)],
    corpus: Corpus = None,
) -> None:
    """Write an experiment as a folder for a colleague, with a notebook that reproduces it."""
    from workbench.studies.records import find_record

    typer.echo(f"Exported: {find_record(run, corpus).export(out)}")


def report(
    run: Run,
    out: Annotated[Path, typer.Option(help="The HTML file.")] = Path("report.html"),
    corpus: Corpus = None,
) -> None:
    """Write an experiment as one HTML page, for people without Python."""
    from workbench.studies.records import find_record

    typer.echo(f"Written: {find_record(run, corpus).write_html(out)}")


@notebook_app.command("run")
def run_notebook(
    path: Annotated[Path, typer.Argument(help="The .ipynb file.", show_default=False)],
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="NAME=VALUE; repeat for several.")
    ] = None,
    corpus: Annotated[
        Path | None, typer.Option(help="Whose experiments keep the copy; else -p corpus=...")
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="The most that one cell may take.")] = None,
) -> None:
    """Run a notebook with parameters and keep the executed copy; exit 1 where a cell fails."""
    from workbench.studies import notebooks

    given = dict(notebooks.parameter(text) for text in parameter or [])
    done = notebooks.run_notebook(path, given, corpus=corpus, seconds=seconds)
    typer.echo(f"Kept: {done.copy}")
    if not done.ok:
        typer.echo(f"Error: {done.error}", err=True)
        raise typer.Exit(1)
