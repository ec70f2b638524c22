"""The recordings of real runs, which all tests of the monitor and its plot use."""

from __future__ import annotations

from pathlib import Path

RECORDINGS = sorted((Path(__file__).parent / "recordings").glob("*.jsonl"))
