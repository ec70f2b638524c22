"""Duplicates are found whichever way a paper came in: from the folder's own source, or by `add`."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import paper_record
from workbench.corpus.identity.library import Library
from workbench.corpus.identity.stored import StoredPapers
from workbench.corpus.manifest import LIBRARY
from workbench.corpus.writer import StoreWriter
from workbench.engines.embedded.indexing import Indexer

from .fakes import FakeEmbedder, build, follow
from .test_ingest import living, stored

WriteJsonl = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


def own(number: int, **fields: Any) -> dict[str, Any]:
    title = f"Study {number} of ranking functions and what they measure"
    return paper_record(number, title=title, abstract="", **fields)


def ris(folder: Path, *numbers: int) -> Path:
    path = folder / "more.ris"
    path.write_text(
        "".join(
            f"TY  - JOUR\nTI  - {own(number)['title'].upper()}\nAU  - Lovelace, Ada\n"
            f"PY  - {own(number)['year']}\nAB  - What RIS says of {number}.\nER  - \n\n"
            for number in numbers
        )
    )
    return path


def test_what_is_added_joins_the_folder_s_own_papers(
    folder: Path, tmp_path: Path, write_jsonl: WriteJsonl
) -> None:
    source = write_jsonl([own(0), own(1)])
    follow(folder, source)
    report = build(folder, ris(tmp_path, 1, 2))
    assert (report.added, report.replaced, report.duplicates) == (1, 1, 1)
    assert len(living(folder)) == 3
    assert stored(folder, "p001").abstract == "What RIS says of 1."
    with closing(Library(folder / LIBRARY, write=False)) as library:
        assert library.groups() == ["p001"]
        assert [member.where for member in library.members("p001")] == [
            str(source), f"{tmp_path}/more.ris:1"
        ]  # fmt: skip


def test_the_folder_s_own_papers_join_what_was_added(
    folder: Path, tmp_path: Path, write_jsonl: WriteJsonl
) -> None:
    build(folder, ris(tmp_path, 1, 2))
    follow(folder, write_jsonl([own(0), own(1)]))
    assert len(living(folder)) == 3
    # The folder's id is the paper's: its judgments and links name it.
    assert stored(folder, "p001").abstract == "What RIS says of 1."


def test_a_merged_paper_follows_its_source(
    folder: Path, tmp_path: Path, write_jsonl: WriteJsonl
) -> None:
    follow(folder, write_jsonl([own(0), own(1)]))
    build(folder, ris(tmp_path, 1))
    follow(folder, write_jsonl([own(0), own(1, venue="A better journal")]))
    paper = stored(folder, "p001")
    assert (paper.venue, paper.abstract) == ("A better journal", "What RIS says of 1.")
    Indexer(folder, FakeEmbedder()).delete(["p001"])
    assert living(folder) == {"p000"}
    assert build(folder, ris(tmp_path, 1)).added == 1


def test_a_corpus_without_a_library_gets_one(
    folder: Path, tmp_path: Path, write_jsonl: WriteJsonl
) -> None:
    build(folder, write_jsonl([own(0), own(1)]))
    (folder / LIBRARY).unlink()  # as version 0.1 left it
    assert build(folder, ris(tmp_path, 0, 1)).duplicates == 2
    assert living(folder) == {"p000", "p001"}


def test_what_was_interrupted_before_the_store_is_done_next_time(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(StoreWriter, "add", lambda *_: (_ for _ in ()).throw(OSError("killed")))
        with pytest.raises(OSError, match="killed"):
            build(folder, ris(tmp_path, 1, 2))
    report = build(folder, [own(3)])
    assert report.added == 1
    assert len(living(folder)) == 3
    assert build(folder, ris(tmp_path, 1, 2)).unchanged == 2


@settings(max_examples=10)
@given(order=st.permutations([("own", 0), ("own", 1), ("ris", 1), ("ris", 2)]))
def test_no_order_of_arrival_changes_the_papers(
    order: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("order")
    source, said = home / "papers.jsonl", list[dict[str, Any]]()
    for kind, number in order:
        if kind == "own":
            said.append(own(number))
            source.write_text("".join(json.dumps(record) + "\n" for record in said))
            follow(home / "index", source)
        else:
            build(home / "index", ris(home, number))
    papers = living(home / "index")
    assert {"p000", "p001"} <= papers
    assert len(papers) == 3
    assert stored(home / "index", "p001").abstract == "What RIS says of 1."


def test_what_did_not_change_elsewhere_is_not_compared(
    folder: Path, tmp_path: Path, write_jsonl: WriteJsonl, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[object] = []
    differences = StoredPapers.differences

    def counted(self: StoredPapers, papers: Any) -> Any:
        compared.append(self)
        return differences(self, papers)

    monkeypatch.setattr(StoredPapers, "differences", counted)
    build(folder, write_jsonl([own(0), own(1)]))
    compared.clear()
    build(folder, ris(tmp_path, 1, 2))
    build(folder, ris(tmp_path, 3))
    assert not compared
    Indexer(folder, FakeEmbedder()).delete(["p000"])
    assert build(folder, ris(tmp_path, 0)).added == 1
    assert compared
