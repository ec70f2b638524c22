"""Readers: every format gives the same records, and damage gives a problem with its line."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import tempfile
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.corpus.readers import Entry, read_entries
from workbench.errors import CorpusNotFound, UnsupportedSource

from .properties import patient

RECORDS = [{"id": "a", "title": "Ärger"}, {"_id": "b", "text": "two\nlines"}]
JSONL = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in RECORDS).encode()


def entries(path: Path, content: bytes) -> list[Entry]:
    path.write_bytes(content)
    return list(read_entries(path))


def problems(found: list[Entry]) -> list[tuple[int, str]]:
    return [(entry.line, entry.problem) for entry in found if entry.record is None]


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("papers.jsonl", bytes),
        ("papers.jsonl.gz", gzip.compress),
        ("papers.jsonl.xz", lzma.compress),
        ("PAPERS.JSONL.GZ", gzip.compress),
    ],
)
def test_jsonl_plain_or_packed(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    found = entries(tmp_path / name, pack(JSONL))
    assert [entry.record for entry in found] == RECORDS
    assert [entry.line for entry in found] == [1, 2]


def test_entries_name_their_file(tmp_path: Path) -> None:
    assert entries(tmp_path / "x.jsonl", JSONL)[0].file == str(tmp_path / "x.jsonl")


@pytest.mark.parametrize("name", ["papers.jsonl", "corpus.jsonl", "corpus.jsonl.xz"])
def test_folder_gives_the_source_inside(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(lzma.compress(JSONL) if name.endswith("xz") else JSONL)
    assert [entry.record for entry in read_entries(tmp_path)] == RECORDS


def test_last_line_needs_no_newline(tmp_path: Path) -> None:
    assert len(entries(tmp_path / "x.jsonl", JSONL.rstrip())) == 2


def test_windows_line_ends(tmp_path: Path) -> None:
    found = entries(tmp_path / "x.jsonl", JSONL.replace(b"\n", b"\r\n"))
    assert [entry.record for entry in found] == RECORDS


def test_byte_order_mark_is_no_part_of_the_record(tmp_path: Path) -> None:
    assert entries(tmp_path / "x.jsonl", b"\xef\xbb\xbf" + JSONL)[0].record == RECORDS[0]


def test_blank_lines_are_skipped_but_counted(tmp_path: Path) -> None:
    found = entries(tmp_path / "x.jsonl", b"\n  \n" + JSONL)
    assert [(entry.line, entry.problem) for entry in found] == [(3, ""), (4, "")]


def test_empty_file_gives_nothing(tmp_path: Path) -> None:
    assert entries(tmp_path / "x.jsonl", b"") == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"id": "\xff"}', "not UTF-8: byte 8"),
        (b'{"id": "a"', "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b'{"year": ' + b"1" * 5000 + b"}", "not JSON"),
        (b'["a"]', "expected an object, got list"),
        (b"null", "expected an object, got NoneType"),
        (b"\x00\x01", "not JSON"),
    ],
    ids=["not-utf8", "cut-off", "deep", "huge-number", "list", "null", "binary"],
)
def test_bad_line_is_a_problem_and_the_next_is_read(
    tmp_path: Path, line: bytes, problem: str
) -> None:
    bad, *good = entries(tmp_path / "x.jsonl", line + b"\n" + JSONL)
    assert bad.line == 1
    assert problem in bad.problem
    assert [entry.record for entry in good] == RECORDS


@pytest.mark.parametrize(
    ("name", "head", "tail"),
    [
        ("x.jsonl", b"\n", JSONL),
        ("x.jsonl.gz", b"\n", JSONL),
    ],
)
def test_a_50_mb_line_is_refused_without_being_held(
    tmp_path: Path, name: str, head: bytes, tail: bytes
) -> None:
    content = head + b"x" * 50_000_000 + b"\n" + tail
    (tmp_path / name).write_bytes(gzip.compress(content, 1) if name.endswith(".gz") else content)
    tracemalloc.start()
    found = list(read_entries(tmp_path / name))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [line for line, _ in problems(found)] == [2]
    assert [entry.record["id"] for entry in found if entry.record and "id" in entry.record] == ["a"]
    assert peak < 36_000_000


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("x.jsonl.gz", gzip.compress),
        ("x.jsonl.xz", lambda data: lzma.compress(data, preset=0)),
        ("x.jsonl.bz2", lambda data: bz2.compress(data, 1)),
    ],
    ids=["gz", "xz", "bz2"],
)
@pytest.mark.parametrize("damage", ["cut", "zeros", "ones"])
def test_damaged_archive_gives_what_is_before_and_a_remedy(
    tmp_path: Path, name: str, pack: Callable[[bytes], bytes], damage: str
) -> None:
    random = Random(1)
    lines = [json.dumps({"id": str(n), "title": random.randbytes(400).hex()}) for n in range(2000)]
    packed = bytearray(pack("\n".join(lines).encode()))
    middle = len(packed) // 2
    packed[middle:] = {
        "cut": b"",
        "zeros": bytes(64) + packed[middle + 64 :],
        "ones": b"\xff" * 64 + packed[middle + 64 :],
    }[damage]
    (tmp_path / name).write_bytes(packed)
    seen: list[Entry] = []
    with pytest.raises(UnsupportedSource, match=rf"{name}.*fetch the file again"):
        seen.extend(read_entries(tmp_path / name))
    assert [entry.line for entry in seen[:3]] == [1, 2, 3]


def test_what_is_packed_is_told_by_content(tmp_path: Path) -> None:
    assert [entry.record for entry in entries(tmp_path / "x.jsonl.gz", JSONL)] == RECORDS
    (tmp_path / "y.jsonl").write_bytes(gzip.compress(JSONL))
    assert [entry.record for entry in read_entries(tmp_path / "y.jsonl")] == RECORDS


def test_nothing_there_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(CorpusNotFound, match=r"missing\.jsonl.*check the path"):
        read_entries(tmp_path / "missing.jsonl")


def test_folder_without_source_names_what_it_looks_for(tmp_path: Path) -> None:
    with pytest.raises(CorpusNotFound, match=r"papers\.jsonl, corpus\.jsonl"):
        read_entries(tmp_path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@patient
@given(st.lists(st.dictionaries(st.text(), VALUES), max_size=5), st.booleans())
def test_any_json_object_comes_back(records: list[dict[str, Any]], ascii_only: bool) -> None:
    lines = [json.dumps(record, ensure_ascii=ascii_only) + "\n" for record in records]
    with tempfile.TemporaryDirectory() as folder:
        found = entries(Path(folder) / "x.jsonl", "".join(lines).encode())
    assert [entry.record for entry in found] == records


@patient
@given(st.binary(max_size=200))
def test_any_bytes_give_entries_or_problems(content: bytes) -> None:
    # What begins like an archive and is none is refused.
    with tempfile.TemporaryDirectory() as folder, suppress(UnsupportedSource):
        for entry in entries(Path(folder) / "x.jsonl", content):
            assert (entry.record is None) == bool(entry.problem)
