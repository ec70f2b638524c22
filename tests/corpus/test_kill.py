"""An index whose build was killed, again and again, is the index of an undisturbed build."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.conftest import hear_ctrl_c
from workbench.corpus.manifest import NAME, VECTORS, read_manifest
from workbench.engines.embedded.indexing import BLOCK
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.session import Workbench

from . import fakes
from .fakes import long_record

KILLS = 20
PAPERS = 300
SECONDS = 0.04
"""That each block takes longer than it must, so that kills fall between and inside of them."""

REAL = """
import sys
from workbench.opening import index
print("started", flush=True)
index(sys.argv[2], sys.argv[1], progress=False)
"""


@dataclass(frozen=True)
class Undisturbed:
    """A finished build to compare with, and how long it took after its imports."""

    folder: Path
    source: Path
    seconds: float


def start(folder: Path, source: Path) -> subprocess.Popen[str]:
    """A process that indexes with the fake embedder; returns when its imports are done."""
    log, script = folder.with_suffix(".log"), fakes.__file__
    return _started([script, str(folder), str(source), str(log), str(SECONDS)])


def _started(arguments: list[str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    )
    assert process.stdout is not None
    assert process.stdout.readline(), process.communicate()[1]
    return process


def end(process: subprocess.Popen[str], number: int | None = None, after: float = 60) -> int:
    """Send a signal after some seconds, unless the process ends before; its exit status."""
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        assert number is not None
        process.send_signal(number)
    process.communicate(timeout=60)
    return process.returncode


def embedded(folder: Path) -> list[str]:
    """Digests of all texts that any process embedded for this folder."""
    log = folder.with_suffix(".log")
    return log.read_text().splitlines() if log.exists() else []


def assert_same(folder: Path, other: Path) -> None:
    assert (folder / VECTORS).read_bytes() == (other / VECTORS).read_bytes()
    assert read_manifest(folder).fingerprint == read_manifest(other).fingerprint
    assert read_manifest(folder).papers == read_manifest(other).papers
    for query in ("dense retrieval feedback", "citation graph", "speech"):
        assert fakes.found(folder, query, 1000) == fakes.found(other, query, 1000)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    work = tmp_path_factory.mktemp("kill")
    source = work / "papers.jsonl"
    source.write_text("".join(json.dumps(long_record(n)) + "\n" for n in range(PAPERS)))
    process = start(work / "whole", source)
    started = time.monotonic()
    assert end(process) == 0
    return Undisturbed(work / "whole", source, time.monotonic() - started)


def moments(seconds: float) -> Iterator[float]:
    """Random moments, one in each equal part of the duration, in random order; endless."""
    random = Random(7)
    while True:
        parts = random.sample(range(KILLS), KILLS)
        yield from (seconds * (part + random.random()) / KILLS for part in parts)


@pytest.fixture(scope="module")
def survivors(undisturbed: Undisturbed) -> list[tuple[Path, int]]:
    """Folders whose builds were killed, each resumed until it was complete, with their kills."""
    folders: list[tuple[Path, int]] = []
    after = moments(undisturbed.seconds)
    while sum(kills for _, kills in folders) < KILLS:
        folder, kills = undisturbed.folder.with_name(f"killed{len(folders)}"), 0
        while end(start(folder, undisturbed.source), signal.SIGKILL, next(after)) != 0:
            kills += 1
        folders.append((folder, kills))
    return folders


def test_kills_fell_into_the_work(survivors: list[tuple[Path, int]]) -> None:
    assert sum(kills for _, kills in survivors) >= KILLS
    assert max(kills for _, kills in survivors) > 1


def test_killed_builds_end_as_the_undisturbed_one(
    survivors: list[tuple[Path, int]], undisturbed: Undisturbed
) -> None:
    for folder, _ in survivors:
        assert_same(folder, undisturbed.folder)


def test_no_paper_is_lost(survivors: list[tuple[Path, int]]) -> None:
    assert {read_manifest(folder).papers for folder, _ in survivors} == {PAPERS}


def test_a_kill_costs_at_most_one_block_of_embedding(
    survivors: list[tuple[Path, int]], undisturbed: Undisturbed
) -> None:
    needed = embedded(undisturbed.folder)
    for folder, kills in survivors:
        done = embedded(folder)
        assert set(done) == set(needed)
        assert len(needed) <= len(done) <= len(needed) + kills * BLOCK


def test_readers_see_the_old_generation_until_the_new_one_is_complete(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    folder = tmp_path / "grown"
    fakes.build(folder, undisturbed.source)
    before, manifest = fakes.found(folder), (folder / NAME).read_bytes()
    more = tmp_path / "more.jsonl"
    more.write_text(
        "".join(json.dumps(long_record(n)) + "\n" for n in range(PAPERS - 100, PAPERS + 200))
    )
    for after in (0.05, 0.15):
        if end(start(folder, more), signal.SIGKILL, undisturbed.seconds * after) != 0:
            assert (folder / NAME).read_bytes() == manifest
            assert fakes.found(folder) == before
    assert end(start(folder, more)) == 0
    assert read_manifest(folder).papers == PAPERS + 200


def test_control_c_leaves_it_continuing(undisturbed: Undisturbed, tmp_path: Path) -> None:
    folder = tmp_path / "interrupted"
    process = start(folder, undisturbed.source)
    while not embedded(folder):
        time.sleep(0.005)
    assert end(process, signal.SIGINT, 0) in (-signal.SIGINT, 130)
    assert not (folder / "write.pid").exists()
    assert end(start(folder, undisturbed.source)) == 0
    assert_same(folder, undisturbed.folder)
    assert len(embedded(folder)) <= len(embedded(undisturbed.folder)) + BLOCK


def _answers(folder: Path, embedder: OnnxEmbedder) -> list[Any]:
    with Workbench(folder, embedder=embedder) as bench:
        return [(hit.paper.id, hit.score) for hit in bench.search("ranking with neural models", 60)]


def test_the_real_model_resumes_to_the_same_bytes(embedder: OnnxEmbedder, tmp_path: Path) -> None:
    landmarks = Path(__file__).parents[2] / "data" / "landmarks" / "papers.jsonl"
    source, whole, killed = (tmp_path / name for name in ("papers.jsonl", "whole", "killed"))
    source.write_text("".join(landmarks.read_text("utf-8").splitlines(keepends=True)[:60]))
    process = _started(["-c", REAL, str(whole), str(source)])
    started = time.monotonic()
    assert end(process) == 0
    seconds = time.monotonic() - started
    ends = [
        end(_started(["-c", REAL, str(killed), str(source)]), signal.SIGKILL, seconds * share)
        for share in (0.3, 0.6)
    ]
    assert -signal.SIGKILL in ends
    assert end(_started(["-c", REAL, str(killed), str(source)])) == 0
    assert (killed / VECTORS).read_bytes() == (whole / VECTORS).read_bytes()
    assert _answers(killed, embedder) == _answers(whole, embedder)


def test_an_interrupted_publication_is_written_again(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(undisturbed.folder, folder)
    generation = folder / read_manifest(folder).folder
    (folder / NAME).unlink()
    shutil.copytree(generation, generation.with_name(f"{generation.name}.partial"))
    (generation / "ids.npy").write_bytes(b"half")
    assert end(start(folder, undisturbed.source)) == 0
    assert_same(folder, undisturbed.folder)
    assert not list(folder.glob("*.partial"))
