"""Files of judgments that tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from workbench.evaluation.judgments.judgments import Judgments

LINE = (
    '{"id": "1", "at": "2026-01-02T03:04:05.678+00:00", "who": "ann", "query_id": "q", '
    '"paper_id": "p", "grade": 2, "note": "na\u00efve"}\n'
)

in_a_folder = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "judgments.jsonl"


@pytest.fixture
def judgments(path: Path) -> Judgments:
    return Judgments(path, who="ann")


@pytest.fixture
def disputed(judgments: Judgments) -> Judgments:
    for who, grade in (("ann", 2), ("bob", 0), ("cy", 1), ("di", 2)):
        judgments.add("q", "p", grade, who=who)
    judgments.add("q", "same", 1)
    judgments.add("q", "same", 1, who="bob")
    return judgments
