"""A folder's source and its index: what a change of the source may take, and what it may not."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench as wb
from tests.conftest import paper_record
from workbench.corpus.manifest import read_manifest
from workbench.engines.embedded.indexing import Indexer
from workbench.errors import UnsupportedSource

from .fakes import FakeEmbedder, build, follow, found
from .test_ingest import living, stored

WriteJsonl = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


def records(*numbers: int, **fields: Any) -> list[dict[str, Any]]:
    return [paper_record(n, **fields) for n in numbers]


def frame(*rows: dict[str, Any]) -> Any:
    import pandas as pd

    return pd.DataFrame(list(rows))


def test_what_the_person_added_stays(folder: Path, write_jsonl: WriteJsonl) -> None:
    follow(folder, write_jsonl(records(0, 1)))
    build(folder, frame(paper_record(7)))
    report = follow(folder, write_jsonl(records(0, 1, 2)))
    assert (report.added, report.deleted) == (1, 0)
    assert living(folder) == {"p000", "p001", "p002", "p007"}


def test_what_the_person_replaced_or_deleted_stays_so(
    folder: Path, write_jsonl: WriteJsonl
) -> None:
    follow(folder, write_jsonl(records(0, 1, 2)))
    build(folder, frame(paper_record(1, title="My title")))
    Indexer(folder, FakeEmbedder()).delete(["p002"])
    report = follow(folder, write_jsonl(records(0, 1, 2, 3)))
    assert (report.added, report.replaced, report.deleted) == (1, 0, 0)
    assert stored(folder, "p001").title == "My title"
    assert living(folder) == {"p000", "p001", "p003"}


def test_what_the_source_changed_is_taken(folder: Path, write_jsonl: WriteJsonl) -> None:
    follow(folder, write_jsonl(records(0, 1)))
    build(folder, frame(paper_record(1, title="My title")))
    report = follow(folder, write_jsonl([*records(0), paper_record(1, title="Newer")]))
    assert report.replaced == 1
    assert stored(folder, "p001").title == "Newer"


def test_few_that_are_gone_are_removed_and_counted(folder: Path, write_jsonl: WriteJsonl) -> None:
    follow(folder, write_jsonl(records(*range(10))))
    assert follow(folder, write_jsonl(records(*range(8)))).deleted == 2
    assert len(living(folder)) == 8


@pytest.mark.parametrize("left", [0, 5])
def test_a_source_that_lost_much_removes_nothing_and_says_so(
    folder: Path, write_jsonl: WriteJsonl, left: int
) -> None:
    follow(folder, write_jsonl(records(*range(10))))
    report = follow(folder, write_jsonl(records(*range(left))))
    assert report.deleted == 0
    assert f"{10 - left} of 10 papers" in str(report)
    assert len(living(folder)) == 10


def test_the_remedy_for_papers_that_are_to_go(folder: Path, write_jsonl: WriteJsonl) -> None:
    follow(folder, write_jsonl(records(*range(10))))
    build(folder, frame(paper_record(20)))
    half = write_jsonl(records(*range(5)))
    assert "prune=True" in str(follow(folder, half))
    assert follow(folder, half, prune=True).deleted == 5
    assert len(living(folder)) == 6


def test_a_source_that_is_whole_again_needs_no_remedy(
    folder: Path, write_jsonl: WriteJsonl
) -> None:
    follow(folder, write_jsonl(records(*range(10))))
    before = read_manifest(folder).fingerprint
    follow(folder, write_jsonl(records(1)))
    assert follow(folder, write_jsonl(records(*range(10)))).notes == ()
    assert read_manifest(folder).fingerprint == before


@pytest.mark.parametrize("line", ['{"id": "p009", "title": 7}\n', '{"id": "p009", "ti\n'])
def test_a_record_that_became_bad_removes_no_paper(
    folder: Path, write_jsonl: WriteJsonl, line: str
) -> None:
    follow(folder, write_jsonl(records(*range(10))))
    source = write_jsonl(records(*range(9)))
    source.write_text(source.read_text() + line)
    assert follow(folder, source).deleted == 0
    assert "p009" in living(folder)


def test_reading_that_fails_removes_nothing(folder: Path, tmp_path: Path) -> None:
    lines = "".join(json.dumps(record) + "\n" for record in records(*range(10))).encode()
    source = tmp_path / "papers.jsonl.gz"
    source.write_bytes(gzip.compress(lines))
    follow(folder, source)
    source.write_bytes(gzip.compress(lines)[:-9])
    with pytest.raises(UnsupportedSource, match="kept"):
        follow(folder, source)
    assert len(living(folder)) == 10


def test_an_index_of_an_earlier_version_keeps_what_is_not_known_to_be_the_sources(
    folder: Path, write_jsonl: WriteJsonl
) -> None:
    build(folder, write_jsonl(records(0, 1, 2)))  # nobody wrote down from where these came
    follow(folder, write_jsonl(records(0, 1)))
    assert living(folder) == {"p000", "p001", "p002"}
    assert follow(folder, write_jsonl(records(0))).deleted == 1
    assert living(folder) == {"p000", "p002"}


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["source", "add", "delete"]), st.sets(st.integers(0, 9)), st.integers(0, 2)
    ),
    max_size=6,
)


@settings(deadline=None, max_examples=25)
@given(changes=CHANGES)
def test_no_order_of_changes_takes_what_the_person_added(
    changes: list[tuple[str, set[int], int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("sync")
    source, mine = folder / "papers.jsonl", set[str]()
    source.write_text("")
    follow(folder / "index", source)
    for kind, numbers, edition in changes:
        rows = [paper_record(n, title=f"Edition {edition}") for n in sorted(numbers)]
        own = [{**row, "id": f"own-{row['id']}"} for row in rows]
        if kind == "source":
            source.write_text("".join(json.dumps(row) + "\n" for row in rows))
            follow(folder / "index", source, prune=bool(edition % 2))
        elif kind == "add" and own:
            build(folder / "index", frame(*own))
            mine |= {row["id"] for row in own}
        elif kind == "delete":
            names = {row["id"] for row in own}
            Indexer(folder / "index", FakeEmbedder()).delete(names)
            mine -= names
    held = living(folder / "index")
    assert {name for name in held if name.startswith("own-")} == mine
    assert {hit[0] for hit in found(folder / "index", k=100)} == held


def test_a_touched_source_is_not_read_again(folder: Path, write_jsonl: WriteJsonl) -> None:
    home = write_jsonl(records(0, 1)).parent
    with wb.open(home, progress=False) as bench:
        bench.add(frame(paper_record(7)), progress=False)
        generation = bench.manifest.generation
    os.utime(home / "papers.jsonl", ns=(1, 1))
    with wb.open(home, progress=False) as bench:
        assert bench.manifest.generation == generation
        assert "p007" in bench.search("dense", k=9).paper_ids


@pytest.fixture
def home(write_jsonl: WriteJsonl, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a source of ten papers, and one that the person added."""
    monkeypatch.setattr("workbench.engines.embedder.make_embedder", lambda *_, **__: FakeEmbedder())
    home = write_jsonl(records(*range(10))).parent
    with wb.open(home, progress=False) as bench:
        bench.add(frame(paper_record(20)), progress=False)
    return home


def opened(home: Path, **options: Any) -> int:
    with wb.open(home, progress=False, **options) as bench:
        return bench.manifest.papers


def test_opening_a_half_written_source_keeps_all_and_says_so(
    home: Path, write_jsonl: WriteJsonl, caplog: pytest.LogCaptureFixture
) -> None:
    write_jsonl(records(*range(4)))
    assert opened(home) == 11
    assert "6 of 10 papers that came from the source are no longer in it" in caplog.text
    assert opened(home, prune=True) == 5
    assert "6 deleted" in caplog.text


def test_a_changed_source_beside_an_index_that_cannot_be_written(
    home: Path, write_jsonl: WriteJsonl, caplog: pytest.LogCaptureFixture
) -> None:
    write_jsonl(records(*range(12)))
    (home / "index" / "write.lock").unlink(missing_ok=True)
    (home / "index" / "write.lock").mkdir()  # permissions do not bind root
    assert opened(home) == 11
    assert "changed, but the index stays as it was" in caplog.text
