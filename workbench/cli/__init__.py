"""The command line: each verb is the package's, printed."""

from workbench.cli.app import main

__all__ = ["main"]
