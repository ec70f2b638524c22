"""Whether the sample corpus is whole: papers, queries and judgments.

    python data/validate.py [FOLDER] [--reference FILE]...

Prints what is wrong and exits with 1 if anything is. A reference is a JSONL file (also .xz or .gz)
of records with `_id`, `title` and `authors`; papers that occur in it are compared with it.
"""

from __future__ import annotations

import argparse
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.corpus.readers import read_entries

LANDMARKS = Path(__file__).parent / "landmarks"

FILES = ("papers.jsonl", "queries.jsonl", "qrels.tsv")
HEADER = "query-id\tcorpus-id\tscore"
KINDS = ("keyword", "question", "vague")

MIN_PAPERS = 150
MIN_QUERIES = 40
MIN_JUDGED = 8
"""Judged papers that every query needs."""
RELEVANT = ("2", "3")
"""Grades of which every query needs at least one."""
SUMMARY_WORDS = (80, 150)
YEARS = (1930, 2100)

ARXIV_ID = re.compile(
    r"\d\d(0[1-9]|1[0-2])\.\d{4,5}"  # since April 2007
    r"|[a-z-]+(\.[A-Z]{2})?/\d\d(0[1-9]|1[0-2])\d{3}"  # before
)
DOI = re.compile(r"10\.\d{4,9}/\S+")
KEY = re.compile(r"\S+")
GRADE = re.compile(r"[0-3]")

Record = Mapping[str, Any]


def problems(folder: Path) -> list[str]:
    """What is wrong with the corpus in a folder, a sentence each; empty where it is whole."""
    missing = [f"{name}: not there" for name in FILES if not (folder / name).is_file()]
    if missing:
        return missing
    found: list[str] = []
    papers = _records(folder / "papers.jsonl", found)
    queries = _records(folder / "queries.jsonl", found)
    found += _paper_problems(papers)
    found += _query_problems(queries)
    lines = (folder / "qrels.tsv").read_text("utf-8", errors="replace").splitlines()
    found += _qrels_problems(lines, _ids(papers), _ids(queries))
    return found


def compare(papers: Sequence[Record], reference: Iterable[Record]) -> tuple[list[str], int]:
    """Differences in title and authors from reference records, and how many papers occur there.

    A paper occurs in the reference by its arXiv id or its title. Case, accents and punctuation
    make no difference.
    """
    by_arxiv = {paper["arxiv_id"]: paper for paper in papers if paper.get("arxiv_id")}
    by_title = {_plain(paper["title"]): paper for paper in papers}
    differences: list[str] = []
    compared: set[str] = set()
    for record in reference:
        paper = by_arxiv.get(record["_id"]) or by_title.get(_plain(record["title"]))
        if paper is not None:
            compared.add(paper["id"])
            differences += _differences(paper, record)
    return differences, len(compared)


def _differences(paper: Record, record: Record) -> Iterator[str]:
    where = f"paper {paper['id']!r}, reference {record['_id']!r}"
    if _plain(paper["title"]) != _plain(record["title"]):
        yield f"{where}: title {paper['title']!r} is {record['title']!r} there"
    if [*map(_plain, paper["authors"])] != [*map(_plain, record["authors"])]:
        yield f"{where}: authors {paper['authors']} are {record['authors']} there"


def _records(path: Path, found: list[str]) -> list[Record]:
    """Records of a JSONL file; lines that hold none are added to `found`."""
    records: list[Record] = []
    for entry in read_entries(path):
        if entry.record is None:
            found.append(f"{path.name} line {entry.line}: {entry.problem}")
        else:
            records.append(entry.record)
    return records


def _paper_problems(papers: Sequence[Record]) -> Iterator[str]:
    if len(papers) < MIN_PAPERS:
        yield f"{len(papers)} papers; there must be at least {MIN_PAPERS}"
    for paper in papers:
        for problem in _faults(paper):
            yield f"paper {paper.get('id')!r}: {problem}"
    yield from _repeated("paper id", _ids(papers))
    yield from _repeated("title", (_plain(str(paper.get("title"))) for paper in papers))
    yield from _repeated("arXiv id", (str(paper.get("arxiv_id") or "") for paper in papers))
    yield from _repeated("DOI", (str(paper.get("doi") or "").lower() for paper in papers))


