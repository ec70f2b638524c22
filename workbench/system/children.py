"""Child processes of the package: another Python that imports nothing of the current folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_ROOT = str(Path(__file__).resolve().parents[2])

_START = (
    "import runpy, sys; sys.path.append(sys.argv.pop(1)); "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)
"""`-m`, with this package's own folder last: it may be a checkout that is not installed."""


def run_module(
    module: str, arguments: Sequence[str] = (), *, told: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a module of the package to its end, and return its exit code and what it wrote.

    `told` is all that it finds on standard input, so nothing that it runs can ask the person. The
    current folder is not on its path (`-P`), nor what is relative in PYTHONPATH: in a folder of
    downloads a `torch.py` would run.
    """
    python = [sys.executable, "-P", "-c", _START, _ROOT, module]
    return subprocess.run(
        [*python, *arguments],
        input=told,
        capture_output=True,
        check=False,
        encoding="utf-8",
        errors="replace",
        env=_environment(),
    )


def attach_module(module: str, arguments: Sequence[str] = ()) -> int:
    """Run a module in front of the person, on the same terminal, and return its exit code; with the
    same safe path."""
    python = [sys.executable, "-P", "-c", _START, _ROOT, module]
    return subprocess.run([*python, *arguments], check=False, env=_environment()).returncode


def start_module(module: str) -> subprocess.Popen[str]:
    """The same, without waiting for its end: it reads from a pipe and writes errors to one. Nothing
    else of this process comes along, and its own group keeps Ctrl-C here."""
    python = [sys.executable, "-P", "-c", _START, _ROOT, module]
    return subprocess.Popen(
        python,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        env=_environment(),
        start_new_session=True,
    )


def start_worker(module: str) -> subprocess.Popen[bytes]:
    """The same, with pipes for bytes to it and from it. It is to read until its input ends, which
    it does when this process ends, however that is."""
    python = [sys.executable, "-P", "-c", _START, _ROOT, module]
    return subprocess.Popen(
        python,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        start_new_session=True,
    )


def _environment() -> dict[str, str]:
    """This process's own; its children's children keep the safe path too."""
    places = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    path = os.pathsep.join(place for place in places if os.path.isabs(place))
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    utf8 = {"PYTHONSAFEPATH": "1", "PYTHONIOENCODING": "utf-8"}
    return own | utf8 | ({"PYTHONPATH": path} if path else {})
