"""468 real export files: entries found = entries in the file, counted by other readers."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, shared
from workbench.corpus.cleaning.encoding import head_text, open_text
from workbench.corpus.formats.entry import Entry
from workbench.corpus.formats.reading import read_file

EXPORTS = ROOT.parent / "shared" / "data" / "exports"
FILES = sorted(
    str(path.relative_to(EXPORTS))
    for path in EXPORTS.rglob("*")
    if path.is_file() and path.name != "MANIFEST.tsv"
)
"""Empty where the public data is absent; `test_the_files_are_there` then skips, or fails in CI."""


@cache
def entries(name: str) -> list[Entry]:
    return list(read_file(shared("data/exports") / name))


def papers(name: str) -> list[dict[str, Any]]:
    return [dict(entry.record) for entry in entries(name) if entry.record is not None]


def names(*endings: str) -> list[str]:
    return [name for name in FILES if name.lower().endswith(endings)]


def test_the_files_are_there() -> None:
    assert shared("data/exports").is_dir()
    assert len(FILES) == 468


NO_PAPERS = {
    "an empty file": "colrev/zero-size-pdf.pdf jabref/A.pdf jabref/B.pdf jabref/Empty.txt "
    "jabref/MODSImporterTestMinimal.bib python-bibtexparser/empty.bib",
    "no text in 1 page": "jabref/annotated.pdf jabref/empty.pdf jabref/write-protected.pdf",
    "BibTeX without a record": "jabref/issue-12274.bib jabref/MedlineImporterTestMinimalEntry.bib "
    "python-bibtexparser/comments_only.bib python-bibtexparser/common_strings.bib",
    "Inspec without a record": "jabref/InspecImportTest.txt",
    "text in no format that is known": "colrev/broken-pdf.pdf jabref/InspecImportTestFalse.txt "
    "colrev/settings-expected-printout.txt colrev/WagnerLukyanenkoParEtAl2022_content.txt",
    "not XML: mismatched tag": "jabref/MedlineImporterTestMalformedEntry.xml",
    "without MedlineCitation": "jabref/MedlineImporterTestMinimalEntry.xml",
    "root <child>": "jabref/emptyFile.xml",
}
"""Files without a paper for us, by the reason that their reject gives."""

REASONS = {name: reason for reason, files in NO_PAPERS.items() for name in files.split()}


@pytest.mark.parametrize("name", sorted(REASONS))
def test_a_file_without_papers_gives_one_reject_with_reason_and_cure(name: str) -> None:
    [entry] = entries(name)
    assert entry.record is None
    assert REASONS[name] in entry.problem
    assert entry.cure


@pytest.mark.parametrize("name", [name for name in FILES if name not in REASONS])
def test_every_other_file_gives_papers_and_no_reject(name: str) -> None:
    assert papers(name)
    assert [entry.problem for entry in entries(name) if entry.record is None] == []


def bibtex_count(path: Path) -> int:
    import bibtexparser
    from bibtexparser.model import DuplicateBlockKeyBlock, ParsingFailedBlock

    with open_text(path) as stream:
        library = bibtexparser.parse_string(stream.read())
    failed = [block for block in library.failed_blocks if isinstance(block, ParsingFailedBlock)]
    assert all(
        isinstance(block, DuplicateBlockKeyBlock) or "@" in str(block.raw) for block in failed
    )
    return len(library.entries) + len(failed)


@pytest.mark.parametrize("name", [name for name in names(".bib") if name not in REASONS])
def test_bibtex_entries_as_bibtexparser_counts_blocks(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert len(entries(name)) == bibtex_count(shared("data/exports") / name)


RIS = [*names(".ris"), "asreview/ris_issue_1099.txt", "asreview/ris_issue_992.txt",
       "asreview/web_of_science.txt", "jabref/IEEEImport1.txt"]  # fmt: skip
RIS_OTHERWISE = {"colrev/ris_data.ris": 2}
"""rispy stops at `KW - keyword2`, one blank before the dash; by hand there are two."""


@pytest.mark.parametrize("name", RIS)
def test_ris_records_as_rispy_counts_them(name: str) -> None:
    import rispy

    with (shared("data/exports") / name).open(encoding="utf-8-sig") as stream:
        count = len(rispy.load(stream))
    assert len(entries(name)) == RIS_OTHERWISE.get(name, count)
    assert {entry.format for entry in entries(name)} == {"RIS"}


def test_medline_records_as_nbib_reads_them() -> None:
    import nbib

    theirs = nbib.read_file(str(shared("data/exports/nbib/pmc_medlars.txt")))
    ours = papers("nbib/pmc_medlars.txt")
    assert [paper["title"] for paper in ours] == [record["title"] for record in theirs]
    assert [paper["identifiers"]["pmid"] for paper in ours] == [str(r["pubmed_id"]) for r in theirs]
    assert [len(paper["authors"]) for paper in ours] == [len(r["authors"]) for r in theirs]


@pytest.mark.parametrize("name", names(".json"))
def test_json_items_that_are_no_attachments_or_notes(name: str) -> None:
    with (shared("data/exports") / name).open(encoding="utf-8") as stream:
        document = json.load(stream)
    items = document.get("items", [document]) if isinstance(document, dict) else document
    wanted = [item for item in items if item.get("itemType") not in ("attachment", "note")]
    assert len(entries(name)) == len(wanted)


RECORD = r"<(?:PubmedArticle|PubmedBookArticle|mods|record|b:Source)(?: [^>]*)?>"


@pytest.mark.parametrize("name", [name for name in names(".xml") if name not in REASONS])
def test_xml_records_as_their_tags_count(name: str) -> None:
    text = (shared("data/exports") / name).read_text(encoding="utf-8", errors="replace")
    assert len(entries(name)) == len(re.findall(RECORD, text))


REPORTS = {
    "jabref/OvidImporterTest1.txt": 5, "jabref/OvidImporterTest2Invalid.txt": 2,
    **{f"jabref/OvidImporterTest{number}.txt": 1 for number in range(3, 8)},
    **{f"jabref/RepecNepImporterTest{number}.txt": 1 for number in (1, 2, 3)},
    "jabref/InspecImportTest2.txt": 1,
}  # fmt: skip
"""Records by hand; the second file lacks the numbers between them."""


@pytest.mark.parametrize("name", REPORTS)
def test_records_of_reports(name: str) -> None:
    assert len(papers(name)) == REPORTS[name]
    assert all(paper["title"] and paper["year"] for paper in papers(name))


ROWS = {  # rows that are papers, by hand: the files differ in preambles and separators
    "_baseline.csv": 100, "_baseline.tsv": 100, "_baseline.xlsx": 100,
    "_baseline_abstrackr.csv": 11,
    "_baseline_embase.csv": 10, "_baseline_embase.xlsx": 10, "_baseline_eppireviewer.xlsx": 10,
    "_baseline_excel.csv": 10, "_baseline_openalex.csv": 9, "_baseline_scopus.csv": 10,
}  # fmt: skip


@pytest.mark.parametrize("name", names(".csv", ".tsv", ".tab", ".xlsx"))
def test_rows_of_tables(name: str) -> None:
    base = Path(name).name
    if base in ROWS:
        assert len(entries(name)) == ROWS[base]
        return
    text = head_text(shared("data/exports") / name)
    mark = max(",;\t", key=text.split("\n")[0].count)
    rows = [row for row in csv.reader(text.splitlines(), delimiter=mark) if any(row)]
    assert len(entries(name)) == len(rows) - 1


FORMATS = "citation-file-formatting/_baseline"
SAME = {  # the 100 and the 10 records that several tools exported
    ".csv": [".ris", ".tsv", ".xlsx", "_citavi.ris"],
    "_scopus.csv": ["_scopus.ris"],
    "_openalex.csv": ["_openalex.ris"],
    "_embase.ris": ["_embase.csv", "_embase.xlsx", "_excel.csv",
                    "_eppireviewer.ris"],
    "_covidence_zotero.ris": ["_covidence_mendeley.ris"],
}  # fmt: skip
OTHER_AUTHORS = {"_eppireviewer.ris": 2}
"""EPPI-Reviewer cuts "Dos Santos H B" into two people, and drops accents."""


def folded(text: str) -> str:
    parts = unicodedata.normalize("NFKD", text).lower()
    return "".join(c for c in parts if c.isalnum())


@pytest.mark.parametrize(
    ("reference", "other"), [(a, b) for a, others in SAME.items() for b in others]
)
def test_the_same_records_from_other_tools(reference: str, other: str) -> None:
    theirs = papers(FORMATS + other)
    by_title: dict[str, list[dict[str, Any]]] = {}
    for paper in papers(FORMATS + reference):
        by_title.setdefault(folded(paper["title"]), []).append(paper)
    wrong: dict[str, list[str]] = {"title": [], "year": [], "doi": [], "authors": []}
    tests: dict[str, Callable[[dict[str, Any]], object]] = {
        "year": lambda paper: paper.get("year"),
        "doi": lambda paper: paper.get("doi", "").lower(),
        "authors": lambda paper: [folded(name.split()[-1]) for name in paper.get("authors", ())],
    }
    for paper in theirs:
        same = by_title.get(folded(paper["title"]), [])
        if not same:
            wrong["title"].append(paper["title"])
        for field, read in tests.items():
            if same and read(paper) not in [read(one) for one in same]:
                wrong[field].append(f"{paper['title']}: {read(paper)} / {read(same[0])}")
    allowed = OTHER_AUTHORS.get(other, 0)
    assert len(wrong["authors"]) <= allowed, wrong["authors"]
    assert [wrong["title"], wrong["year"], wrong["doi"]] == [[], [], []]


OTHERWISE = {
    "jabref/MedlineImporterTestBookArticleSet.xml": "takes the book's title for its part's",
    "jabref/MedlineImporterTestKeywordSingleEntry.xml": "takes persons written about for authors",
    "colrev/wiley_bib.bib": "colrev makes the chapter's title a field and the book's the title",
    "colrev/files_dir_bib.bib": "colrev's result was read from the PDF",
    "jabref/MODSImporterTestAllFields.xml": "takes the alternative title",
    "jabref/MsBibImporterInvalidMonth.xml": "two people in the middle name of one: told by 'and'",
    "jabref/MsBibShorttitle.xml": "leaves out the short title, which is the only one",
    "jabref/OvidImporterTest5.txt": "takes a person's degrees for people",
}
"""Where the other tool reads something else, and what."""


def jabrefs(name: str) -> str:
    """The file with JabRef's reading of another."""
    return re.sub(r"(Ovid\w+Test)(\d)", r"\1Bib\2", name.rpartition(".")[0]) + ".bib"


