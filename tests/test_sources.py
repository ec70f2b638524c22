"""What a person does with papers as they have them: index, look, keep up, undo, export."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import workbench as wb
from tests.command import run
from tests.conftest import shared
from tests.corpus.fakes import FakeEmbedder, build
from workbench.errors import CorpusNotFound
from workbench.session import Workbench

BIB = """@article{colbert, title={Late interaction over contextual vectors}, year=2020,
  author={Khattab, Omar and Zaharia, Matei}, doi={10.1145/3397271.3401075}, journal={SIGIR}}
@article{dpr, title={Dense passage retrieval for questions}, author={Karpukhin, V.}, year=2020}
"""
RIS = """TY  - JOUR
TI  - Late interaction over contextual vectors
AU  - Khattab, O.
DO  - https://doi.org/10.1145/3397271.3401075
AB  - We keep one vector a token.
ER  -
"""


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "a.bib").write_text(BIB)
    (folder / "b.ris").write_text(RIS)
    (folder / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    return folder


@pytest.fixture
def bench(inbox: Path, tmp_path: Path) -> Iterator[Workbench]:
    report = build(tmp_path / "index", inbox)
    assert (report.added, report.duplicates, report.rejected) == (2, 1, 1)
    with Workbench(tmp_path / "index", embedder=FakeEmbedder()) as opened:
        yield opened


def test_a_folder_is_followed(bench: Workbench, inbox: Path) -> None:
    (inbox / "c.csv").write_text("Title,Abstract\nSparse retrieval again,With words\n")
    report = bench.sync(progress=False)
    assert report.added == 1
    assert bench.search("sparse retrieval").hits[0].paper.title == "Sparse retrieval again"


def test_one_more_source_to_follow(bench: Workbench, tmp_path: Path) -> None:
    (tmp_path / "more.bib").write_text("@misc{x, title={Yet another paper of ours}}")
    bench.sync(tmp_path / "more.bib", progress=False)
    (tmp_path / "more.bib").write_text("@misc{x, title={Yet another paper of theirs}}")
    assert bench.sync(progress=False).replaced == 1


def test_nothing_to_follow_says_what_to_do(tmp_path: Path) -> None:
    build(tmp_path / "index", [{"id": "a", "title": "A paper from memory"}])
    with (
        Workbench(tmp_path / "index", embedder=FakeEmbedder()) as opened,
        pytest.raises(CorpusNotFound, match=r"bench\.sync\(PATH\)"),
    ):
        opened.sync()


def test_duplicates_are_shown_and_separated(bench: Workbench) -> None:
    found = bench.duplicates()
    assert "same DOI 10.1145/3397271.3401075" in str(found)
    assert "<b>colbert</b>" in found._repr_html_()
    ids = found.separate("colbert")
    assert bench.engine.known(ids) == set(ids)
    assert len(bench.duplicates()) == 0


def test_raw_records_are_kept(bench: Workbench, inbox: Path) -> None:
    records = bench.records("colbert")
    assert [where for where, _ in records] == [f"{inbox / 'a.bib'}:1", f"{inbox / 'b.ris'}:1"]
    assert records[0][1]["author"] == "Khattab, Omar and Zaharia, Matei"
    assert bench.records("unknown") == []


def test_a_passage_of_a_pdf_has_its_place(tmp_path: Path) -> None:
    pdf = shared("data/exports/jabref/Keim2024.pdf")
    (tmp_path / "k.bib").write_text(
        "@article{keim, title={Recovering Trace Links Between Software Documentation And Code}, "
        "doi={10.1145/3597503.3639130}, abstract={" + "A longer abstract than theirs. " * 80 + "}}"
    )
    build(tmp_path / "index", [pdf, tmp_path / "k.bib"])
    with Workbench(tmp_path / "index", embedder=FakeEmbedder()) as bench:
        [paper] = bench.engine.papers(["doi:10.1145/3597503.3639130"])
        assert paper.abstract.startswith("A longer abstract")
        start = paper.text.index(paper.body[:40])
        [(file, page, (left, bottom, right, top))] = bench.locate(paper.id, start, start + 20)
        assert (file, page) == (str(pdf), 1)
        assert 0 < left < right < 612
        assert 0 < bottom < top < 792
        hit = bench.search("trace links documentation").hits[0]
        assert bench.locate(hit)


@pytest.mark.parametrize("ending", ["bib", "ris", "csv", "json"])
def test_rankings_and_judgments_are_exported(bench: Workbench, tmp_path: Path, ending: str) -> None:
    ranking = bench.search("late interaction")
    path = tmp_path / f"out.{ending}"
    assert bench.export(ranking, path) == len(ranking)
    assert [p.title for p in wb.inspect(path).papers] == [hit.paper.title for hit in ranking]
    judged = [wb.Judgment("q1", "dpr", 2)]
    assert bench.export(judged, path) == 1
    assert bench.export("dpr", path) == 1
    with pytest.raises(CorpusNotFound, match="'gone'"):
        bench.export(["gone"], path)


def test_inspect_shows_guesses_papers_and_rejects(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(
        "Paper name;Jahr;Publ. year\nKelp <b>forests</b>;x;1999\n;;\n;1;2000\n"
    )
    found = wb.inspect(tmp_path / "x.csv")
    assert found.columns == {"title": "Paper name", "year": "Publ. year"}
    assert found.guessed == ("title", "year")
    assert "say otherwise with columns=" in str(found)
    assert [paper.title for paper in found.papers] == ["Kelp forests"]
    assert (found.rejected, found.rejects[0].line) == (1, 4)
    assert "Kelp forests" in found._repr_html_()


def test_on_the_command_line(inbox: Path, tmp_path: Path) -> None:
    looked = run("inspect", inbox / "a.bib", inbox / "b.ris")
    assert looked.returncode == 0
    assert "b.ris: 1 RIS" in looked.stdout
    assert "2 BibTeX" in looked.stdout
    assert "colbert: Late interaction" in looked.stdout
    done = run("index", inbox / "a.bib", inbox / "b.ris", "--into", tmp_path / "c", "--json")
    assert json.loads(done.stdout)["duplicates"] == 1
    (inbox / "b.ris").unlink()
    synced = run("sync", tmp_path / "c")
    assert "b.ris is gone" in synced.stdout
    address = run("index", "https://example.org/a.bib", "--into", tmp_path / "d")
    assert address.returncode == 1
    assert "an address; download it" in address.stderr
    assert not (tmp_path / "d").exists()
    wrong = run("inspect", inbox / "a.bib", "--column", "title")
    assert wrong.returncode == 2
    assert "FIELD=NAME" in wrong.stderr
