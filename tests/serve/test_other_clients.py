"""ScholarQA, paper-qa and pyterrier-services: their own code, told nothing but the URL."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import need
from tests.serve.other_clients import TITLE
from tests.servers.service import Service
from workbench.session import Workbench

CLIENTS = Path(sys.prefix) / "other-clients"


@pytest.fixture(scope="module")
def read(service: Service) -> dict[str, Any]:
    """What each of them made of the answers."""
    need(CLIENTS.is_dir(), "other clients of the API", "run `bash tests/real_parts.sh`")
    script = Path(__file__).with_name("other_clients.py")
    command = [sys.executable, str(script), str(CLIENTS), service.url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=170)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_scholarqa_retrieves_passages_and_papers(
    read: dict[str, Any], landmarks: Workbench
) -> None:
    found = read["scholarqa"]
    assert len(found["passages"]) > 50
    for passage in found["passages"]:
        assert passage["section_title"] in ("title", "abstract", "body")
        assert len(passage["corpus_id"]) != 4  # it takes those for years
        for sentence in passage["sentence_offsets"]:
            assert 0 <= sentence["start"] < sentence["end"]
        paper = found["metadata"][passage["corpus_id"]]
        assert paper["title"] == passage["title"]
        assert 2019 <= paper["year"] <= 2023
        assert paper["s2FieldsOfStudy"] == []  # it takes none but of Semantic Scholar's own model
    assert found["papers"]
    for paper in found["papers"]:
        [known] = landmarks.engine.papers([paper["paperId"]])
        assert (paper["title"], paper["abstract"]) == (known.title, known.abstract)


def test_paperqa_looks_up(read: dict[str, Any]) -> None:
    found = read["paperqa"]
    for details in (found["doi"], found["title"]):
        assert (details["title"], details["year"]) == (TITLE, 2022)
        assert details["doi"] == "10.48550/arxiv.2205.09707"  # it prefers arXiv's
        assert details["key"] == "santhanam2022plaid"
        assert details["authors"][0] == "Keshav Santhanam"
    assert found["missing"] == "DOINotFoundError"


def test_pyterrier_pages_through_results(read: dict[str, Any], landmarks: Workbench) -> None:
    rows = read["pyterrier"]
    expected = landmarks.search("dense retrieval", 150).paper_ids
    assert len(expected) > 100
    assert [row["docno"] for row in rows] == expected
    assert [row["rank"] for row in rows] == list(range(len(rows)))
