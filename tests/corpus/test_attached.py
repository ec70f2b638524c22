"""PDFs that Zotero and BibTeX name: their text is the paper's; missing ones are told."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pypdfium2
import pytest

from tests.conftest import shared
from tests.corpus.fakes import FakeEmbedder
from workbench.corpus.formats.attached import files_of
from workbench.opening import index, open_corpus

PDF = "data/exports/jabref/Keim2024.pdf"
SCHEMA = """
CREATE TABLE itemTypes(itemTypeID INTEGER PRIMARY KEY, typeName TEXT);
CREATE TABLE items(itemID INTEGER PRIMARY KEY, itemTypeID INT, key TEXT);
CREATE TABLE fields(fieldID INTEGER PRIMARY KEY, fieldName TEXT);
CREATE TABLE itemDataValues(valueID INTEGER PRIMARY KEY, value TEXT);
CREATE TABLE itemData(itemID INT, fieldID INT, valueID INT);
CREATE TABLE creators(creatorID INTEGER PRIMARY KEY, firstName TEXT, lastName TEXT);
CREATE TABLE creatorTypes(creatorTypeID INTEGER PRIMARY KEY, creatorType TEXT);
CREATE TABLE itemCreators(itemID INT, creatorID INT, creatorTypeID INT, orderIndex INT);
CREATE TABLE tags(tagID INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE itemTags(itemID INT, tagID INT);
CREATE TABLE deletedItems(itemID INT);
CREATE TABLE itemAttachments(
    itemID INT, parentItemID INT, linkMode INT, contentType TEXT, path TEXT);
INSERT INTO itemTypes VALUES (1, 'journalArticle'), (2, 'attachment');
INSERT INTO fields VALUES (1, 'title'), (2, 'abstractNote');
INSERT INTO itemDataValues VALUES (1, 'Trace links'), (2, 'My own summary.'), (3, 'No file');
INSERT INTO items VALUES (1, 1, 'AAAA'), (2, 2, 'BBBB'), (3, 1, 'CCCC'), (4, 2, 'DDDD'),
    (5, 2, 'EEEE'), (6, 2, 'FFFF');
INSERT INTO itemData VALUES (1, 1, 1), (1, 2, 2), (3, 1, 3);
INSERT INTO deletedItems VALUES (6);
INSERT INTO itemAttachments VALUES (2, 1, 0, 'application/pdf', 'storage:paper.pdf'),
    (4, 3, 2, 'application/pdf', '/not/there.pdf'),
    (5, NULL, 2, 'application/pdf', 'attachments:alone.pdf'),
    (6, 3, 0, 'application/pdf', 'storage:trash.pdf');
"""


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.engines.embedder.make_embedder", lambda *_, **__: FakeEmbedder())


def test_zotero_s_attachments(tmp_path: Path) -> None:
    stored = tmp_path / "storage" / "BBBB" / "paper.pdf"
    stored.parent.mkdir(parents=True)
    shutil.copy(shared(PDF), stored)
    shutil.copy(shared("data/exports/jabref/2024_SPLC_Becker.pdf"), tmp_path / "alone.pdf")
    with closing(sqlite3.connect(tmp_path / "zotero.sqlite")) as db:
        db.executescript(SCHEMA)
    report = index(tmp_path / "zotero.sqlite", tmp_path / "corpus", progress=False)
    assert (report.added, report.rejected, report.coverage["body"]) == (3, 0, 2)
    assert report.notes == ("CCCC: its PDF cannot be read (/not/there.pdf: not there)",)
    with open_corpus(tmp_path / "corpus", progress=False) as bench:
        [paper] = bench.engine.papers(["AAAA"])
        assert (paper.title, paper.abstract) == ("Trace links", "My own summary.")
        start = paper.text.index("software architecture documentation", len(paper.abstract))
        [(file, page, box), *_] = bench.locate("AAAA", start, start + 8)
        assert file == str(stored)
        with closing(pypdfium2.PdfDocument(stored)) as document:
            left, bottom, right, top = box
            line = document[page - 1].get_textpage().get_text_bounded(left, bottom, right, top)
        assert "software" in line.lower()


def test_bibtex_s_file_field(tmp_path: Path) -> None:
    shutil.copy(shared(PDF), tmp_path / "a paper.pdf")
    (tmp_path / "broken.pdf").write_text("not a PDF")
    (tmp_path / "x.bib").write_text(
        "@article{a, title={Links}, file={Full Text:a paper.pdf:application/pdf}}\n"
        "@article{b, title={Broken}, file={:broken.pdf:PDF}}\n"
        "@article{c, title={A web page}, file={Snapshot:a.html:text/html}}\n"
    )
    report = index(tmp_path / "x.bib", tmp_path / "corpus", progress=False)
    assert (report.added, report.coverage["body"]) == (3, 1)
    assert report.coverage["abstract"] == 1  # the record had none
    assert "broken.pdf: not a readable PDF" in report.notes[0]
    with open_corpus(tmp_path / "corpus", progress=False) as bench:
        [paper] = bench.engine.papers(["a"])
        assert (paper.title, bench.locate("a")[0][0]) == ("Links", str(tmp_path / "a paper.pdf"))


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("a.pdf", ["/b/a.pdf"]),
        ("/x/a.pdf", ["/x/a.pdf"]),
        (r"T:files/1/a\:b.pdf:application/pdf", ["/b/files/1/a:b.pdf"]),
        ("One:a.pdf:PDF;Two:b.pdf:PDF", ["/b/a.pdf", "/b/b.pdf"]),
        (r":my{\_}paper\;2.pdf:pdf", ["/b/my_paper;2.pdf"]),
        (":a.pdf:PDF, :b.epub:EPUB", ["/b/a.pdf"]),
        ("file:///x/a%20b.pdf", ["/x/a b.pdf"]),
        ("page.html", []),
        ("", []),
    ],
)
def test_what_a_file_field_names(value: str, names: list[str]) -> None:
    assert list(files_of(value, Path("/b"))) == names
