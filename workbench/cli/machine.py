"""Verbs about this machine."""

from __future__ import annotations

import typer

from workbench.cli.options import AsJson
from workbench.cli.printing import print_checks, print_json


def doctor(as_json: AsJson = False) -> None:
    """Check what is installed, which runtime and weights are used, and where the cache is."""
    from workbench.doctor import examine

    checks = examine()
    if as_json:
        print_json([check.to_dict() for check in checks])
    else:
        print_checks(checks)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)
