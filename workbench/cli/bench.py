"""`workbench bench`: profiles side by side, load, resources; on the person's own corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli.options import QRELS_HELP, QUERIES_HELP, AsJson, Folder, read_profile
from workbench.cli.printing import print_json

app = typer.Typer(no_args_is_help=True, help="Measure a corpus, or a service over it.")
Save = Annotated[
    Path | None, typer.Option(help="Write JSON to this file, and the plot as .html beside it.")
]


@app.command()
def compare(
    folder: Folder,
    queries: Annotated[Path, typer.Option(help=QUERIES_HELP)],
    qrels: Annotated[Path, typer.Option(help=QRELS_HELP)],
    profile: Annotated[
        list[str], typer.Option(help="Name or TOML file; the first is before, the next after.")
    ],
    metric: Annotated[str, typer.Option(help="The measure of quality.")] = "nDCG@10",
    save: Save = None,
    as_json: AsJson = False,
) -> None:
    """Compare profiles in one run: quality, latency, memory, each in a fresh process."""
    from workbench.measurement.measure import measure_profiles

    chosen = [read_profile(name) for name in profile]
    found = measure_profiles(folder, queries, qrels, chosen, metric=metric, progress=not as_json)
    first = found.rows[0]
    changes = {
        row.profile: {
            "quality": round(row.quality - first.quality, 4),
            "p50": round(row.p50_ms / first.p50_ms, 3),
            "memory": round(row.memory_mb / first.memory_mb, 3),
        }
        for row in found.rows[1:]
    }
    told = {**found.to_dict(), "against": first.profile, "changes": changes}
    _give(told, str(found), _bars(found), save, as_json)
    if not as_json:
        for name, change in changes.items():
            typer.echo(
                f"{name} against {first.profile}: {metric} {change['quality']:+.4f}, "
                f"latency x {change['p50']:g}, memory x {change['memory']:g}"
            )


@app.command()
def load(
    url: Annotated[str, typer.Argument(help="Of a service.", show_default=False)],
    queries: Annotated[Path, typer.Option(help=QUERIES_HELP)],
    rate: Annotated[float, typer.Option(help="Requests a second.")] = 50.0,
    seconds: Annotated[float, typer.Option(help="How long.")] = 10.0,
    path: Annotated[str, typer.Option(help="search or snippet.")] = "search",
    save: Save = None,
    as_json: AsJson = False,
) -> None:
    """Put a service under load, open loop: latency counts from when a request should have left."""
    from workbench.evaluation.inputs import as_queries
    from workbench.measurement.load import run_load, search_paths
    from workbench.profiles import serve_key

    texts = [query.text for query in as_queries(queries)]
    found = run_load(url, search_paths(texts, path), rate, seconds, key=serve_key())
    _give(found.to_dict(), str(found), found.plot() if save else None, save, as_json)


@app.command()
def monitor(
    pid: Annotated[int, typer.Argument(help="Of a service, or any process.", show_default=False)],
    seconds: Annotated[float, typer.Option(help="How long.")] = 10.0,
    every: Annotated[float, typer.Option(help="Seconds between two readings.")] = 0.5,
    save: Save = None,
    as_json: AsJson = False,
) -> None:
    """Watch the memory and CPUs of a process and its children."""
    from workbench.measurement.resources import watch

    found = watch(pid, seconds, every)
    _give(found.to_dict(), str(found), found.plot() if save else None, save, as_json)


def _give(told: dict[str, Any], text: str, figure: Any, save: Path | None, as_json: bool) -> None:
    from workbench.measurement.load import save as write

    if save is not None:
        write(save, told, figure)
    if as_json:
        print_json(told)
    else:
        typer.echo(text)


def _bars(found: Any) -> Any:
    from plotly.subplots import make_subplots

    facts = {"quality": "quality", "p50_ms": "latency p50, ms", "memory_mb": "memory, MB"}
    figure = make_subplots(1, len(facts), subplot_titles=tuple(facts.values()))
    names = [row.profile for row in found.rows]
    for place, name in enumerate(facts, start=1):
        figure.add_bar(x=names, y=[getattr(row, name) for row in found.rows], row=1, col=place)
    return figure.update_layout(showlegend=False)
