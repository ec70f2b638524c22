"""Fuzzers with fixed seeds: whatever bytes and values come, errors are the package's, and a corpus
with damaged bytes gives its answers or says that it is damaged.

WORKBENCH_FUZZ multiplies the number of cases (20 gives some 100,000).
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.conftest import paper_record
from workbench.corpus.collection import read_qrels, read_queries
from workbench.corpus.formats.reading import read_source
from workbench.corpus.inspecting import paper_of
from workbench.corpus.manifest import NAME, STORE, read_manifest
from workbench.corpus.parsing import parse_paper
from workbench.corpus.readers import read_entries
from workbench.engines.embedded.indexing import Indexer
from workbench.errors import CorpusDamaged, CorpusError, RecordError, WorkbenchError

from .fakes import FakeEmbedder, build, found

TIMES = int(os.environ.get("WORKBENCH_FUZZ", "1"))
RECORDS = [paper_record(n) for n in range(6)]


def seeds(count: int, seed: int) -> Iterator[Random]:
    """`count` generators of random numbers, the same in each run."""
    for number in range(count * TIMES):
        yield Random(seed * 1_000_003 + number)


def damaged(content: bytes, random: Random) -> bytes:
    """Bytes changed, cut, doubled, blanked or put elsewhere."""
    data = bytearray(content)
    for _ in range(random.choice([1, 1, 2, 8])):
        if not data:
            break
        place, size = random.randrange(len(data)), random.choice([1, 1, 4, 64])
        kind = random.randrange(6)
        if kind == 0:
            data[place] ^= 1 << random.randrange(8)
        elif kind == 1:
            del data[place:]
        elif kind == 2:
            data[place : place + size] = bytes(size)
        elif kind == 3:
            data[place:place] = data[place : place + size * 8]
        elif kind == 4:
            data[place : place + size] = random.randbytes(size)
        else:
            del data[place : place + size]
    return bytes(data)


def sources() -> dict[str, bytes]:
    lines = "".join(json.dumps(record) + "\n" for record in RECORDS).encode()
    frame = pd.DataFrame(RECORDS)
    table = io.BytesIO()
    parquet.write_table(pa.Table.from_pandas(frame), table)
    return {
        "x.jsonl": lines,
        "x.csv": frame.drop(columns="authors").to_csv(index=False).encode(),
        "x.jsonl.gz": gzip.compress(lines),
        "x.jsonl.xz": lzma.compress(lines),
        "x.jsonl.bz2": bz2.compress(lines),
        "x.parquet": table.getvalue(),
    }


@pytest.mark.parametrize("name", sources())
def test_damaged_sources_give_entries_or_typed_errors(tmp_path: Path, name: str) -> None:
    content, path = sources()[name], tmp_path / name
    for random in seeds(350, 1):
        path.write_bytes(damaged(content, random))
        try:
            for entry in read_source(path):
                if entry.record is not None:
                    paper_of(entry)
            for line in read_entries(path) if ".jsonl" in name else ():
                if line.record is not None:
                    parse_paper(line.record)
        except WorkbenchError:
            continue


QRELS = b"".join(b"q%d 0 p%03d %d\n" % (n, n, n % 3) for n in range(20))
QUERIES = b"".join(b'{"id": "q%d", "text": "dense vectors"}\n' % n for n in range(20))


@pytest.mark.parametrize("read", [read_qrels, read_queries])
@pytest.mark.parametrize(
    ("ending", "pack"), [("", bytes), (".gz", gzip.compress), (".xz", lzma.compress)]
)
def test_damaged_queries_and_judgments_give_typed_errors(
    tmp_path: Path, read: Callable[[Path], Any], ending: str, pack: Callable[[bytes], bytes]
) -> None:
    name, content = ("q.tsv", QRELS) if read is read_qrels else ("q.jsonl", QUERIES)
    path = tmp_path / (name + ending)
    for random in seeds(150, 2):
        path.write_bytes(damaged(pack(content), random))
        try:
            read(path)
        except WorkbenchError:
            continue


ODD: list[Any] = [
    *(None, True, "", " ", "x", "\ud800", "\0", "9" * 5000, "1e400", "١٩٩٩", "²"),
    *(0, -1, 2020, 10**4999, -(10**30), 2020.0, 2020.5, float("nan"), float("inf"), 1e300),
    *([], {}, [[]], ["a", None], [{"name": None}], {"name": []}, [1], "a;b;" * 50),
    *(b"bytes", date(2020, 1, 1), Decimal("2020"), Decimal("sNaN"), 1 + 2j, object(), range(3)),
    *(np.array(5), np.array([1, 2]), np.array(["a"]), np.array([]), np.float32("nan")),
    *(np.datetime64("NaT"), np.str_("x"), pd.NA, pd.NaT, pd.Timestamp("2020"), pd.Series([1])),
    *(pd.DataFrame({"a": [1]}), "t" * 20_000, {"ArXiv": 5, "DOI": []}, [["a"] * 3]),
]
NAMES = [
    *("id", "_id", "title", "abstract", "text", "body", "authors", "author", "year", "venue"),
    *("journal", "fields", "doi", "arxiv_id", "url", "externalIds"),
]


def test_records_of_any_values_are_papers_or_rejects() -> None:
    kinds, longest = [0, 0], 0
    for random in seeds(3000, 3):
        record: dict[str, Any] = {"id": "a", "title": "T"}
        for _ in range(random.choice([1, 2, 4])):
            record[random.choice(NAMES)] = random.choice(ODD)
        try:
            paper = parse_paper(record)
            kinds[0] += 1
            assert isinstance(paper.id, str)
            assert paper.text
            json.dumps(paper.year)
            "".join((paper.title, *paper.authors, *paper.fields)).encode()
        except RecordError as error:
            kinds[1] += 1
            longest = max(longest, len(str(error)))
    assert min(kinds) > 100
    assert longest < 2000


def test_frames_of_any_values_are_indexed_with_rejects(tmp_path: Path) -> None:
    for number, random in enumerate(seeds(8, 4)):
        rows = [
            {"id": f"a{n}", "title": "T", random.choice(NAMES[2:]): random.choice(ODD)}
            for n in range(40)
        ]
        folder = tmp_path / str(number)
        report = build(folder, pd.DataFrame([*rows, {"id": "good", "title": "Good"}], dtype=object))
        assert report.added + report.rejected == 41
        assert "good" in {hit[0] for hit in found(folder, "good", 100)}


ARROW: dict[str, Any] = {
    "timestamp beyond 9999": pa.array([2**62], pa.timestamp("us")),
    "timestamp of another planet": pa.array([1], pa.timestamp("us", tz="Mars/Olympus")),
    "date beyond 9999": pa.array([2**30], pa.date32()),
    "nanoseconds": pa.array([2**62 + 1], pa.timestamp("ns")),
    "duration": pa.array([2**62], pa.duration("us")),
    "decimal": pa.array([Decimal("1.5")], pa.decimal256(50, 3)),
    "bytes": pa.array([b"\xff"], pa.binary()),
    "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
    "struct": pa.array([{"a": {"b": [1]}}]),
    "dictionary": pa.array(["a"]).dictionary_encode(),
    "half": pa.array(np.array([1.5], np.float16)),
    "null": pa.array([None]),
    "large": pa.array(["a"], pa.large_string()),
    "time": pa.array([1], pa.time64("ns")),
}


@pytest.mark.parametrize("name", ARROW)
def test_exotic_arrow_types_stop_no_index(tmp_path: Path, name: str) -> None:
    for place in ("updated", "year", "authors"):
        table = pa.table({"id": ["odd"], "title": ["Odd one"], place: ARROW[name]})
        good = pa.table(
            {
                "id": ["good"],
                "title": ["Good one"],
                place: ARROW[name].slice(0, 0).take(pa.array([None], pa.int64())),
            }
        )
        parquet.write_table(pa.concat_tables([table, good]), tmp_path / "x.parquet")
        report = build(tmp_path / place, tmp_path / "x.parquet")
        assert report.added + report.rejected == 2
        assert report.added == 2 or place != "updated"
        assert "good" in {hit[0] for hit in found(tmp_path / place, "good", 9)}


JSON_ODD: list[Any] = [None, True, "x", -1, 0, 2**70, 1e300, 0.5, [], {}, [1], {"a": 1}, "9" * 400]


def test_manifests_of_any_values_are_read_or_typed(tmp_path: Path) -> None:
    build(tmp_path / "index", pd.DataFrame(RECORDS))
    path = tmp_path / "index" / NAME
    content = path.read_bytes()
    values = json.loads(content)
    read = 0
    for random in seeds(1500, 5):
        if random.random() < 0.5:
            path.write_bytes(damaged(content, random))
        else:
            odd = {random.choice(list(values)): random.choice(JSON_ODD) for _ in range(2)}
            path.write_text(json.dumps({**values, **odd}))
        try:
            read_manifest(path.parent)
            read += 1
        except CorpusError:
            continue
        if read % 10 == 0:
            try:
                found(path.parent)
            except WorkbenchError:
                continue
    assert read > 50
    path.write_bytes(content)
    assert len(found(path.parent)) == len(RECORDS)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "index"
    build(folder, pd.DataFrame([paper_record(n) for n in range(40)]))
    return folder


def test_damaged_derived_bytes_never_change_an_answer(whole: Path, tmp_path: Path) -> None:
    before = found(whole)
    files = [
        path.relative_to(whole)
        for path in sorted(whole.rglob("*"))
        if path.is_file()
        and path.name not in (STORE, NAME, "seal.json")
        and not path.name.startswith(("write", STORE))
    ]
    folder = shutil.copytree(whole, tmp_path / "copy")
    for random in seeds(300, 6):
        name = random.choice(files)
        content = (whole / name).read_bytes()
        (folder / name).write_bytes(damaged(content, random))
        with suppress(CorpusDamaged):
            assert found(folder) == before, name
        shutil.copy2(whole / name, folder / name)
    for random in seeds(6, 7):
        name = random.choice(files)
        (folder / name).write_bytes(damaged((whole / name).read_bytes(), random))
        Indexer(folder, FakeEmbedder()).repair()
        assert found(folder) == before, name
        shutil.rmtree(folder)
        shutil.copytree(whole, folder)


def test_a_damaged_store_is_typed(whole: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(whole, tmp_path / "copy")
    content = (whole / STORE).read_bytes()
    for number, random in enumerate(seeds(200, 8)):
        for leftover in folder.glob(f"{STORE}-*"):
            leftover.unlink()
        (folder / STORE).write_bytes(damaged(content, random))
        with suppress(WorkbenchError):
            found(folder)
            if number % 10 == 0:
                build(folder, pd.DataFrame([paper_record(50)]))
        if number % 10 == 0:
            shutil.rmtree(folder)
            shutil.copytree(whole, folder)
