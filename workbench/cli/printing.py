"""What the verbs print: JSON, tables, facts."""

from __future__ import annotations

import json
from typing import Any

import typer

from workbench.present.words import printable


def say(text: object, *, err: bool = False) -> None:
    """Print text that may hold names of files and words of papers: a terminal obeys none of it."""
    typer.echo(printable(str(text)), err=err)


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def print_result(result: Any, as_json: bool) -> None:
    """A result with `to_dict` and a text."""
    if as_json:
        print_json(result.to_dict())
    else:
        say(result)


def print_ranking(ranking: Any) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from workbench.present.words import authors_line

    signals = [name for name, weight in ranking.profile.weights.items() if weight]
    table = Table(box=None, header_style="bold", padding=(0, 1))
    table.add_column("#", justify="right")
    table.add_column("paper", overflow="fold", ratio=1)
    table.add_column("score", justify="right")
    for name in signals:
        table.add_column(name.replace("_", "\n"), justify="right")
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
        console.print(Text(printable(note), "yellow"))
    console.print(
        Text(
            f"{len(ranking)} of {ranking.papers_found} papers, {ranking.timings_ms['total']:.0f} ms"
        )
    )


def print_facts(title: str, facts: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(printable(title)), box=None, show_header=False, padding=(0, 1))
    for name, value in facts.items():
        table.add_row(Text(name, "dim"), Text(printable(_fact(value))))
    Console().print(table)


def _fact(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


def print_checks(checks: Any) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 1))
    for check in checks:
        mark = Text("ok", "green") if check.ok else Text("fix", "bold red")
        found = check.found if check.ok else f"{check.found}: {check.remedy}"
        detail = Text(printable(found))
        table.add_row(mark, Text(check.name, "bold"), detail)
    Console().print(table)
