"""Texts of papers that have LaTeX in them: no widget and no static form shows its source."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from workbench.opening import import_panel, open_corpus
from workbench.session import Workbench
from workbench.widgets.ask_content import answer_content
from workbench.widgets.cards import cards
from workbench.widgets.compare import ComparePanel
from workbench.widgets.judging import judge
from workbench.widgets.search_panel import SearchPanel

TITLE = r"On \alpha-stable {\'e}tudes of \textit{passage} ranking with $x^{2}$"
TEXT = r"Passage ranking \emph{by} {\'e}tudes of \beta decay costs $\mathcal{O}(n)$ steps. "
AUTHOR = r"Andr{\'e} G{\"o}del"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    folder = tmp_path_factory.mktemp("latex")
    papers = [
        {"id": f"p{n}", "title": TITLE, "abstract": f"{TEXT}It is study {n}.", "authors": [AUTHOR],
         "venue": r"Journ{\'e}es", "year": 2000 + n}
        for n in range(3)
    ]  # fmt: skip
    (folder / "papers.jsonl").write_text("".join(json.dumps(p) + "\n" for p in papers), "utf-8")
    with open_corpus(folder, progress=False) as opened:
        yield opened


def panel(bench: Workbench) -> list[Any]:
    found = SearchPanel(bench, "passage ranking")
    result = found.page.result
    row = int(result["order"][0])
    said: list[Any] = []
    found.page.send = said.append
    found._send_details({"row": row, "result": result["id"]})
    details = {name: said[0]["details"][name] for name in ("abstract", "passages", "links")}
    return [cards(found.ranking), details, found.view().html()] if found.ranking else []


def judging(bench: Workbench, tmp_path: Path, page_of: Any) -> list[Any]:
    widget = judge(bench, [wb.Query("passage ranking", id="q1")], tmp_path / "grades.jsonl")
    page = page_of(widget)
    page.say(type="open", query="q1")
    return [page.last("papers")]


def asking(bench: Workbench) -> list[Any]:
    answer = bench.ask("What does passage ranking of etudes cost?")
    content = answer_content(answer)
    return [content["tldr"], content["sections"], content["quotes"], answer.view().html()]


def importing(bench: Workbench, tmp_path: Path, page_of: Any) -> list[Any]:
    made = import_panel(tmp_path / "corpus")
    page = page_of(made)
    made.add_source(bench.folder.parent / "papers.jsonl")
    page.say(type="hello")
    made.close()
    return [page.last("state")["items"]]


@pytest.mark.parametrize(
    "shown",
    [
        lambda b, *_: panel(b),
        judging,
        importing,
        lambda b, *_: asking(b),
        lambda b, *_: [ComparePanel(b, "passage ranking").output.value],
        lambda b, *_: [b.search("passage ranking").view().html()],
        lambda b, *_: [str(b.search("passage ranking"))],
        lambda b, *_: [b.search("passage ranking").explain(1).view().html()],
    ],
    ids=["panel", "judging", "importing", "asking", "compare", "ranking", "text", "explanation"],
)
def test_no_source_is_shown(
    bench: Workbench, shown: Callable[..., list[Any]], tmp_path: Path, page_of: Any
) -> None:
    found = " ".join(texts(shown(bench, tmp_path, page_of)))
    found = re.sub(r"<style>.*?</style>", "", found, flags=re.DOTALL)
    assert "études" in found
    for sign in (r"\alpha", r"{\'", r"\textit", r"\emph", r"\beta", "$"):
        assert sign not in found


def texts(value: Any) -> Iterator[str]:
    """All texts in plain values."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from texts(part)
