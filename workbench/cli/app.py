"""The application: its verbs, and what happens to errors."""

from __future__ import annotations

import sys

import typer

from workbench.cli import (
    ask,
    bench,
    corpus,
    elastic,
    evaluation,
    experiments,
    machine,
    panel,
    profiles,
    search,
    serve,
)
from workbench.cli.printing import say
from workbench.errors import WorkbenchError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Search papers with BM25 and semantic weights, without a server or a GPU.",
)

for command in (
    corpus.inspect,
    corpus.index,
    corpus.merge,
    corpus.sync,
    search.search,
    ask.ask,
    evaluation.evaluate,
    evaluation.tune,
    elastic.parity,
    experiments.experiments,
    experiments.rerun,
    experiments.diff,
    experiments.export,
    experiments.report,
    serve.serve,
    corpus.delete,
    corpus.info,
    machine.doctor,
):
    app.command()(command)
app.command("app")(panel.serve)
app.add_typer(profiles.app, name="profile")
app.add_typer(bench.app, name="bench")
app.add_typer(experiments.notebook_app, name="notebook")


def main() -> None:
    """Run the command line. Exit code 1 for an error of the package, 2 for wrong usage."""
    try:
        app()
    except WorkbenchError as error:
        say(f"Error: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        say("Interrupted. What was stored stays; run the command again to continue.", err=True)
        sys.exit(130)
