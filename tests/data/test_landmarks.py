"""The sample corpus: whole, fully judged, and its checks find what they are for."""

from __future__ import annotations

import json
import lzma
import shutil
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from workbench.session import Workbench

DATA = Path(__file__).parents[2] / "data"
LANDMARKS = DATA / "landmarks"
SOURCES = ("papers.jsonl", "queries.jsonl", "qrels.tsv")

Records = list[dict[str, Any]]


def script(name: str) -> ModuleType:
    """A script of the data folder, which is no package."""
    spec = spec_from_file_location(f"landmarks_{name}", DATA / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pool = script("pool")
validate = script("validate")


def read(path: Path) -> Records:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def write(path: Path, records: Records) -> None:
    lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path.write_text("".join(lines), encoding="utf-8")


def rows(folder: Path) -> list[str]:
    return (folder / "qrels.tsv").read_text("utf-8").splitlines()


def write_rows(folder: Path, lines: list[str]) -> None:
    (folder / "qrels.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The sample corpus without its index, to be damaged."""
    for name in SOURCES:
        shutil.copy(LANDMARKS / name, tmp_path)
    return tmp_path


def test_the_corpus_has_no_problems(capsys: pytest.CaptureFixture[str]) -> None:
    assert validate.problems(LANDMARKS) == []
    assert validate.main([]) == 0
    assert "0 problems" in capsys.readouterr().out


FIELD_DEFECTS = [
    ("papers.jsonl", "id", "", "the id must be"),
    ("papers.jsonl", "id", "two words", "the id must be"),
    ("papers.jsonl", "title", " ", "no title"),
    ("papers.jsonl", "venue", None, "no venue"),
    ("papers.jsonl", "authors", [], "authors must be"),
    ("papers.jsonl", "authors", "Karen Sparck Jones", "authors must be"),
    ("papers.jsonl", "authors", ["Karen Sparck Jones", ""], "authors must be"),
    ("papers.jsonl", "year", "1972", "year is '1972'"),
    ("papers.jsonl", "year", 19, "year is 19"),
    ("papers.jsonl", "doi", None, "neither arxiv_id nor doi"),
    ("papers.jsonl", "doi", "https://doi.org/10.1108/eb026526", "is no DOI"),
    ("papers.jsonl", "arxiv_id", "arXiv:1706.03762", "is no arXiv id"),
    ("papers.jsonl", "arxiv_id", "1713.03762", "is no arXiv id"),
    ("papers.jsonl", "arxiv_id", "0212032", "is no arXiv id"),
    ("papers.jsonl", "abstract", "word " * 79, "summary has 79 words"),
    ("papers.jsonl", "abstract", "word " * 151, "summary has 151 words"),
    ("queries.jsonl", "id", None, "the id must be"),
    ("queries.jsonl", "text", "", "no text"),
    ("queries.jsonl", "kind", "long", "kind is 'long'"),
]


@pytest.mark.parametrize(("file", "field", "value", "message"), FIELD_DEFECTS)
def test_a_bad_field_is_found(copy: Path, file: str, field: str, value: Any, message: str) -> None:
    records = read(copy / file)
    records[0][field] = value
    write(copy / file, records)
    assert any(message in problem for problem in validate.problems(copy))


@pytest.mark.parametrize("value", ["cs/0212032", "math.GT/0309136", "0704.0001", "2310.11511"])
def test_arxiv_ids_of_every_age_are_allowed(copy: Path, value: str) -> None:
    records = read(copy / "papers.jsonl")
    records[0]["arxiv_id"] = value
    others = [record for record in records[1:] if record["arxiv_id"] == value]
    for record in others:
        record["arxiv_id"] = None
        record["doi"] = "10.1000/182"
    write(copy / "papers.jsonl", records)
    assert validate.problems(copy) == []


@pytest.mark.parametrize(
    ("file", "field", "message"),
    [
        ("papers.jsonl", "id", "paper id"),
        ("papers.jsonl", "title", "title"),
        ("papers.jsonl", "arxiv_id", "arXiv id"),
        ("papers.jsonl", "doi", "DOI"),
        ("queries.jsonl", "id", "query id"),
    ],
)
def test_a_repeated_value_is_found(copy: Path, file: str, field: str, message: str) -> None:
    records = read(copy / file)
    first, second = [record for record in records if record[field]][:2]
    second[field] = first[field]
    write(copy / file, records)
    found = validate.problems(copy)
    assert any(line.startswith(message) and line.endswith("is there 2 times") for line in found)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("ir01\tnobody1999nothing\t1", "unknown paper 'nobody1999nothing'"),
        ("ir99\tsalton1975vector\t1", "unknown query 'ir99'"),
        ("ir01\tmnih2013atari\t4", "grade is '4'"),
        ("ir01\tmnih2013atari\t-1", "grade is '-1'"),
        ("ir01\tmnih2013atari\t1.5", "grade is '1.5'"),
        ("ir01 0 mnih2013atari 1", "1 columns"),
        ("", "1 columns"),
    ],
)
def test_a_bad_judgment_is_found(copy: Path, row: str, message: str) -> None:
    lines = [*rows(copy), row]
    write_rows(copy, lines)
    [problem] = validate.problems(copy)
    assert problem.startswith(f"qrels.tsv line {len(lines)}: ")
    assert message in problem


@pytest.mark.parametrize("grade", ["same", "0", "3"])
def test_a_repeated_judgment_is_found(copy: Path, grade: str) -> None:
    query, paper, given = rows(copy)[1].split("\t")
    repeated = "\t".join([query, paper, given if grade == "same" else grade])
    write_rows(copy, [*rows(copy), repeated])
    assert validate.problems(copy) == [f"judgment '{query} {paper}' is there 2 times"]


