"""Verbs about profiles: `workbench profile list|show|diff|measure`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import QRELS_HELP, QUERIES_HELP, AsJson, Folder, read_profile
from workbench.cli.printing import print_json, print_result, say

app = typer.Typer(no_args_is_help=True, help="Show, compare and measure profiles.")
Name = Annotated[str, typer.Argument(help="Name or TOML file.", show_default=False)]


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """List the profiles that have a name."""
    from workbench.profiles import list_profiles

    names = list_profiles()
    if as_json:
        print_json(names)
    else:
        say("\n".join(names))


@app.command()
def show(
    profile: Annotated[
        str | None, typer.Argument(help="Name or TOML file; else what the environment says.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a profile's settings, as TOML."""
    chosen = read_profile(profile)
    if as_json:
        print_json(chosen.to_dict())
    else:
        typer.echo(chosen.to_toml(), nl=False)


@app.command()
def diff(one: Name, other: Name, as_json: AsJson = False) -> None:
    """Show the settings in which two profiles differ."""
    found = read_profile(one).diff(read_profile(other))
    print_result(found, as_json)


@app.command()
def measure(
    folder: Folder,
    queries: Annotated[Path, typer.Option(help=QUERIES_HELP)],
    qrels: Annotated[Path, typer.Option(help=QRELS_HELP)],
    profile: Annotated[
        list[str] | None, typer.Option(help="Name or TOML file; repeat for several, or all.")
    ] = None,
    metric: Annotated[str, typer.Option(help="The measure of quality.")] = "nDCG@10",
    as_json: AsJson = False,
) -> None:
    """Measure quality, latency and memory of profiles on this corpus, each in a fresh process."""
    from workbench.measurement.measure import measure_profiles

    chosen = [read_profile(name) for name in profile or []]
    found = measure_profiles(
        folder, queries, qrels, chosen or None, metric=metric, progress=not as_json
    )
    print_result(found, as_json)
