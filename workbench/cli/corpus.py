"""Verbs that make, change and describe a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import AsJson, Folder
from workbench.cli.printing import print_facts, print_json


def index(
    source: Annotated[Path, typer.Argument(help="JSONL (.gz, .xz), CSV, Parquet or BEIR folder.")],
    into: Annotated[Path, typer.Option("--into", help="Corpus folder, new or existing.")],
    model: Annotated[str | None, typer.Option(help="Name or folder of the embedder.")] = None,
    runtime: Annotated[
        str | None,
        typer.Option(help="onnx-int8, onnx-fp32, torch, sentence-transformers or auto."),
    ] = None,
    strict: Annotated[bool, typer.Option(help="Stop at the first bad record.")] = False,
    as_json: AsJson = False,
) -> None:
    """Index a source into a corpus folder. Run it again after an interruption to continue."""
    from dataclasses import asdict

    from workbench.opening import index as run

    try:
        report = run(
            source, into, model=model, runtime=runtime, strict=strict, progress=not as_json
        )
    except KeyboardInterrupt:
        typer.echo("Interrupted. What was stored stays; run the same again to continue.", err=True)
        raise typer.Exit(130) from None
    if as_json:
        print_json(asdict(report))
    else:
        typer.echo(f"{report}\nSearch it: workbench search {into} 'your query'")


def delete(
    folder: Folder,
    ids: Annotated[list[str], typer.Argument(help="Ids of papers.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Remove papers from a corpus."""
    from workbench.opening import open_corpus

    with open_corpus(folder, progress=not as_json) as bench:
        count = bench.delete(ids)
    if as_json:
        print_json({"deleted": count})
    else:
        typer.echo(f"{count} of {len(ids)} papers deleted")


def info(folder: Folder, as_json: AsJson = False) -> None:
    """Show what a corpus holds and from what it was made."""
    from workbench.opening import open_corpus

    with open_corpus(folder, progress=not as_json) as bench:
        facts = bench.info()
    if as_json:
        print_json(facts)
    else:
        print_facts(str(folder), facts)