def test_a_missing_header_is_found(copy: Path) -> None:
    write_rows(copy, ["query\tpaper\tgrade", *rows(copy)[1:]])
    [problem] = validate.problems(copy)
    assert problem.startswith("qrels.tsv line 1:")


def test_a_query_with_few_judgments_is_found(copy: Path) -> None:
    of_query = [line for line in rows(copy) if line.startswith("ir07\t")]
    keep = sorted(of_query, key=lambda line: line.rsplit("\t")[-1], reverse=True)[:7]
    write_rows(copy, [line for line in rows(copy) if line not in of_query or line in keep])
    assert validate.problems(copy) == ["query 'ir07': 7 judged papers; at least 8 needed"]


def test_a_query_without_a_good_paper_is_found(copy: Path) -> None:
    lines = [
        line[:-1] + "1" if line.startswith("ir07\t") and line[-1] in "23" else line
        for line in rows(copy)
    ]
    write_rows(copy, lines)
    assert validate.problems(copy) == ["query 'ir07': no paper with grade 2 or 3"]


@pytest.mark.parametrize(
    ("file", "count", "message"),
    [
        ("papers.jsonl", 149, "149 papers; there must be at least 150"),
        ("queries.jsonl", 39, "39 queries; there must be at least 40"),
    ],
)
def test_too_few_records_are_found(copy: Path, file: str, count: int, message: str) -> None:
    write(copy / file, read(copy / file)[:count])
    assert message in validate.problems(copy)


@pytest.mark.parametrize("name", SOURCES)
def test_a_missing_file_is_found(copy: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / name).unlink()
    assert validate.problems(copy) == [f"{name}: not there"]
    assert validate.main([str(copy)]) == 1
    assert f"{name}: not there" in capsys.readouterr().err


def test_a_line_that_is_not_json_is_found(copy: Path) -> None:
    with open(copy / "queries.jsonl", "a", encoding="utf-8") as stream:
        stream.write("{broken\n")
    [problem] = validate.problems(copy)
    assert problem.startswith("queries.jsonl line 51: not JSON")


def test_the_pool_is_fully_judged(landmarks: Workbench) -> None:
    assert pool.unjudged(landmarks) == []


def test_the_pool_lists_what_lacks_a_judgment(
    landmarks: Workbench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "landmarks"
    shutil.copytree(landmarks.folder.parent, folder)
    shutil.copy(LANDMARKS / "queries.jsonl", folder)
    everything = pool.unjudged(landmarks, folder)
    assert len(everything) > 500
    assert everything == sorted(set(everything))

    dropped = everything[7]
    kept = [line for line in rows(LANDMARKS) if not line.startswith("\t".join([*dropped, ""]))]
    write_rows(folder, kept)
    assert pool.main([str(folder)]) == 1
    output = capsys.readouterr()
    assert output.out == "\t".join(dropped) + "\n"
    assert output.err == "1 pairs lack a judgment\n"

    shutil.copy(LANDMARKS / "qrels.tsv", folder)
    assert pool.main([str(folder)]) == 0


def test_the_papers_agree_with_acl_records(shared_data: Callable[[str], Path]) -> None:
    path = shared_data("data/acl_papers.jsonl.xz")
    with lzma.open(path, "rt", encoding="utf-8") as stream:
        reference = [json.loads(line) for line in stream]
    differences, compared = validate.compare(read(LANDMARKS / "papers.jsonl"), reference)
    assert differences == []
    assert compared >= 1


PAPER = {
    "id": "auer2002bandit",
    "title": "Finite-time Analysis of the Multiarmed Bandit Problem",
    "authors": ["Peter Auer", "Nicolò Cesa-Bianchi"],
    "arxiv_id": "0212.00320",
}


@pytest.mark.parametrize(
    ("changes", "differing", "compared"),
    [
        ({}, [], 1),
        ({"_id": "acl-7"}, [], 1),
        (
            {"_id": "acl-7", "title": "Finite time analysis of the multiarmed bandit problem."},
            [],
            1,
        ),
        ({"authors": ["Peter Auer", "Nicolo Cesa Bianchi"]}, [], 1),
        ({"title": "Finite-time Analysis"}, ["title"], 1),
        ({"authors": ["Nicolò Cesa-Bianchi", "Peter Auer"]}, ["authors"], 1),
        ({"authors": ["Peter Auer"], "title": "Other"}, ["title", "authors"], 1),
        ({"_id": "acl-7", "title": "Other"}, [], 0),
    ],
)
def test_compare(changes: dict[str, Any], differing: list[str], compared: int) -> None:
    record = {"_id": PAPER["arxiv_id"], **PAPER, **changes}
    differences, count = validate.compare([PAPER], [record])
    assert count == compared
    assert len(differences) == len(differing)
    assert all(f": {what} " in line for what, line in zip(differing, differences, strict=True))


def test_a_paper_in_the_reference_twice_counts_once() -> None:
    records = [{**PAPER, "_id": "acl-7"}, {**PAPER, "_id": "acl-8", "authors": ["Peter Auer"]}]
    differences, count = validate.compare([PAPER], records)
    assert (len(differences), count) == (1, 1)


def test_the_command_reports_differences(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paper = read(copy / "papers.jsonl")[0]
    record = {"_id": "acl-7", "title": paper["title"], "authors": ["Someone Else"]}
    reference = copy / "reference.jsonl.xz"
    with lzma.open(reference, "wt", encoding="utf-8") as stream:
        stream.write(json.dumps(record) + "\n")
    assert validate.main([str(copy), "--reference", str(reference)]) == 1
    output = capsys.readouterr()
    assert "reference.jsonl.xz: 1 of 174 papers occur there" in output.out
    assert "Someone Else" in output.err
