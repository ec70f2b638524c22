"""Records stay whole: many writers, kills, edits, newer versions, a full disk."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import CorpusError, DiskFull, ExperimentError
from workbench.experiments.blobs import decode, encode
from workbench.experiments.database import NAME
from workbench.experiments.store import ExperimentStore, new_id

WRITER = """
import sys
from pathlib import Path
from workbench.experiments.store import ExperimentStore
store = ExperimentStore(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for n in range(int(sys.argv[3])):
    name = f"{sys.argv[2]}-{n}"
    table = store.keep_table({"id": [name, "shared"]})
    document = {"id": name, "parent": "", "table": table}
    summary = {"id": name, "kind": "evaluate", "name": name, "parent": "", "started": 0.0,
               "seconds": 0.0, "metrics": {"AP": n / 1000}, "queries": 1}
    store.keep(document, summary)
    print(name, flush=True)
"""


def keep(store: ExperimentStore, **more: Any) -> str:
    name = new_id()
    document = {"id": name, "parent": "", **more}
    summary = {"id": name, "kind": "evaluate", "name": "n", "parent": "", "started": 1.0}
    return store.keep(document, {**summary, "seconds": 0.1, "metrics": {"AP": 0.5}, "queries": 3})


def writer(folder: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), name, str(count)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_processes_that_start_on_an_empty_folder_lose_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "experiments"
    writers = [writer(folder, name, 40) for name in ("a", "b", "c")]
    for each in writers:  # all are there before the folder is
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    ends = [each.communicate("go\n") for each in writers]
    assert [(each.returncode, end[1]) for each, end in zip(writers, ends, strict=True)] == [
        (0, "")
    ] * 3
    store = ExperimentStore(folder)
    found = {row.id for row in store.summaries()}
    assert found == {f"{name}-{n}" for name in "abc" for n in range(40)}
    assert store.table(store.document("b-7")["table"]) == {"id": ["b-7", "shared"]}


def test_what_was_told_to_be_kept_survives_a_kill(tmp_path: Path) -> None:
    folder = tmp_path / "experiments"
    process = writer(folder, "k", 100_000)
    assert process.stdout is not None
    assert process.stdin is not None
    process.stdout.readline()
    process.stdin.write("go\n")
    process.stdin.flush()
    told = [process.stdout.readline().strip() for _ in range(25)]
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate()
    told += rest.split()
    store = ExperimentStore(folder)
    found = [row.id for row in store.summaries()]
    assert set(told) <= set(found)
    for name in (found[0], found[-1]):
        assert store.table(store.document(name)["table"])["id"][0] == name
    assert keep(store) in {row.id for row in store.summaries()}


def test_a_copy_of_the_folder_has_all(tmp_path: Path) -> None:
    store = ExperimentStore(tmp_path / "one")
    name = keep(store, table=store.keep_table({"x": np.arange(3)}))
    store.annotate(name, "tag", "good")
    store.annotate(name, "note", "as planned")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    other = ExperimentStore(tmp_path / "two")
    assert other.document(name)["id"] == name
    assert other.table(other.document(name)["table"])["x"].tolist() == [0, 1, 2]
    assert (other.tags(name), other.notes(name)) == (("good",), ("as planned",))
    store.annotate(name, "untag", "good")
    assert (store.tags(name), other.tags(name)) == ((), ("good",))


def test_an_edited_record_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    store = ExperimentStore(tmp_path)
    first, second = keep(store), keep(store)
    with sqlite3.connect(tmp_path / NAME) as db:
        with pytest.raises(sqlite3.IntegrityError, match="only added"):
            db.execute("UPDATE experiments SET document = '{}'")
        with pytest.raises(sqlite3.IntegrityError, match="only added"):
            db.execute("DELETE FROM experiments")
        db.execute("DROP TRIGGER experiments_no_update")
        changed = json.dumps({**store.document(first), "parent": "nobody"}, sort_keys=True)
        db.execute("UPDATE experiments SET document = ? WHERE id = ?", (changed, first))
    db.close()
    with pytest.raises(ExperimentError, match=f"{first} was changed after it was written"):
        store.document(first)
    assert store.document(second)["id"] == second


def test_an_edited_or_missing_table_is_told(tmp_path: Path) -> None:
    store = ExperimentStore(tmp_path)
    name = store.keep_table({"score": np.array([0.1, 0.2])})
    [path] = (tmp_path / "tables").iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ExperimentError, match="changed after it was written"):
        store.table(name)
    path.unlink()
    with pytest.raises(ExperimentError, match="missing"):
        store.table(name)


def test_newer_records_and_files_are_refused_and_stay(tmp_path: Path) -> None:
    store = ExperimentStore(tmp_path)
    old, new = keep(store), keep(store)
    with sqlite3.connect(tmp_path / NAME) as db:
        db.execute("DROP TRIGGER experiments_no_update")
        [(short, text)] = db.execute(
            "SELECT summary, document FROM experiments WHERE id = ?", (new,)
        ).fetchall()
        text = json.dumps({**json.loads(text), "format": 99})
        from hashlib import sha256

        short = json.dumps({**json.loads(short), "mood": "good"})
        digest = sha256((short + text).encode()).hexdigest()
        db.execute(
            "UPDATE experiments SET document = ?, summary = ?, sha256 = ? WHERE id = ?",
            (text, short, digest, new),
        )
    db.close()
    with pytest.raises(ExperimentError, match=r"newer version \(format 99"):
        store.document(new)
    assert [row.id for row in store.summaries()] == [old, new]
    with sqlite3.connect(tmp_path / NAME) as db:
        db.execute("UPDATE state SET value = '99' WHERE key = 'format'")
    db.close()
    before = (tmp_path / NAME).read_bytes()
    for use in (store.summaries, lambda: keep(store), lambda: store.document(old)):
        with pytest.raises(ExperimentError, match="update the package"):
            use()
    assert (tmp_path / NAME).read_bytes() == before


def test_what_is_no_database_is_told_and_left(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("hello, I am a diary\n" * 99)
    store = ExperimentStore(tmp_path)
    for use in (store.summaries, lambda: keep(store)):
        with pytest.raises(ExperimentError, match="not a readable file of experiments"):
            use()
    assert (tmp_path / NAME).read_text().startswith("hello, I am a diary")


def test_an_unknown_or_ambiguous_id_is_told(tmp_path: Path) -> None:
    store = ExperimentStore(tmp_path)
    with pytest.raises(ExperimentError, match="no experiment 'x'"):
        store.document("x")
    name = keep(store)
    keep(store)
    assert store.document(name[:-2])["id"] == name
    with pytest.raises(ExperimentError, match="several experiments begin"):
        store.document("2")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 1 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)],
        check=False, capture_output=True,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip("a small disk needs the right to mount one")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_leaves_the_old_records(small_disk: Path) -> None:
    store = ExperimentStore(small_disk)
    kept = [keep(store, table=store.keep_table({"x": np.arange(9)}))]
    rng = np.random.default_rng(0)

    def fill() -> None:
        while True:
            store.keep_table({"x": rng.random(20_000)})

    with pytest.raises(DiskFull):
        fill()

    def fill_up() -> None:
        while True:
            kept.append(keep(store, text="x" * 2000))

    with pytest.raises(DiskFull):
        fill_up()
    assert [row.id for row in store.summaries()] == kept
    assert all(store.document(name)["id"] == name for name in kept)
    assert store.table(store.document(kept[0])["table"])["x"].tolist() == list(range(9))
    assert not list(small_disk.rglob("*.partial"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(CorpusError, match=r"not permitted|cannot write"):
        keep(ExperimentStore(tmp_path / "experiments"))


texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    ids=st.lists(texts, min_size=1, max_size=9),
    floats=st.lists(st.floats(width=32) | st.floats(0, 1), min_size=9, max_size=9),
)
def test_tables_come_back_bit_by_bit(ids: list[str], floats: list[float]) -> None:
    column = np.array(floats[: len(ids)])
    matrix = np.stack([column, column]).T.astype(np.float32)
    table = {"id": ids, "score": column, "vector": matrix, "n": np.arange(len(ids))}
    found = decode(encode(table, {}))
    assert found["id"] == ids
    assert found["score"].tobytes() == column.tobytes()
    assert found["vector"].tobytes() == matrix.tobytes()
    assert found["n"].tolist() == list(range(len(ids)))
