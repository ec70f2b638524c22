"""Readers: every format gives the same records, and damage gives a problem with its line."""

from __future__ import annotations

import gzip
import json
import lzma
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

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
        ("x.csv", b"id,title\n", b"a,Title\n"),
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
    [("x.jsonl.gz", gzip.compress), ("x.jsonl.xz", lambda data: lzma.compress(data, preset=0))],
    ids=["gz", "xz"],
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


def test_a_plain_file_named_gz_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedSource, match="damaged"):
        entries(tmp_path / "x.jsonl.gz", JSONL)


def test_csv_has_a_record_a_row(tmp_path: Path) -> None:
    found = entries(tmp_path / "x.csv", "id,title,year\na,Ärger,1999\nb,Other,\n".encode())
    assert [entry.record for entry in found] == [
        {"id": "a", "title": "Ärger", "year": "1999"},
        {"id": "b", "title": "Other"},
    ]


def test_csv_quotes_hold_commas_quotes_and_lines(tmp_path: Path) -> None:
    (entry,) = entries(tmp_path / "x.csv", b'id,title\na,"one, ""two""\nthree"\n')
    assert entry.record == {"id": "a", "title": 'one, "two"\nthree'}
    assert entry.line == 3


def test_csv_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    (entry,) = entries(tmp_path / "x.csv", b"\xef\xbb\xbfid,title\na,T\n")
    assert entry.record == {"id": "a", "title": "T"}


def test_csv_row_with_too_many_values_is_a_problem(tmp_path: Path) -> None:
    found = entries(tmp_path / "x.csv", b"id,title\na,T,extra\nb,U\n")
    assert problems(found) == [(2, "more values than columns in the header")]
    assert found[1].record == {"id": "b", "title": "U"}


def test_csv_row_with_too_few_values_leaves_the_rest_empty(tmp_path: Path) -> None:
    (entry,) = entries(tmp_path / "x.csv", b"id,title,abstract\na,T\n")
    assert entry.record == {"id": "a", "title": "T"}


def test_csv_that_is_not_utf8_is_a_problem_in_its_row_only(tmp_path: Path) -> None:
    found = entries(tmp_path / "x.csv", b"id,title\na,\xe9t\xe9\nb,U\n")
    assert problems(found) == [(2, "not UTF-8")]
    assert found[1].record == {"id": "b", "title": "U"}


def test_csv_cut_off_inside_quotes_is_a_problem(tmp_path: Path) -> None:
    found = entries(tmp_path / "x.csv", b'id,title\na,T\nb,"cut off he')
    assert [line for line, _ in problems(found)] == [3]


def test_csv_that_pandas_wrote_with_its_index(tmp_path: Path) -> None:
    pd.DataFrame({"id": ["a"], "title": ["T"]}).to_csv(tmp_path / "x.csv")
    (entry,) = read_entries(tmp_path / "x.csv")
    assert entry.record is not None, entry.problem
    assert entry.record["id"] == "a"


def test_parquet_has_a_record_a_row(tmp_path: Path) -> None:
    table = pa.table(
        {"id": ["a", "b"], "year": [1999, None], "authors": [["Ada"], None], "title": ["T", "U"]}
    )
    parquet.write_table(table, tmp_path / "x.parquet")
    found = list(read_entries(tmp_path / "x.parquet"))
    assert found[0].record == {"id": "a", "year": 1999, "authors": ["Ada"], "title": "T"}
    assert found[1].record == {"id": "b", "year": None, "authors": None, "title": "U"}
    assert [entry.line for entry in found] == [1, 2]


@pytest.mark.parametrize("content", [b"", b"not parquet at all", b"PAR1" + bytes(64) + b"PAR1"])
def test_damaged_parquet_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UnsupportedSource, match=r"x\.parquet: not a readable Parquet"):
        entries(tmp_path / "x.parquet", content)


def test_frame_gives_plain_values() -> None:
    frame = pd.DataFrame({"id": [1, 2], "year": [1999.0, float("nan")]})
    first, second = (entry.record for entry in read_entries(frame))
    assert first is not None
    assert second is not None
    assert first == {"id": 1, "year": 1999.0}
    assert type(first["id"]) is int
    assert second["year"] != second["year"]


@pytest.mark.parametrize("missing", [pd.NA, pd.NaT, None])
def test_frame_missing_values_are_none(missing: Any) -> None:
    frame = pd.DataFrame({"id": ["a"], "year": pd.Series([missing], dtype=object)})
    (entry,) = read_entries(frame)
    assert entry.record == {"id": "a", "year": None}


def test_frame_entries_count_rows_from_one() -> None:
    found = read_entries(pd.DataFrame({"id": ["a", "b"]}, index=[7, 7]))
    assert [(entry.file, entry.line) for entry in found] == [("DataFrame", 1), ("DataFrame", 2)]


def test_unknown_kind_names_the_kinds(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedSource, match=r"paper\.pdf.*\.jsonl.*\.csv.*\.parquet.*BEIR"):
        entries(tmp_path / "paper.pdf", b"%PDF")


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
@given(st.binary(max_size=200), st.sampled_from(["x.jsonl", "x.csv"]))
def test_any_bytes_give_entries_or_problems(content: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for entry in entries(Path(folder) / name, content):
            assert (entry.record is None) == bool(entry.problem)
