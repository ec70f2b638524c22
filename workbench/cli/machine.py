"""Verbs about this machine."""

from __future__ import annotations

from typing import Any

import typer

from workbench.cli.elastic import EngineUrl, IndexName, read_engine
from workbench.cli.options import AsJson
from workbench.cli.printing import print_checks, print_json


def doctor(engine: EngineUrl = None, index: IndexName = "papers", as_json: AsJson = False) -> None:
    """Check what is installed, which runtime and weights are used, and where the cache is; with
    --engine, what a cluster offers."""
    from workbench import doctor as here

    spec = read_engine(engine, index)
    checks: list[Any] = []
    if spec is None:
        checks += here.examine()
    else:
        from workbench.engines.elastic import health

        checks += health.examine(spec)
    if as_json:
        print_json([check.to_dict() for check in checks])
    else:
        print_checks(checks)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)
