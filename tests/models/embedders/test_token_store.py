"""Token vectors on disk: what goes in comes out, within a limit, whatever happens to the file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from workbench.models.embedders.token_store import TokenStore, TokenVectors, quantised

DIMENSION = 8
BYTES = 5 * (DIMENSION + 4)
"""Of a passage with five tokens."""


def tokens(seed: int, count: int = 5) -> TokenVectors:
    vectors = np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32)
    return quantised(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def store(folder: Path, limit: int = 10**6) -> TokenStore:
    return TokenStore("model", DIMENSION, folder=folder, limit=limit)


def test_what_is_written_is_read_in_this_and_the_next_process(tmp_path: Path) -> None:
    first = store(tmp_path)
    wrote = {f"text {i}": tokens(i, 1 + i % 4) for i in range(1200)}
    first.write(wrote)
    for one in (first, store(tmp_path)):
        found = one.read([*wrote, "unknown", "text 0"])
        assert set(found) == set(wrote)
        for text, expected in wrote.items():
            assert np.array_equal(found[text].codes, expected.codes)
            assert np.array_equal(found[text].scales, expected.scales)
        one.close()


def test_missing_texts_are_named_once_and_in_order(tmp_path: Path) -> None:
    one = store(tmp_path)
    one.write({"b": tokens(1)})
    assert one.missing(["c", "b", "a", "c", ""]) == ["c", "a", ""]
    assert one.read([]) == {}
    assert one.missing([]) == []


def test_quantised_vectors_are_close() -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = quantised(vectors)
    again = found.codes * found.scales[:, None]
    assert (np.abs(again - vectors) <= found.scales[:, None] * 0.501).all()
    assert quantised(np.zeros((2, 3), np.float32)).codes.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_the_oldest_leave_when_the_limit_is_reached(tmp_path: Path) -> None:
    one = store(tmp_path, limit=10 * BYTES)
    for i in range(25):
        one.write({f"{i}": tokens(i)})
        assert one.size <= 10 * BYTES
    assert one.full
    assert set(one.read([str(i) for i in range(25)])) == {str(i) for i in range(15, 25)}


def test_a_file_that_is_no_database_is_replaced(tmp_path: Path) -> None:
    one = store(tmp_path)
    one.path.write_bytes(b"not a database at all" * 1000)
    one.write({"a": tokens(1)})
    assert set(one.read(["a"])) == {"a"}


def test_a_damaged_database_gives_nothing_and_raises_nothing(tmp_path: Path) -> None:
    one = store(tmp_path)
    one.write({str(i): tokens(i) for i in range(500)})
    one.close()
    for rest in tmp_path.glob("*-wal"):
        rest.unlink()
    with open(one.path, "r+b") as stream:
        stream.seek(4096)
        stream.write(os.urandom(one.path.stat().st_size - 4096))
    again = store(tmp_path)
    assert again.read(["1", "2"]) == {}
    assert again.missing(["1"]) == ["1"]
    again.write({"1": tokens(1)})


def test_where_nothing_can_be_kept_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    one = store(tmp_path / "file")
    one.write({"a": tokens(1)})
    assert one.read(["a"]) == {}
    assert one.size == 0
    assert not one.full


def test_threads_share_a_store(tmp_path: Path) -> None:
    one = store(tmp_path)

    def work(i: int) -> bool:
        one.write({f"{i % 7}": tokens(i % 7)})
        found = one.read([f"{i % 7}"])[f"{i % 7}"]
        return np.array_equal(found.codes, tokens(i % 7).codes)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(100)))
    assert one.size == 7 * BYTES


WRITER = """
import sys
from pathlib import Path
from tests.models.embedders.test_token_store import store, tokens
one = store(Path(sys.argv[1]))
for i in range(100_000):
    one.write({f"{i}.{j}": tokens(i) for j in range(20)})
    print(i, flush=True)
"""


@pytest.mark.parametrize("batches", [1, 7])
def test_a_kill_loses_at_most_one_batch(tmp_path: Path, batches: int) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    for _ in range(batches):
        last = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    found = store(tmp_path).read([f"{i}.{j}" for i in range(last + 1) for j in range(20)])
    assert len(found) == 20 * (last + 1)
    assert all(np.array_equal(v.codes, tokens(int(float(k))).codes) for k, v in found.items())
