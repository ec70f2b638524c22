"""The command line: each verb is the package's, printed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.profiles import Profile

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Search papers with BM25 and semantic weights, without a server or a GPU.",
)

Folder = Annotated[Path, typer.Argument(help="Corpus folder.", show_default=False)]
Weights = Annotated[
    list[str] | None,
    typer.Option(help="SIGNAL=NUMBER; repeat for several. The rest share what is left to 1."),
]
Normaliser = Annotated[str | None, typer.Option(help="min-max, z-score, theoretical, none or rrf.")]
ProfileFile = Annotated[Path | None, typer.Option(help="TOML file of a profile.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command()
def index(
    source: Annotated[Path, typer.Argument(help="JSONL (.gz, .xz), CSV, Parquet or BEIR folder.")],
    into: Annotated[Path, typer.Option("--into", help="Corpus folder, new or existing.")],
    model: Annotated[str | None, typer.Option(help="Name or folder of the embedder.")] = None,
    strict: Annotated[bool, typer.Option(help="Stop at the first bad record.")] = False,
    as_json: AsJson = False,
) -> None:
    """Index a source into a corpus folder. Run it again after an interruption to continue."""
    from dataclasses import asdict

    from workbench.session import index as run

    try:
        report = run(source, into, model=model, strict=strict, progress=not as_json)
    except KeyboardInterrupt:
        typer.echo("Interrupted. What was stored stays; run the same again to continue.", err=True)
        raise typer.Exit(130) from None
    if as_json:
        _print_json(asdict(report))
    else:
        typer.echo(f"{report}\nSearch it: workbench search {into} 'your query'")


@app.command()
def search(
    folder: Folder,
    query: Annotated[str, typer.Argument(help="What to search for.", show_default=False)],
    k: Annotated[int, typer.Option("-k", help="Number of papers.")] = 10,
    weight: Weights = None,
    normaliser: Normaliser = None,
    profile: ProfileFile = None,
    year: Annotated[str | None, typer.Option(help="2019:2024, 2019:, :2024 or 2019.")] = None,
    venue: Annotated[list[str] | None, typer.Option(help="Words of a venue; repeatable.")] = None,
    author: Annotated[list[str] | None, typer.Option(help="Words of a name; repeatable.")] = None,
    field: Annotated[list[str] | None, typer.Option(help="Words of a field; repeatable.")] = None,
    paper: Annotated[list[str] | None, typer.Option("--id", help="Paper id; repeatable.")] = None,
    as_json: AsJson = False,
) -> None:
    """Search a corpus."""
    from workbench.session import open_corpus

    weights, years = _weights(weight or []), _years(year)
    with open_corpus(folder, profile=_profile(profile, normaliser), progress=not as_json) as bench:
        ranking = bench.search(
            query,
            k,
            weights=weights or None,
            year=years,
            venue=venue or None,
            author=author or None,
            field=field or None,
            ids=paper or None,
        )
        if as_json:
            _print_json(ranking.to_dict())
        else:
            _print_ranking(ranking)


@app.command()
def evaluate(
    folder: Folder,
    queries: Annotated[Path, typer.Option(help="JSONL with id and text, or a BEIR folder.")],
    qrels: Annotated[Path, typer.Option(help="Judgments: TREC's or BEIR's columns.")],
    metrics: Annotated[str, typer.Option(help="Names with commas, like nDCG@10,RR,R@100.")] = "",
    weight: Weights = None,
    normaliser: Normaliser = None,
    profile: ProfileFile = None,
    as_json: AsJson = False,
) -> None:
    """Measure a corpus's search on judged queries."""
    from workbench.evaluation.metrics import DEFAULT_METRICS
    from workbench.session import open_corpus

    weights = _weights(weight or [])
    with open_corpus(folder, profile=_profile(profile, normaliser), progress=not as_json) as bench:
        report = bench.evaluate(
            queries,
            qrels,
            metrics or DEFAULT_METRICS,
            weights=weights or None,
            progress=not as_json,
        )
    if as_json:
        _print_json(report.to_dict())
    else:
        typer.echo(str(report))