def _faults(paper: Record) -> Iterator[str]:
    """What is wrong with one paper by itself."""
    if not _matches(KEY, paper.get("id")):
        yield "the id must be a text without spaces"
    for name in ("title", "venue"):
        if not _is_text(paper.get(name)):
            yield f"no {name}"
    authors = paper.get("authors")
    if not isinstance(authors, list) or not authors or not all(map(_is_text, authors)):
        yield "authors must be a list of names"
    if type(paper.get("year")) is not int or not YEARS[0] <= paper["year"] <= YEARS[1]:
        yield f"year is {paper.get('year')!r}; it must be a number from {YEARS[0]} to {YEARS[1]}"
    yield from _identifier_faults(paper)
    words = len(str(paper.get("abstract") or "").split())
    if not SUMMARY_WORDS[0] <= words <= SUMMARY_WORDS[1]:
        yield f"the summary has {words} words; it must have {' to '.join(map(str, SUMMARY_WORDS))}"


def _identifier_faults(paper: Record) -> Iterator[str]:
    arxiv_id, doi = paper.get("arxiv_id"), paper.get("doi")
    if not arxiv_id and not doi:
        yield "neither arxiv_id nor doi"
    if arxiv_id and not _matches(ARXIV_ID, arxiv_id):
        yield f"arxiv_id {arxiv_id!r} is no arXiv id such as 1706.03762 or cs/0212032"
    if doi and not _matches(DOI, doi):
        yield f"doi {doi!r} is no DOI such as 10.1145/361219.361220"


def _query_problems(queries: Sequence[Record]) -> Iterator[str]:
    if len(queries) < MIN_QUERIES:
        yield f"{len(queries)} queries; there must be at least {MIN_QUERIES}"
    for query in queries:
        where = f"query {query.get('id')!r}"
        if not _matches(KEY, query.get("id")):
            yield f"{where}: the id must be a text without spaces"
        if not _is_text(query.get("text")):
            yield f"{where}: no text"
        if query.get("kind") not in KINDS:
            yield f"{where}: kind is {query.get('kind')!r}; it must be one of {', '.join(KINDS)}"
    yield from _repeated("query id", _ids(queries))


def _qrels_problems(
    lines: Sequence[str], papers: Sequence[str], queries: Sequence[str]
) -> Iterator[str]:
    if lines[:1] != [HEADER]:
        yield f"qrels.tsv line 1: it must be {HEADER!r}"
    rows = [line.split("\t") for line in lines[1:]]
    for number, row in enumerate(rows, start=2):
        for problem in _row_faults(row, papers, queries):
            yield f"qrels.tsv line {number}: {problem}"
    rows = [row for row in rows if len(row) == 3]
    yield from _repeated("judgment", (f"{query} {paper}" for query, paper, _ in rows))
    judged = Counter(query for query, _, _ in rows)
    relevant = {query for query, _, grade in rows if grade in RELEVANT}
    for query in queries:
        if judged[query] < MIN_JUDGED:
            yield f"query {query!r}: {judged[query]} judged papers; at least {MIN_JUDGED} needed"
        if query not in relevant:
            yield f"query {query!r}: no paper with grade {' or '.join(RELEVANT)}"


def _row_faults(row: Sequence[str], papers: Sequence[str], queries: Sequence[str]) -> Iterator[str]:
    if len(row) != 3:
        yield f"{len(row)} columns; there must be 3, separated by tabs"
        return
    query, paper, grade = row
    if query not in queries:
        yield f"unknown query {query!r}"
    if paper not in papers:
        yield f"unknown paper {paper!r}"
    if not GRADE.fullmatch(grade):
        yield f"grade is {grade!r}; it must be 0, 1, 2 or 3"


def _repeated(what: str, values: Iterable[str]) -> Iterator[str]:
    counts = Counter(value for value in values if value)
    for value, count in counts.items():
        if count > 1:
            yield f"{what} {value!r} is there {count} times"


def _ids(records: Sequence[Record]) -> list[str]:
    return [str(record.get("id")) for record in records]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _plain(text: str) -> str:
    """Words only, lower case, without accents: for comparing titles and names."""
    letters = unicodedata.normalize("NFKD", text)
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(re.findall(r"\w+", bare.casefold()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what is wrong; 0 where nothing is."""
    parser = argparse.ArgumentParser(description="Check the sample corpus.")
    parser.add_argument("folder", nargs="?", type=Path, default=LANDMARKS)
    parser.add_argument("--reference", action="append", type=Path, default=[], metavar="FILE")
    options = parser.parse_args(arguments)
    found = problems(options.folder)
    for path in [] if found else options.reference:
        papers = _records(options.folder / "papers.jsonl", found)
        differences, compared = compare(papers, _records(path, found))
        print(f"{path.name}: {compared} of {len(papers)} papers occur there")
        found += differences
    for problem in found:
        print(problem, file=sys.stderr)
    print(f"{options.folder.name}: {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