JABREF = [
    (name, jabrefs(name))
    for name in [*names(".xml"), *REPORTS]
    if jabrefs(name) in FILES and not {name, jabrefs(name)} & (REASONS | OTHERWISE).keys()
]


def last_names(paper: dict[str, Any]) -> list[str]:
    people = (name.removesuffix(" Jr") for name in paper.get("authors", ()))
    return [folded(name.split()[-1]) for name in people]


@pytest.mark.parametrize(("name", "result"), JABREF)
def test_xml_and_reports_as_jabref_reads_them(name: str, result: str) -> None:
    for ours, theirs in zip(papers(name), papers(result), strict=True):
        assert folded(ours.get("title", "")) == folded(theirs.get("title", ""))
        assert ours.get("doi", "").lower() == theirs.get("doi", "").lower()
        assert last_names(ours)[:1] == last_names(theirs)[:1]


COLREV = [(name, re.sub(r"\.\w+$", "_result.bib", name)) for name in FILES
          if name.startswith("colrev/") and re.sub(r"\.\w+$", "_result.bib", name) in FILES
          and name not in OTHERWISE]  # fmt: skip


@pytest.mark.parametrize(("name", "result"), COLREV)
def test_colrev_reads_the_same_title_year_and_doi(name: str, result: str) -> None:
    def known(paper: dict[str, Any]) -> tuple[Any, ...]:
        return (
            folded(paper.get("title", "")),
            paper.get("year"),
            paper.get("doi", "").lower(),
        )

    ours, theirs = papers(name), papers(result)
    assert len(ours) == len(theirs)
    assert sorted(map(str, map(known, ours))) == sorted(map(str, map(known, theirs)))