@app.command()
def delete(
    folder: Folder,
    ids: Annotated[list[str], typer.Argument(help="Ids of papers.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Remove papers from a corpus."""
    from workbench.session import open_corpus

    with open_corpus(folder, progress=not as_json) as bench:
        count = bench.delete(ids)
    if as_json:
        _print_json({"deleted": count})
    else:
        typer.echo(f"{count} of {len(ids)} papers deleted")


@app.command()
def info(folder: Folder, as_json: AsJson = False) -> None:
    """Show what a corpus holds and from what it was made."""
    from workbench.session import open_corpus

    with open_corpus(folder, progress=not as_json) as bench:
        facts = bench.info()
    if as_json:
        _print_json(facts)
    else:
        _print_facts(str(folder), facts)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check what is installed, which runtime and weights are used, and where the cache is."""
    from workbench.doctor import examine

    checks = examine()
    if as_json:
        _print_json([check.to_dict() for check in checks])
    else:
        _print_checks(checks)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def main() -> None:
    """Run the command line. Exit code 1 for an error of the package, 2 for wrong usage."""
    try:
        app()
    except WorkbenchError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo(
            "Interrupted. What was stored stays; run the command again to continue.", err=True
        )
        sys.exit(130)


def _profile(path: Path | None, normaliser: str | None) -> Profile:
    from workbench.profiles import Profile

    chosen = Profile() if path is None else Profile.from_toml(path)
    return chosen if normaliser is None else chosen.replace(normaliser=normaliser)


def _weights(options: list[str]) -> dict[str, float]:
    weights = {}
    for option in options:
        name, separator, number = option.partition("=")
        try:
            weights[name] = float(number)
        except ValueError:
            separator = ""
        if not separator or not name:
            raise typer.BadParameter(f"--weight {option}: give SIGNAL=NUMBER, like dense=0.7")
    return weights


def _years(option: str | None) -> tuple[int | None, int | None] | None:
    if option is None:
        return None
    first, separator, last = option.partition(":")
    try:
        years = int(first) if first else None, int(last) if last else None
    except ValueError:
        raise typer.BadParameter(f"--year {option}: give FIRST:LAST, like 2019:2024") from None
    return years if separator else (years[0], years[0])


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def _print_ranking(ranking: Any) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from workbench.ranking.present import authors_line, printable

    signals = [name for name, weight in ranking.profile.weights.items() if weight]
    table = Table(box=None, header_style="bold", padding=(0, 1))
    table.add_column("#", justify="right")
    table.add_column("paper", overflow="fold", ratio=1)
    table.add_column("score", justify="right")
    for name in signals:
        table.add_column(name, justify="right")
    for hit in ranking:
        place = " ".join(str(part) for part in (hit.paper.venue, hit.paper.year) if part)
        by = f"{authors_line(hit.paper.authors, 3)} · {place} · {hit.paper.id}"
        title = printable(hit.paper.title or hit.paper.id)
        text = Text.assemble((title, "bold"), "\n", (printable(by), "dim"))
        shares = [f"{hit.signals[name].share:.0%}" for name in signals]
        table.add_row(str(hit.rank), text, f"{hit.score:.3f}", *shares)
    console = Console()
    console.print(table)
    for note in ranking.notes:
        console.print(Text(note, "yellow"))
    console.print(
        Text(
            f"{len(ranking)} of {ranking.papers_found} papers, {ranking.timings_ms['total']:.0f} ms"
        )
    )


def _print_facts(title: str, facts: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), box=None, show_header=False, padding=(0, 1))
    for name, value in facts.items():
        table.add_row(Text(name, "dim"), Text(_fact(value)))
    Console().print(table)


def _fact(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


def _print_checks(checks: Any) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 1))
    for check in checks:
        mark = Text("ok", "green") if check.ok else Text("fix", "bold red")
        detail = Text(check.found if check.ok else f"{check.found}: {check.remedy}")
        table.add_row(mark, Text(check.name, "bold"), detail)
    Console().print(table)
