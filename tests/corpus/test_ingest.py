"""A source into an index: what is added, what is rejected and how one finds it, what stays."""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.conftest import paper_record
from workbench.corpus.manifest import STORE
from workbench.corpus.preparing import BATCH
from workbench.corpus.store import Store
from workbench.corpus.writer import AnalysedPaper, StoreWriter
from workbench.errors import CorpusNotFound, RecordError
from workbench.records import Paper

from .fakes import build, found

WriteJsonl = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


def living(folder: Path) -> set[str]:
    store = Store(folder / STORE)
    try:
        return set(store.living_ids())
    finally:
        store.close()


def stored(folder: Path, paper_id: str) -> Paper:
    store = Store(folder / STORE)
    try:
        entry = store.paper(paper_id, store.paper_count)
    finally:
        store.close()
    assert entry is not None
    return entry[1]


def rejected(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "rejects.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_report_counts_what_was_added(folder: Path, write_jsonl: WriteJsonl) -> None:
    report = build(folder, write_jsonl([paper_record(n) for n in range(5)]))
    assert (report.added, report.rejected, report.rejects) == (5, 0, None)
    assert str(report) == "5 added"


def test_a_paper_comes_back_whole(folder: Path, write_jsonl: WriteJsonl) -> None:
    record = paper_record(
        1, body="Line one.\n\nLine \x07 two 検索 𝐀.", fields=["IR"], doi="10.1/x", url="http://x"
    )
    build(folder, write_jsonl([record]))
    expected = {**record, "authors": tuple(record["authors"]), "fields": ("IR",)}
    assert stored(folder, "p001") == Paper(**expected)


def test_beir_folder(folder: Path, tmp_path: Path) -> None:
    line = {"_id": "d1", "title": "Vectors", "text": "Dense retrieval.", "metadata": {"x": 1}}
    (tmp_path / "corpus.jsonl").write_text(json.dumps(line))
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1", "text": "dense"}')
    build(folder, tmp_path)
    assert stored(folder, "d1") == Paper(id="d1", title="Vectors", abstract="Dense retrieval.")


def test_frame(folder: Path) -> None:
    frame = pd.DataFrame(
        {
            "id": ["a", "b"],
            "title": ["First", "Second"],
            "abstract": ["About.", pd.NA],
            "year": [2001, float("nan")],
            "authors": [["Ada"], None],
        }
    )
    assert build(folder, frame).added == 2
    assert stored(folder, "a") == Paper("a", "First", "About.", authors=("Ada",), year=2001)
    assert stored(folder, "b") == Paper("b", "Second")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"id": "p000", "title": "Again"}', "id 'p000' came before"),
        (b'{"id": "x", "title": ["T"]}', "title: expected text, got list"),
        (b'{"id": "x", "title": "T", "year": "soon"}', "year: expected a whole number"),
        (b'{"id": "x"}', "no text"),
        (b'{"id": "x", "title": "\\ud800"}', "title: lone surrogate"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'"' + b"x" * 9_000_000 + b'"', "line over 8 MiB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_record_is_reported_with_file_and_line_and_the_others_kept(
    folder: Path, tmp_path: Path, line: bytes, problem: str
) -> None:
    good = [json.dumps(paper_record(n)).encode() for n in range(2)]
    source = tmp_path / "papers.jsonl"
    source.write_bytes(b"\n".join([good[0], line, good[1]]))
    report = build(folder, source)
    assert (report.added, report.rejected) == (2, 1)
    (reject,) = rejected(folder)
    assert (reject["file"], reject["line"]) == (str(source), 2)
    assert problem in reject["problem"]
    assert living(folder) == {"p000", "p001"}


def test_of_a_duplicate_id_the_first_is_kept(folder: Path, write_jsonl: WriteJsonl) -> None:
    build(folder, write_jsonl([paper_record(1), paper_record(1, title="Later")]))
    assert stored(folder, "p001").title == paper_record(1)["title"]


def test_report_says_where_the_rejects_are(folder: Path, write_jsonl: WriteJsonl) -> None:
    report = build(folder, write_jsonl([paper_record(1), {"id": "x"}]))
    assert report.rejects == folder / "rejects.jsonl"
    assert str(report) == f"1 added, 1 rejected (see {folder / 'rejects.jsonl'})"


def test_rejects_of_an_earlier_run_are_removed(folder: Path, write_jsonl: WriteJsonl) -> None:
    build(folder, write_jsonl([{"id": "x"}]))
    assert build(folder, write_jsonl([paper_record(1)])).rejects is None
    assert not (folder / "rejects.jsonl").exists()


