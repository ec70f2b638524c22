"""Exports read back as the papers that were written, in every format; spreadsheets run nothing."""

from __future__ import annotations

import csv
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus.properties import patient
from workbench.corpus.formats.reading import read_file
from workbench.corpus.inspecting import paper_of
from workbench.errors import UnsupportedSource
from workbench.ranking.exporting import export_papers, last_first, safe_cell
from workbench.records import Paper

FULL = Paper(
    id="k1",
    title="50% of {Braces} & $x_1$ < 5, a \\ and a brace } more",
    abstract='First "quoted" part, 100% & more.\n\nSecond part; the end.',
    authors=("Ada Lovelace", "Jan van der Berg", "Martin Luther King Jr.", "Rock and Roll Ltd"),
    year=1999,
    venue="J. of Tests & Trials",
    fields=("one", "two words"),
    doi="10.1000/a_b(c)",
    arxiv_id="2004.12832",
    url="https://example.org/a_b?c=d&e=%20f",
)
ENDINGS = (".bib", ".ris", ".csv", ".json")


def round_trip(papers: list[Paper], ending: str) -> list[Paper]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"out{ending}"
        assert export_papers(papers, path) == len(papers)
        return [paper_of(entry) for entry in read_file(path)]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_full_paper_reads_back(ending: str) -> None:
    [back] = round_trip([FULL], ending)
    if ending == ".ris":
        assert back.authors[:3] == FULL.authors[:3]
    if ending in (".csv", ".json"):
        assert back.id == FULL.id
    assert replace(back, id="k1", authors=()) == replace(FULL, authors=())
    assert back.authors == FULL.authors


LETTERS = "abcdéöñß -&%$#_{}\\~^=+'\".:@(), and"
"""Without < and >: what looks like a tag (`<a>`) is one to every reader of exports."""

WORDS = st.text(alphabet=LETTERS, min_size=1, max_size=40).map(lambda text: " ".join(text.split()))
NAMES = st.from_regex(r"[A-Z][a-zéö]{2,8} (van |de )?[A-Z][a-zßñ]{3,9}", fullmatch=True)


@pytest.mark.parametrize("ending", ENDINGS)
@given(title=WORDS, authors=st.lists(NAMES, max_size=3, unique=True), year=st.integers(1900, 2030))
@patient
def test_titles_and_authors_read_back(
    ending: str, title: str, authors: list[str], year: int
) -> None:
    paper = Paper("x", " ".join(f"On {title} end".split()), authors=tuple(authors), year=year)
    [back] = round_trip([paper], ending)
    assert (back.title, back.authors, back.year) == (paper.title, paper.authors, paper.year)


def test_keys_of_bibtex_are_different(tmp_path: Path) -> None:
    twins = [replace(FULL, id=name) for name in "ab"]
    export_papers(twins, tmp_path / "x.bib")
    keys = [entry.raw and entry.raw["ID"] for entry in read_file(tmp_path / "x.bib")]
    assert len(set(keys)) == 2


@pytest.mark.parametrize("value", ["=1+1", "+1", "-2", "@x", "\tx", "'x", "plain"])
def test_no_cell_is_a_formula(value: str, tmp_path: Path) -> None:
    assert str(safe_cell(value))[0] not in "=+-@\t"
    export_papers([Paper("i", value)], tmp_path / "x.csv", [{"note": value}])
    with (tmp_path / "x.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in rows[1])


def test_what_stands_beside_a_paper(tmp_path: Path) -> None:
    export_papers([FULL], tmp_path / "x.csv", [{"rank": 1, "score": 0.5}])
    assert (tmp_path / "x.csv").read_text().startswith("rank,score,id,title,")
    export_papers([FULL], tmp_path / "x.json", [{"rank": 1}])
    assert "rank: 1" in json.loads((tmp_path / "x.json").read_text())[0]["note"]


def test_another_ending_names_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedSource, match=r"\.bib, \.ris, \.csv, \.json"):
        export_papers([FULL], tmp_path / "x.docx")


def test_last_names_first() -> None:
    assert last_first("Jan van der Berg") == "van der Berg, Jan"
    assert last_first("Martin Luther King Jr.") == "King Jr., Martin Luther"
    assert last_first("Madonna") == "Madonna"
