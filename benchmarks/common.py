"""What every benchmark shares: the data, the machine, timing, whole processes, tables, targets."""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil
from rich import box
from rich.console import Console
from rich.table import Table

import workbench as wb

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
INDEXES = ROOT / ".data"
PACKAGES = (
    "numpy",
    "onnxruntime",
    "bm25s",
    "torch",
    "sentence-transformers",
    "faiss-cpu",
    "lancedb",
    "ir_measures",
)

PAUSE = 0.005
"""Seconds before each turn in `interleave`."""

BUSY = 20.0
"""Per cent of the CPUs in other hands from which times mean little."""

Input = TypeVar("Input")

console = Console() if sys.stdout.isatty() else Console(width=200)


@dataclass(frozen=True, slots=True)
class Source:
    """A collection of the public data, and where its index is kept."""

    file: str
    index: str


SOURCES = {
    "scifact": Source("scifact", "scifact"),
    "arxiv": Source("arxiv_papers.jsonl.xz", "arxiv"),
}


def arguments(description: str | None) -> argparse.ArgumentParser:
    """A parser with `--data`; scripts add their own options."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the public data")
    return parser


def need(path: Path) -> Path:
    """The path, or a message and exit 2 where it is not there."""
    if not path.exists():
        print(f"{path.name} is not here: put the public data at {path}, or give --data DIR")
        sys.exit(2)
    return path


def index_of(name: str, data: Path) -> Path:
    """The folder of a collection's index; built if absent."""
    source = SOURCES[name]
    folder = INDEXES / source.index
    if not (folder / "manifest.json").is_file():
        print(f"Indexing {name} once, into .data/{source.index}", file=sys.stderr)
        wb.index(need(data / source.file), folder)
    return folder


def queries_of(data: Path, split: str) -> tuple[list[wb.Query], list[wb.Judgment]]:
    """SciFact's judged queries of a split (`test` or `train`) and their judgments."""
    judgments = wb.read_qrels(need(data / "scifact" / "qrels" / f"{split}.tsv"))
    judged = {judgment.query_id for judgment in judgments}
    queries = wb.read_queries(need(data / "scifact" / "queries.jsonl"))
    return [query for query in queries if query.id in judged], judgments


# Whole processes


@dataclass(frozen=True, slots=True)
class Process:
    """What a finished process took: wall seconds, peak resident MB, its standard output."""

    seconds: float
    peak_mb: float
    output: str


_LAUNCHER = """
import json, os, sys, time
started = time.perf_counter()
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - started
with open(sys.argv[1], "w") as stream:
    json.dump([seconds, usage.ru_maxrss, os.waitstatus_to_exitcode(status)], stream)
"""


def run_process(*command: str) -> Process:
    """Run this Python with arguments in the project's folder and measure the whole process.

    A small process of its own starts it, since on Linux a child's peak counts its parent's
    memory at the fork. The peak is that of the largest process among it and its children.
    Raises RuntimeError with the last lines of its errors where it fails.
    """
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        done = subprocess.run(
            [*launcher, str(report), sys.executable, *command],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
        if not report.is_file():
            raise RuntimeError(f"could not start python {' '.join(command)}: {done.stderr}")
        seconds, peak, code = json.loads(report.read_text())
    if code != 0:
        raise RuntimeError(f"python {' '.join(command)} exited {code}: {done.stderr[-2000:]}")
    return Process(seconds, maxrss_mb(peak), done.stdout)


def maxrss_mb(value: int) -> float:
    """`ru_maxrss` in MB (10^6 bytes): Linux counts KiB, macOS bytes."""
    return value / 1e6 if sys.platform == "darwin" else value * 1024 / 1e6


# Time


@dataclass(slots=True)
class Timing:
    """One contender's seconds, and what it answered, one entry an input."""

    seconds: list[float] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)

    @property
    def p50(self) -> float:
        """Median, seconds."""
        return float(np.percentile(self.seconds, 50))

    @property
    def p95(self) -> float:
        """95th percentile, seconds."""
        return float(np.percentile(self.seconds, 95))


def interleave(
    contenders: Mapping[str, Callable[[Input], Any]], inputs: Sequence[Input]
) -> dict[str, Timing]:
    """Each input to every contender, in random order, before the next input.

    So whatever else the machine does meanwhile falls on all of them alike. Before each turn a
    pause, in which the thread pools of the one before stop spinning. An answer that is a Process
    brings its own time.
    """
    timings = {name: Timing() for name in contenders}
    dice = random.Random(0)
    for given in inputs:
        for name in dice.sample(list(contenders), len(contenders)):
            time.sleep(PAUSE)
            started = time.perf_counter()
            answer = contenders[name](given)
            seconds = time.perf_counter() - started
            timings[name].seconds.append(answer.seconds if isinstance(answer, Process) else seconds)
            timings[name].answers.append(answer)
    return timings


def ratios(timings: Mapping[str, Timing]) -> dict[str, str]:
    """Each contender's median over ours, the first one's."""
    ours = next(iter(timings.values())).p50
    return {name: f"{timing.p50 / ours:.2f}" for name, timing in timings.items()}


# What is printed


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value beside its target: at most `target`, or with `least` at least."""

    name: str
    value: float
    target: float
    unit: str = ""
    least: bool = False

    @property
    def met(self) -> bool:
        """Whether the value keeps to the target."""
        return self.value >= self.target if self.least else self.value < self.target


def heading(title: str) -> None:
    """The title of a benchmark and the machine it runs on, in Markdown."""
    console.print(f"## {title}\n", markup=False, highlight=False)
    note(machine())
    busy = psutil.cpu_percent(interval=1)
    if busy >= BUSY:
        note(f"**The CPUs were {busy:.0f} % busy with other work: the times below mean little.**")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table that is Markdown too; the first column is text, the others are numbers."""
    shown = Table(box=box.MARKDOWN)
    for number, column in enumerate(columns):
        shown.add_column(column, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        shown.add_row(*row)
    console.print(f"{title}:", markup=False, highlight=False, soft_wrap=True)
    console.print(shown)


def targets(figures: Sequence[Figure]) -> None:
    """Each figure with its target and whether it is met."""
    rows = [
        (
            figure.name,
            f"{figure.value:.3g} {figure.unit}".strip(),
            f"{'>=' if figure.least else '<'} {figure.target:g} {figure.unit}".strip(),
            "met" if figure.met else "**missed**",
        )
        for figure in figures
    ]
    table("Targets", ("figure", "measured", "target", "verdict"), rows)


def note(text: str) -> None:
    """A line under a table."""
    console.print(f"{text}\n", markup=False, highlight=False, soft_wrap=True)


def machine() -> str:
    """One paragraph: CPU, memory, system, versions, commit."""
    cpu, vnni = _cpu()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {found}" for name in PACKAGES if (found := _version(name)))
    return (
        f"{cpu}, {cores()} cores for this process, VNNI {'yes' if vnni else 'no'}, "
        f"{memory:.0f} GiB; {platform.platform()}, "
        f"Python {platform.python_version()}, {versions}; commit {_commit()}"
    )


def cores() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu() -> tuple[str, bool]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine(), False
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return (names or [platform.machine()])[0], "_vnni" in text


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
