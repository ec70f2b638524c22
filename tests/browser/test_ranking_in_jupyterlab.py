"""Rankings as a person sees them: in JupyterLab, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import SCREENSHOTS, Lab, screenshot
from tests.browser.notebooks import OPEN

Run = Callable[..., Page]
HOSTILE = "<script>window.pwned=1</script><img src=x onerror='window.pwned=1'>"
CELLS = (
    f'{OPEN}\nbench.search("x")',  # the first search loads the model
    'bench.search("late interaction retrieval", k=5)',
    'ranking = bench.search("attention for translation", k=8).reweigh({"dense": 0.2})\nranking',
    "print('IDS', *ranking.paper_ids)",
    'bench.search("gradient boosting of trees", k=3).explain(1)',
    'wb.open("hostile", progress=False).search("attack <script>")',
)


def test_rankings_and_explanations(run_notebook: Run, lab: Lab) -> None:
    papers = [
        {"id": HOSTILE, "title": f"Attack {HOSTILE}", "abstract": f"Attack {HOSTILE}"},
        {"id": "rtl", "title": "הסבר על רשתות attack", "abstract": "attack " + "x" * 5000},
    ]
    folder = lab.root / "hostile"
    folder.mkdir(exist_ok=True)
    lines = (json.dumps({**paper, "authors": [HOSTILE], "venue": HOSTILE}) for paper in papers)
    (folder / "papers.jsonl").write_text("\n".join(lines), encoding="utf-8")
    page = run_notebook("ranking.ipynb", *CELLS)
    page.set_viewport_size({"width": 1600, "height": 6000})  # all outputs are drawn
    outputs = page.locator(".jp-Cell .jp-OutputArea")
    expect(page.locator(".wb-ranking")).to_have_count(4)
    _papers_marks_and_bars(outputs.nth(1).locator(".wb-ranking"))
    _is_in_the_order_of_reweigh(outputs.nth(2), outputs.nth(3))
    _adds_up(outputs.nth(4).locator(".wb-explanation"))
    _stays_text(outputs.nth(5).locator(".wb-ranking"))


def _papers_marks_and_bars(ranking: Locator) -> None:
    expect(ranking.locator("li")).to_have_count(5)
    expect(ranking.locator("li").first).to_contain_text("Late Interaction")
    expect(ranking.locator("mark").first).to_be_visible()
    bar = ranking.locator(".wb-bar").first.bounding_box()
    assert bar is not None
    assert bar["width"] > 100
    ranking.screenshot(path=SCREENSHOTS / "ranking.png")


def _is_in_the_order_of_reweigh(reweighed: Locator, printed: Locator) -> None:
    expect(reweighed.locator(".wb-ranking li")).to_have_count(8)
    ids = printed.locator("pre").inner_text().split()[1:]
    shown = [by.split("·")[-1].strip() for by in reweighed.locator(".wb-by").all_inner_texts()]
    assert shown == ids


def _adds_up(explanation: Locator) -> None:
    rows = explanation.locator("tbody tr:not(.wb-term)")
    expect(rows).to_have_count(5)  # two of them from feedback
    parts = [float(text.split()[-1]) for text in rows.all_inner_texts()]
    score = float(explanation.locator("tfoot").inner_text().split()[-1])
    assert abs(sum(parts) - score) < 2e-4  # shown with four digits
    explanation.screenshot(path=SCREENSHOTS / "explanation.png")


def _stays_text(ranking: Locator) -> None:
    expect(ranking.locator("li")).to_have_count(2)
    expect(ranking.locator(".wb-title").filter(has_text="<script>")).to_be_visible()
    assert ranking.page.evaluate("window.pwned") is None
    assert ranking.evaluate("e => e.scrollWidth - e.clientWidth") <= 0
    screenshot(ranking.page, "rankings")
