"""Reports that several modules of tests look at."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest

from workbench.evaluation.reports.comparison import Comparison
from workbench.evaluation.reports.report import Report, make_report
from workbench.records import Judgment

EVIL = """<script>alert("1 & 2")</script><img src=x onerror='alert(1)'>"""
METRICS = ("nDCG@10", "AP", "P@5")
QUERIES = [f"q{n:02d}" for n in range(40)]
PAPERS = [f"p{n:03d}" for n in range(60)]
JUDGMENTS = [Judgment(q, p, (n + m) % 3) for n, q in enumerate(QUERIES)
             for m, p in enumerate(PAPERS) if (n * 7 + m * 5) % 11 == 0]  # fmt: skip


def random_run(seed: int, queries: list[str] = QUERIES) -> dict[str, list[str]]:
    rng = np.random.default_rng(seed)
    return {query: [str(p) for p in rng.permutation(PAPERS)[:30]] for query in queries}


def good_run() -> dict[str, list[str]]:
    """Relevant papers first for every query but each fifth."""
    grades = {(j.query_id, j.paper_id): j.grade for j in JUDGMENTS}
    run = random_run(9)
    for n, (query, papers) in enumerate(run.items()):
        if n % 5:
            papers.sort(key=lambda p: -grades.get((query, p), 0))
    return run


@pytest.fixture(scope="module")
def good() -> Report:
    return make_report(good_run(), QUERIES, JUDGMENTS, METRICS, "good")


@pytest.fixture(scope="module")
def poor() -> Report:
    return make_report(random_run(1), QUERIES, JUDGMENTS, METRICS, "poor")


@pytest.fixture(scope="module")
def compared(good: Report, poor: Report) -> Comparison:
    other = make_report(random_run(2), QUERIES, JUDGMENTS, METRICS, "other")
    return good.compare(poor, other)


class Tags(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data
