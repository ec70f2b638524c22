"""An index whose build was killed, again and again, is the index of an undisturbed build."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.conftest import ROOT, hear_ctrl_c
from workbench.corpus.manifest import NAME, VECTORS, read_manifest
from workbench.engines.embedded.encoding import BLOCK
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.session import Workbench

from . import fakes
from .fakes import long_record

KILLS = 20
PAPERS = 150

REAL = """
import sys
from tests.corpus.fakes import Signalled
from workbench.opening import index
folder, source, number, at = sys.argv[1:]
with Signalled(int(number), int(at)) as counted:
    index(source, folder, progress=False)
print(counted.calls)
"""


@dataclass(frozen=True)
class Undisturbed:
    """A finished build to compare with, and how many calls of functions it took."""

    folder: Path
    source: Path
    calls: int


Indexing = Callable[..., tuple[int, int]]


@pytest.fixture(scope="module")
def indexing() -> Iterator[Indexing]:
    """`indexing(folder, source, signal, at)`: index with the fake embedder in a process that sends
    itself a signal at its `at`-th call; its exit status, and how many calls it made."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.corpus.fakes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        preexec_fn=hear_ctrl_c,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        orders, answers = process.stdin, process.stdout

        def index(folder: Path, source: Path, number: int = 0, at: int = 0) -> tuple[int, int]:
            order = [str(folder), str(source), str(_log(folder)), int(number), at]
            orders.write(json.dumps(order) + "\n")
            orders.flush()
            status, calls = json.loads(answers.readline())
            assert status <= 0 or status == 130
            return status, calls

        yield index


def _run(arguments: list[str]) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        preexec_fn=hear_ctrl_c,
    )
    assert done.returncode <= 0 or done.returncode == 130, done.stderr
    return done.returncode, done.stdout


def _log(folder: Path) -> Path:
    return folder.with_suffix(".log")


def embedded(folder: Path) -> list[str]:
    """Digests of all texts that any process embedded for this folder."""
    log = _log(folder)
    return log.read_text().splitlines() if log.exists() else []


def assert_same(folder: Path, other: Path) -> None:
    assert (folder / VECTORS).read_bytes() == (other / VECTORS).read_bytes()
    assert read_manifest(folder).fingerprint == read_manifest(other).fingerprint
    assert read_manifest(folder).papers == read_manifest(other).papers
    for query in ("dense retrieval feedback", "citation graph", "speech"):
        assert fakes.found(folder, query, 1000) == fakes.found(other, query, 1000)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, indexing: Indexing) -> Undisturbed:
    work = tmp_path_factory.mktemp("kill")
    source = work / "papers.jsonl"
    source.write_text("".join(json.dumps(long_record(n)) + "\n" for n in range(PAPERS)))
    folder = work / "whole"
    status, calls = indexing(folder, source)
    assert status == 0
    return Undisturbed(folder, source, calls)


def moments(calls: int) -> Iterator[int]:
    """Random calls, one in each equal part of all, in random order; endless."""
    random = Random(7)
    while True:
        parts = random.sample(range(KILLS), KILLS)
        yield from (1 + int(calls * (part + random.random()) / KILLS) for part in parts)


@pytest.fixture(scope="module")
def survivors(undisturbed: Undisturbed, indexing: Indexing) -> list[tuple[Path, int]]:
    """Folders whose builds were killed, each resumed until it was complete, with their kills."""
    folders: list[tuple[Path, int]] = []
    at = moments(undisturbed.calls)
    while sum(kills for _, kills in folders) < KILLS:
        folder, kills = undisturbed.folder.with_name(f"killed{len(folders)}"), 0
        while indexing(folder, undisturbed.source, signal.SIGKILL, next(at))[0] != 0:
            kills += 1
        folders.append((folder, kills))
    return folders


def test_some_builds_were_killed_again_while_they_continued(
    survivors: list[tuple[Path, int]],
) -> None:
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
    undisturbed: Undisturbed, indexing: Indexing, tmp_path: Path
) -> None:
    folder = tmp_path / "grown"
    fakes.build(folder, undisturbed.source)
    before, manifest = fakes.found(folder), (folder / NAME).read_bytes()
    more = tmp_path / "more.jsonl"
    more.write_text(
        "".join(json.dumps(long_record(n)) + "\n" for n in range(PAPERS - 50, PAPERS + 100))
    )
    for share in (0.05, 0.15):
        at = int(undisturbed.calls * share)
        assert indexing(folder, more, signal.SIGKILL, at)[0] == -signal.SIGKILL
        assert (folder / NAME).read_bytes() == manifest
        assert fakes.found(folder) == before
    assert indexing(folder, more)[0] == 0
    assert read_manifest(folder).papers == PAPERS + 100


def test_control_c_leaves_it_continuing(
    undisturbed: Undisturbed, indexing: Indexing, tmp_path: Path
) -> None:
    folder = tmp_path / "interrupted"
    at = undisturbed.calls // 2
    assert indexing(folder, undisturbed.source, signal.SIGINT, at)[0] == 130
    assert not (folder / "write.pid").exists()
    assert indexing(folder, undisturbed.source)[0] == 0
    assert_same(folder, undisturbed.folder)
    assert len(embedded(folder)) <= len(embedded(undisturbed.folder)) + BLOCK


def _answers(folder: Path, embedder: OnnxEmbedder) -> list[Any]:
    with Workbench(folder, embedder=embedder) as bench:
        return [(hit.paper.id, hit.score) for hit in bench.search("ranking with neural models", 60)]


def test_the_real_model_resumes_to_the_same_bytes(embedder: OnnxEmbedder, tmp_path: Path) -> None:
    landmarks = Path(__file__).parents[2] / "data" / "landmarks" / "papers.jsonl"
    source, whole, killed = (tmp_path / name for name in ("papers.jsonl", "whole", "killed"))
    source.write_text("".join(landmarks.read_text("utf-8").splitlines(keepends=True)[:24]))
    status, calls = _run(["-c", REAL, str(whole), str(source), "0", "0"])
    assert status == 0
    for share in (0.6, 0.9):
        at = str(int(int(calls) * share))
        status, _ = _run(["-c", REAL, str(killed), str(source), str(int(signal.SIGKILL)), at])
        assert status in (0, -signal.SIGKILL) if share == 0.9 else status == -signal.SIGKILL
    assert _run(["-c", REAL, str(killed), str(source), "0", "0"])[0] == 0
    assert (killed / VECTORS).read_bytes() == (whole / VECTORS).read_bytes()
    assert _answers(killed, embedder) == _answers(whole, embedder)


def test_an_interrupted_publication_is_written_again(
    undisturbed: Undisturbed, indexing: Indexing, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(undisturbed.folder, folder)
    generation = folder / read_manifest(folder).folder
    (folder / NAME).unlink()
    shutil.copytree(generation, generation.with_name(f"{generation.name}.partial"))
    (generation / "ids.npy").write_bytes(b"half")
    assert indexing(folder, undisturbed.source)[0] == 0
    assert_same(folder, undisturbed.folder)
    assert not list(folder.glob("*.partial"))
