"""JSON documents larger than memory should hold: their records come one at a time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from workbench.corpus.formats import json_files
from workbench.corpus.formats.reading import read_file

CROSSREF = [
    {"DOI": f"10.5555/{n}", "title": [f"Study {n}"], "container-title": ["J"]} for n in range(3)
]
DOCUMENTS: dict[str, Any] = {
    "crossref": {"status": "ok", "message-type": "work-list", "message": {"items": CROSSREF}},
    "openalex": {
        "meta": {"count": 3, "results": []},
        "results": [{"id": f"https://openalex.org/W{n}", "title": f"Study {n}"} for n in range(3)],
    },
    "zotero": {
        "config": {"items": {"a": [1, 2]}},
        "collections": {},
        "items": [{"itemType": "book", "key": f"K{n}", "title": f"Study {n}"} for n in range(3)],
    },
}


def titles(path: Path) -> list[Any]:
    return [(entry.record or {}).get("title", entry.problem) for entry in read_file(path)]


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("indent", [None, 1])
def test_a_large_document_reads_like_a_small_one(
    tmp_path: Path, name: str, indent: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(DOCUMENTS[name], indent=indent), encoding="utf-16")
    small = list(read_file(path))
    assert [entry.record and entry.record["title"] for entry in small] == [
        f"Study {n}" for n in range(3)
    ]
    for module in ("formats.json_files", "cleaning.encoding"):
        monkeypatch.setattr(f"workbench.corpus.{module}.MAX_LINE", 100)
    assert list(read_file(path)) == small


def test_a_cut_off_document_gives_what_came_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(DOCUMENTS["crossref"], indent=1)[:-60])
    monkeypatch.setattr(json_files, "MAX_LINE", 100)
    assert titles(path)[:2] == ["Study 0", "Study 1"]
    assert "not JSON after 2 records" in titles(path)[2]


def test_a_large_record_alone_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"title": "x" * 200, "year": 2000}, indent=1))
    monkeypatch.setattr(json_files, "MAX_LINE", 100)
    assert "without a list of records" in titles(path)[0]


PEAK = """
import resource, sys
from pathlib import Path
from workbench.corpus.formats.reading import read_file
first = None
for count, entry in enumerate(read_file(Path(sys.argv[1])), 1):
    first = first or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(count, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - first) // 1024)
"""


@pytest.mark.parametrize("indent", [None, 0])
def test_memory_does_not_grow_with_the_document(tmp_path: Path, indent: int | None) -> None:
    path, number = tmp_path / "works.json", 1500
    work = {"title": ["A study"], "container-title": ["J"], "abstract": "word " * 6000}
    with open(path, "w", encoding="utf-8") as stream:
        stream.write('{"message-type": "work-list", "message": {"items": [')
        for n in range(number):
            stream.write("," * bool(n) + json.dumps({"DOI": f"10.5555/{n}", **work}, indent=indent))
        stream.write("]}}")
    assert path.stat().st_size > 40e6
    command = [sys.executable, "-c", PEAK, str(path)]
    child = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    count, megabytes = map(int, child.stdout.split())
    assert count == number
    assert megabytes < 20
