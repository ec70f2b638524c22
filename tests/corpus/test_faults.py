"""Faults of disk and system, each caused for real: typed, nothing lost, and every remedy works."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from tests.conftest import need, paper_record
from workbench.corpus import database
from workbench.corpus.collection import read_qrels, read_queries
from workbench.corpus.manifest import NAME, STORE, VECTORS, read_manifest
from workbench.corpus.readers import read_entries
from workbench.corpus.store import Store
from workbench.engines.embedded.indexing import Indexer
from workbench.errors import (
    CorpusDamaged,
    CorpusLocked,
    CorpusNotFound,
    CorpusUnavailable,
    UnsupportedSource,
)
from workbench.session import Workbench

from .fakes import FakeEmbedder, build, found, long_record

WriteJsonl = Callable[..., Path]
RECORDS = [paper_record(n) for n in range(10)]


@pytest.fixture
def folder(tmp_path: Path, write_jsonl: WriteJsonl) -> Path:
    """An index of ten papers."""
    build(tmp_path / "index", write_jsonl(RECORDS))
    return tmp_path / "index"


# A full disk

FILL = """
import json, pathlib, sys
from tests.corpus import fakes
from tests.conftest import paper_record
from workbench.errors import DiskFull
folder, source = pathlib.Path(sys.argv[1]) / "index", pathlib.Path(sys.argv[2])
fakes.build(folder, __import__("pandas").DataFrame([paper_record(n) for n in range(10)]))
before = fakes.found(folder)
left = pathlib.Path(sys.argv[1]) / "filler"
with open(left, "wb", buffering=0) as stream:
    try:
        while True:
            stream.write(bytes(4096))
    except OSError:
        pass
failures = 0
for step in range(400):
    try:
        fakes.build(folder, source)
        break
    except DiskFull as error:
        assert "make room" in str(error), error
        assert fakes.found(folder) == before
        failures += 1
        with open(left, "r+b") as stream:  # a little more room each time: each step fails once
            stream.truncate(max(0, left.stat().st_size - int(sys.argv[3])))
left.unlink()
fakes.build(folder, source)
with fakes.Workbench(folder, embedder=fakes.FakeEmbedder()) as bench:
    print(json.dumps([failures, bench.manifest.papers]))
"""


@pytest.mark.parametrize("step", [4096 * 11, 4096 * 23])
def test_a_full_disk_is_an_error_with_a_remedy_and_no_signal(tmp_path: Path, step: int) -> None:
    disk, source = tmp_path / "disk", tmp_path / "papers.jsonl"
    disk.mkdir()
    source.write_text("".join(json.dumps(long_record(n)) + "\n" for n in range(60)))
    arguments = f"{disk} {source} {step}"
    mounted = f'mount -t tmpfs -o size=12m tmpfs {disk} && exec {sys.executable} -c "$CODE" '
    command = ["unshare", "-rm", "sh", "-c", mounted + arguments]
    can = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    need(can.returncode == 0, "a disk of its own", "allow user namespaces, or run as root")
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "CODE": FILL},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    failures, papers = json.loads(done.stdout.splitlines()[-1])
    assert failures >= 3
    assert papers == 70


# Handles

HANDLES = """
import os, pathlib, resource, sys
from tests.corpus import fakes
from workbench.errors import CorpusUnavailable, WorkbenchError
folder = pathlib.Path(sys.argv[1])
before = fakes.found(folder)
kept, wrong = [], []
for free in range(40):
    used = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + free, 4096))
    try:
        with fakes.Workbench(folder, embedder=fakes.FakeEmbedder()) as bench:
            bench.search("dense retrieval feedback")
    except CorpusUnavailable as error:
        kept.append(str(error))
    except Exception as error:
        wrong.append(repr(error))
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 4096))
assert not wrong, wrong
assert kept and all("damaged" in text and "delete" not in text for text in kept), kept
assert fakes.found(folder) == before
print(len(kept))
"""


def run(code: str, *arguments: object) -> str:
    """Code in a process of its own; its output."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="handles are counted in /proc")