def test_only_bad_records_make_an_index_that_opens(folder: Path, write_jsonl: WriteJsonl) -> None:
    build(folder, write_jsonl([{"id": "x"}, {"id": "y"}]))
    assert found(folder) == []


def test_strict_stops_at_the_first_bad_record(folder: Path, write_jsonl: WriteJsonl) -> None:
    source = write_jsonl([paper_record(0), {"id": "x"}, paper_record(2)])
    with pytest.raises(RecordError, match=rf"{source} line 2: no text"):
        build(folder, source, strict=True)


def test_strict_accepts_good_records(folder: Path, write_jsonl: WriteJsonl) -> None:
    assert build(folder, write_jsonl([paper_record(0)]), strict=True).added == 1


def test_what_was_committed_before_strict_stopped_stays(
    folder: Path, write_jsonl: WriteJsonl
) -> None:
    records = [paper_record(n) for n in range(BATCH + 20)]
    source = write_jsonl([*records, {"id": "x"}])
    with pytest.raises(RecordError, match=f"line {BATCH + 21}"):
        build(folder, source, strict=True)
    report = build(folder, source)
    assert (report.unchanged, report.added) == (BATCH + 20, 0)


def test_what_was_read_before_a_damaged_archive_stays_and_the_damage_is_reported(
    folder: Path, tmp_path: Path
) -> None:
    lines = b'{"id": "x"}\n' + b"".join(
        json.dumps(paper_record(n)).encode() + b"\n" for n in range(BATCH * 8)
    )
    packed = gzip.compress(lines)
    (tmp_path / "x.jsonl.gz").write_bytes(packed[: len(packed) * 3 // 4])
    report = build(folder, tmp_path / "x.jsonl.gz")
    assert len(living(folder)) == report.added >= BATCH
    first, last = rejected(folder)
    assert first["line"] == 1
    assert "cut-off archive" in last["problem"]


def test_a_record_without_id_gets_one_that_stays(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "x.jsonl"
    source.write_bytes(b'{"title": "A title", "doi": "10.1000/X"}\n{"title": "Caf\xe9 society"}\n')
    assert build(folder, source).added == 2
    assert build(folder, source).unchanged == 2
    assert stored(folder, "doi:10.1000/x").title == "A title"
    assert {stored(folder, name).title for name in living(folder)} == {"A title", "Café society"}


@pytest.mark.parametrize("ending", [".gz", ".xz"])
@pytest.mark.parametrize("count", [1, 20, BATCH + 20])
def test_every_record_before_a_damaged_archives_end_stays(
    folder: Path, tmp_path: Path, ending: str, count: int
) -> None:
    lines = "".join(json.dumps(paper_record(n)) + "\n" for n in range(count)).encode()
    packed = gzip.compress(lines) if ending == ".gz" else lzma.compress(lines)
    source = tmp_path / f"x.jsonl{ending}"
    source.write_bytes(packed[:-6])  # the texts are all there, the checksum at the end is not
    report = build(folder, source)
    assert (report.added, report.rejected) == (count, 1)
    assert "fetch the file again" in rejected(folder)[0]["cure"]
    source.write_bytes(packed)
    report = build(folder, source)  # the remedy
    assert (report.added, report.unchanged) == (0, count)


def test_long_records_are_not_held_by_the_batch(
    folder: Path, write_jsonl: WriteJsonl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.corpus.preparing.BATCH_CHARACTERS", 1000)
    batches: list[int] = []
    real = StoreWriter.add

    def counted(self: StoreWriter, papers: Sequence[AnalysedPaper]) -> None:
        batches.append(len(papers))
        real(self, papers)

    monkeypatch.setattr(StoreWriter, "add", counted)
    build(folder, write_jsonl([paper_record(n, abstract="Long. " * 100) for n in range(6)]))
    assert batches == [2, 2, 2]


def test_a_source_that_is_not_there_makes_no_index(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusNotFound):
        build(folder, tmp_path / "missing.jsonl")
    assert not (folder / "manifest.json").exists()


def test_counts_of_added_replaced_unchanged(folder: Path, write_jsonl: WriteJsonl) -> None:
    build(folder, write_jsonl([paper_record(0), paper_record(1)]))
    changed = paper_record(1, venue="TOIS")
    report = build(folder, write_jsonl([paper_record(0), changed, paper_record(2)]))
    assert (report.added, report.replaced, report.unchanged) == (1, 1, 1)


def test_papers_that_the_source_no_longer_has_stay(folder: Path, write_jsonl: WriteJsonl) -> None:
    build(folder, write_jsonl([paper_record(0), paper_record(1)]))
    build(folder, write_jsonl([paper_record(1)]))
    assert living(folder) == {"p000", "p001"}
