"""One writer at a time, any number of readers, and no lock outlives its holder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import paper_record
from workbench.corpus.lock import write_lock
from workbench.engines.embedded.indexing import Indexer
from workbench.errors import CorpusError, CorpusLocked

from .fakes import FakeEmbedder, build, found

HOLD = """
import pathlib, sys
from workbench.corpus.lock import write_lock
with write_lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path, write_jsonl: Callable[..., Path]) -> Path:
    build(tmp_path / "index", write_jsonl([paper_record(1)]))
    return tmp_path / "index"


@pytest.fixture
def writer(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the folder's write lock."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_writer_is_told_the_first_ones_process(
    folder: Path, writer: subprocess.Popen[str], tmp_path: Path
) -> None:
    with pytest.raises(CorpusLocked, match=rf"process {writer.pid} is writing.*wait"):
        build(folder, tmp_path / "papers.jsonl")
    with pytest.raises(CorpusLocked, match=f"process {writer.pid}"):
        Indexer(folder, FakeEmbedder()).delete(["p001"])


def test_readers_open_while_another_process_writes(
    folder: Path, writer: subprocess.Popen[str]
) -> None:
    assert len(found(folder)) == 1


def test_the_lock_goes_with_a_killed_holder(folder: Path, writer: subprocess.Popen[str]) -> None:
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    with write_lock(folder):
        assert (folder / "write.pid").read_text() == str(os.getpid())


def test_the_lock_goes_at_the_end(folder: Path) -> None:
    for _ in range(2):
        with write_lock(folder):
            pass
    assert not (folder / "write.pid").exists()


def test_the_lock_goes_when_its_block_raises(folder: Path) -> None:
    with pytest.raises(ZeroDivisionError), write_lock(folder):
        _ = 1 / 0
    with write_lock(folder):
        pass


def test_a_second_writer_in_the_same_process_is_refused(folder: Path) -> None:
    with (
        write_lock(folder),
        pytest.raises(CorpusLocked, match=str(os.getpid())),
        write_lock(folder),
    ):
        pass


def test_the_refused_writer_does_not_take_the_first_ones_lock_away(folder: Path) -> None:
    with write_lock(folder):
        for _ in range(2):
            with pytest.raises(CorpusLocked, match=str(os.getpid())), write_lock(folder):
                pass


def test_two_folders_have_two_locks(tmp_path: Path) -> None:
    with write_lock(tmp_path / "one"), write_lock(tmp_path / "two"):
        pass


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = r"file: cannot write here.*choose a folder"
    with pytest.raises(CorpusError, match=message), write_lock(tmp_path / "file"):
        pass