def test_too_few_handles_are_a_passing_fault(folder: Path) -> None:
    assert int(run(HANDLES, folder)) > 0


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="handles are counted in /proc")
def test_a_session_takes_few_handles_whatever_the_threads(folder: Path) -> None:
    def handles() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = handles()
    with Workbench(folder, embedder=FakeEmbedder()) as bench:
        threads = [threading.Thread(target=bench.search, args=("dense",)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert handles() - before <= 11
    assert handles() - before <= 8  # the maps go when the session is collected


# The store


@pytest.mark.parametrize("damage", ["missing", "empty"])
@pytest.mark.parametrize("manifest", ["there", "damaged", "missing"])
def test_a_lost_store_is_never_replaced(
    folder: Path, write_jsonl: WriteJsonl, damage: str, manifest: str
) -> None:
    (folder / STORE).unlink()
    if damage == "empty":
        (folder / STORE).touch()
    if manifest == "missing":
        (folder / NAME).unlink()
    elif manifest == "damaged":
        (folder / NAME).write_text("{")
    files = sorted(path.name for path in folder.rglob("*"))
    with pytest.raises(CorpusDamaged, match=rf"{STORE}.*{damage}.*from a copy.*new folder"):
        build(folder, write_jsonl(RECORDS[:2]))
    with pytest.raises(CorpusDamaged):
        Indexer(folder, FakeEmbedder()).delete(["p001"])
    assert sorted(path.name for path in folder.rglob("*")) == files


def test_the_remedies_for_a_lost_store_work(
    folder: Path, tmp_path: Path, write_jsonl: WriteJsonl
) -> None:
    before = found(folder)
    copy = shutil.copy(folder / STORE, tmp_path / "copy")
    (folder / STORE).unlink()
    build(tmp_path / "new", write_jsonl(RECORDS))
    assert found(tmp_path / "new") == before
    shutil.copy(copy, folder / STORE)
    assert found(folder) == before


def test_an_older_store_is_not_published(folder: Path, tmp_path: Path) -> None:
    import pandas as pd

    older = shutil.copy(folder / STORE, tmp_path / "older")
    build(folder, pd.DataFrame([paper_record(20)]))
    shutil.copy(older, folder / STORE)
    with pytest.raises(CorpusDamaged, match=r"10 papers.*but 11"):
        found(folder)
    with pytest.raises(CorpusDamaged, match=r"10 papers.*but 11"):
        build(folder, pd.DataFrame([paper_record(21)]))


@pytest.mark.parametrize("change", ["add", "delete"])
def test_a_folder_removed_under_an_open_session_is_not_made_anew(folder: Path, change: str) -> None:
    import pandas as pd

    with Workbench(folder, embedder=FakeEmbedder()) as bench:
        shutil.rmtree(folder)
        more = pd.DataFrame(RECORDS[:1])
        changes: dict[str, Callable[[], object]] = {
            "add": lambda: bench.add(more, progress=False),
            "delete": lambda: bench.delete("p001"),
        }
        with pytest.raises(CorpusNotFound, match="gone; restore the folder"):
            changes[change]()
    assert not folder.exists()


def test_a_foreign_lock_is_said_to_be_one(
    folder: Path, write_jsonl: WriteJsonl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    source = write_jsonl([*RECORDS, paper_record(11)])
    foreign = sqlite3.connect(folder / STORE, isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    with pytest.raises(CorpusLocked, match=r"another program holds a lock.*try again"):
        build(folder, source)
    foreign.execute("ROLLBACK")
    foreign.close()
    assert build(folder, source).added == 1


def test_a_live_copy_without_its_shared_memory_on_a_read_only_place(
    folder: Path, tmp_path: Path, write_jsonl: WriteJsonl
) -> None:
    reader = Store(folder / STORE)
    assert reader.paper_count == 10  # keeps the WAL in use, so the writer cannot remove it
    build(folder, write_jsonl([*RECORDS, paper_record(11)]))
    copy = shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("*-shm"))
    reader.close()
    need(shutil.which("setpriv") is not None, "setpriv", "install util-linux")
    for path in [*copy.rglob("*"), copy]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    code = "import pathlib, sys; from tests.corpus import fakes; "
    code += "print(fakes.found(pathlib.Path(sys.argv[1])))"
    command = [sys.executable, "-c", code, str(copy)]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == str(found(folder)), done.stderr[-2000:]


# Derived files


@pytest.fixture
def home(tmp_path: Path, write_jsonl: WriteJsonl, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a source, opened once; the fake embedder stands for the model."""
    monkeypatch.setattr("workbench.engines.embedder.make_embedder", lambda *_, **__: FakeEmbedder())
    write_jsonl(RECORDS)
    wb.open(tmp_path, progress=False).close()
    return tmp_path


def derived(folder: Path) -> list[Path]:
    generation = folder / read_manifest(folder).folder
    return sorted(path for path in [*generation.rglob("*"), folder / VECTORS] if path.is_file())


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "byte"])
def test_whatever_derives_from_the_papers_is_made_anew(
    home: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    index = home / "index"
    before = found(index)
    for place in range(len(derived(index))):
        path = derived(index)[place]
        if path.name == "seal.json" and damage == "missing":
            continue  # as an earlier version makes it
        content = bytearray(path.read_bytes())
        caplog.clear()
        if damage == "missing":
            path.unlink()
        elif damage == "byte":
            content[len(content) * 2 // 3] ^= 0x10
            path.write_bytes(content)
        else:
            path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
        with wb.open(home, progress=False) as bench:
            hits = bench.search("dense retrieval feedback", 20).hits
        assert [(hit.paper.id, hit.score, hit.passage.text) for hit in hits] == before, path
        assert "anew from the stored papers" in caplog.text, path


def test_a_changed_vector_is_not_published_by_add(folder: Path) -> None:
    import pandas as pd

    before = (folder / VECTORS).read_bytes()
    stat = (folder / VECTORS).stat()
    content = bytearray(before)
    content[100] ^= 0x40
    (folder / VECTORS).write_bytes(content)
    os.utime(folder / VECTORS, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as a disk would do it
    build(folder, pd.DataFrame([paper_record(20)]))
    assert (folder / VECTORS).read_bytes()[: len(before)] == before


def test_a_session_names_the_remedy_for_damage_and_it_works(
    folder: Path, write_jsonl: WriteJsonl
) -> None:
    before = found(folder)
    (folder / read_manifest(folder).folder / "alive.npy").write_bytes(b"")
    with pytest.raises(CorpusDamaged, match=r"run `workbench index` again.*kept"):
        found(folder)
    build(folder, write_jsonl(RECORDS))
    assert found(folder) == before


def test_an_index_of_an_earlier_version_opens(folder: Path) -> None:
    before = found(folder)
    (folder / read_manifest(folder).folder / "seal.json").unlink()
    with sqlite3.connect(folder / STORE) as db:
        db.execute("DROP TABLE vector_blocks")
        db.execute("DROP TABLE said")
    db.close()
    assert found(folder) == before
    Indexer(folder, FakeEmbedder()).repair()
    assert (folder / read_manifest(folder).folder / "seal.json").exists()
    assert found(folder) == before


# Paths


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


PATHS: dict[str, Callable[[Path], Any]] = {
    "nobody's home": lambda _: "~nobody-of-that-name/papers.jsonl",
    "too long": lambda tmp: tmp / ("x" * 5000),
    "too long inside": lambda tmp: tmp / ("x" * 300) / "papers.jsonl",
    "a loop": lambda tmp: (tmp / "loop").symlink_to(tmp / "loop") or tmp / "loop",
    "below a file": lambda tmp: (tmp / "f").write_text("") or tmp / "f" / "papers.jsonl",
    "null": lambda tmp: f"{tmp}/a\0b.jsonl",
    "pipe": lambda tmp: fifo(tmp / "pipe.jsonl"),
    "device": lambda _: "/dev/zero",
    "surrogate": lambda tmp: tmp / "a\udcff.jsonl",
    "nothing": lambda _: "",
}


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize(
    "use",
    [
        lambda path: wb.open(path, progress=False),
        lambda path: list(read_entries(path)),
        read_queries,
        read_qrels,
    ],
    ids=["open", "read", "queries", "qrels"],
)
def test_a_path_that_cannot_be_read_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, use: Callable[[Any], Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((CorpusNotFound, UnsupportedSource)):
        use(PATHS[name](tmp_path))


@pytest.mark.parametrize("place", [NAME, STORE, VECTORS, "generation-000001/ids.npy"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(
    folder: Path, write_jsonl: WriteJsonl, place: str
) -> None:
    (folder / place).unlink()
    fifo(folder / place)
    with pytest.raises(CorpusDamaged):
        found(folder)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="/proc gives the fault")
@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "x.jsonl.xz"])
def test_a_device_that_does_not_answer_is_typed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("/proc/self/mem")  # reading its first page gives EIO
    with pytest.raises((CorpusUnavailable, UnsupportedSource)) as error:
        list(read_entries(tmp_path / name))
    if name == "x.jsonl":
        assert isinstance(error.value.__cause__, OSError)
        assert error.value.__cause__.errno == errno.EIO


# Forks


def _search(bench: Workbench, answers: Any) -> None:
    try:
        hits = bench.search("dense retrieval feedback", 20).hits
        answers.put([(hit.paper.id, hit.score, hit.passage.text) for hit in hits])
    except BaseException as error:
        answers.put(repr(error))
        raise


@pytest.fixture
def busy(folder: Path) -> Iterator[Workbench]:
    """A session that four threads search, with filters so that every lock is in use."""
    stop = threading.Event()
    with Workbench(folder, embedder=FakeEmbedder()) as bench:

        def work(seed: int) -> None:
            for turn in range(10**9):
                if stop.is_set():
                    return
                bench.search(f"dense study {turn}", year=(1990 + (turn + seed) % 30, None))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        yield bench
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_searches_while_threads_of_its_parent_do(
    busy: Workbench, folder: Path
) -> None:
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    expected = found(folder)
    for _ in range(10):
        child = context.Process(target=_search, args=(busy, answers))
        child.start()
        child.join(60)
        assert child.exitcode == 0
        assert answers.get() == expected


# Long texts


def test_each_record_is_parsed_once_however_many_passages(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pandas as pd

    build(folder, pd.DataFrame([long_record(n, sentences=300) for n in range(3)]))
    parsed: list[str] = []
    real = Store._paper

    def counted(self: Store, record: str) -> Any:
        parsed.append(record)
        return real(self, record)

    monkeypatch.setattr(Store, "_paper", counted)
    store = Store(folder / STORE)
    texts = list(store.passage_texts(10, store.passage_count))
    store.close()
    assert len(texts) > 100
    assert len(parsed) == 3
