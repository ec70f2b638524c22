"""Verbs that make, change and describe a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import AsJson, Folder
from workbench.cli.printing import print_facts, print_json, say

Columns = Annotated[
    list[str] | None,
    typer.Option("--column", help="What a column of a table is: title='Paper name'. Repeatable."),
]


def index(
    sources: Annotated[
        list[str],
        typer.Argument(help="Files of any format, folders, zotero.sqlite.", show_default=False),
    ],
    into: Annotated[Path, typer.Option("--into", help="Corpus folder, new or existing.")],
    model: Annotated[str | None, typer.Option(help="Name or folder of the embedder.")] = None,
    runtime: Annotated[
        str | None,
        typer.Option(help="onnx-int8, onnx-fp32, torch, sentence-transformers or auto."),
    ] = None,
    strict: Annotated[bool, typer.Option(help="Stop at the first bad record.")] = False,
    column: Columns = None,
    shard: Annotated[
        str | None, typer.Option(help="I/N: every N-th record from the I-th, for `merge`.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Index papers as you have them into a corpus folder. Run it again to continue, or to add."""
    from dataclasses import asdict

    from workbench.opening import index as run

    try:
        report = run(
            sources,
            into,
            model=model,
            runtime=runtime,
            strict=strict,
            columns=_columns(column),
            shard=_shard(shard),
            progress=not as_json,
        )
    except KeyboardInterrupt:
        say("Interrupted. What was stored stays; run the same again to continue.", err=True)
        raise typer.Exit(130) from None
    if as_json:
        print_json(asdict(report))
    else:
        say(f"{report}\nSearch it: workbench search {into} 'your query'")


def _shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, mark, count = text.partition("/")
    if not (mark and first.isdecimal() and count.isdecimal()):
        raise typer.BadParameter(f"--shard {text}: write I/N, like 2/8")
    return int(first), int(count)


def merge(
    shards: Annotated[list[Path], typer.Argument(help="Folders of shards.", show_default=False)],
    into: Annotated[Path, typer.Option("--into", help="Corpus folder, new or existing.")],
    as_json: AsJson = False,
) -> None:
    """Make one corpus of several shards. Run it again to continue; nothing is embedded again."""
    from dataclasses import asdict

    from workbench.opening import merge as run

    report = run(shards, into, progress=not as_json)
    if as_json:
        print_json(asdict(report))
    else:
        typer.echo(str(report))


def inspect(
    sources: Annotated[
        list[str], typer.Argument(help="Files or folders of papers.", show_default=False)
    ],
    column: Columns = None,
    n: Annotated[int, typer.Option("-n", min=0, help="Papers and rejects that are shown.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Say what sources are, what was guessed, and what would be rejected. Nothing is written."""
    from workbench.corpus.inspecting import inspect_source

    found = [inspect_source(source, columns=_columns(column), n=n) for source in sources]
    if as_json:
        inspected = [one.to_dict() for one in found]
        print_json(inspected if len(inspected) > 1 else inspected[0])
    else:
        say("\n\n".join(map(str, found)))


def sync(
    folder: Folder,
    prune: Annotated[
        bool, typer.Option("--prune", help="Also where a file lost most of its records.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read again the files and folders that a corpus was made of."""
    from dataclasses import asdict

    from workbench.opening import open_corpus

    with open_corpus(folder, progress=not as_json) as bench:
        report = bench.sync(prune=prune, progress=not as_json)
    if as_json:
        print_json(asdict(report))
    else:
        say(report)


def _columns(given: list[str] | None) -> dict[str, str]:
    pairs = [text.partition("=") for text in given or ()]
    for role, mark, name in pairs:
        if not (role and mark and name):
            raise typer.BadParameter(f"--column {role!r}: write FIELD=NAME, title='Paper name'")
    return {role: name for role, _, name in pairs}


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
        say(f"{count} of {len(ids)} papers deleted")


def info(folder: Folder, as_json: AsJson = False) -> None:
    """Show what a corpus holds and from what it was made."""
    from workbench.opening import open_corpus

    with open_corpus(folder, progress=not as_json) as bench:
        facts = bench.info()
    if as_json:
        print_json(facts)
    else:
        print_facts(str(folder), facts)
