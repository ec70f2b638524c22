"""Rankings as a person sees them: in JupyterLab, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import SCREENSHOTS, Lab, screenshot

OPEN = 'import workbench as wb\nbench = wb.open("landmarks", progress=False)'
Run = Callable[..., Page]


def test_a_ranking_shows_papers_marks_and_bars(run_notebook: Run) -> None:
    search = 'bench.search("late interaction retrieval", k=5)'
    page = run_notebook("ranking.ipynb", OPEN, search, search)  # the first one loads the model
    expect(page.locator(".wb-ranking")).to_have_count(2)
    table = page.locator(".wb-ranking").last
    expect(table.locator("li")).to_have_count(5)
    expect(table.locator("li").first).to_contain_text("Late Interaction")
    expect(table.locator("mark").first).to_be_visible()
    bar = table.locator(".wb-bar").first.bounding_box()
    assert bar is not None
    assert bar["width"] > 100
    screenshot(page, "ranking-light")
    table.screenshot(path=SCREENSHOTS / "ranking.png")


def test_the_order_on_screen_is_the_order_of_reweigh(run_notebook: Run) -> None:
    page = run_notebook(
        "reweigh.ipynb",
        OPEN,
        'ranking = bench.search("attention for translation", k=8).reweigh({"dense": 0.2})\nranking',
        "print('IDS', *ranking.paper_ids)",
    )
    expect(page.locator(".wb-ranking li")).to_have_count(8)
    printed = page.locator(".jp-OutputArea-output pre", has_text="IDS").inner_text().split()[1:]
    shown = [text.split("·")[-1].strip() for text in page.locator(".wb-by").all_inner_texts()]
    assert shown == printed


def test_an_explanation_adds_up_on_screen(run_notebook: Run) -> None:
    source = 'bench.search("gradient boosting of trees", k=3).explain(1)'
    page = run_notebook("explain.ipynb", OPEN, source)
    rows = page.locator(".wb-explanation tbody tr:not(.wb-term)")
    expect(rows).to_have_count(5)  # two of them from feedback
    parts = [float(text.split()[-1]) for text in rows.all_inner_texts()]
    score = float(page.locator(".wb-explanation tfoot").inner_text().split()[-1])
    assert abs(sum(parts) - score) < 2e-4  # shown with four digits
    screenshot(page, "explanation")


def test_markup_in_a_paper_stays_text(run_notebook: Run, lab: Lab) -> None:
    hostile = "<script>window.pwned=1</script><img src=x onerror='window.pwned=1'>"
    papers = [
        {"id": hostile, "title": f"Attack {hostile}", "abstract": f"Attack {hostile}"},
        {"id": "rtl", "title": "הסבר על רשתות attack", "abstract": "attack " + "x" * 5000},
    ]
    folder = lab.root / "hostile"
    folder.mkdir(exist_ok=True)
    lines = (json.dumps({**paper, "authors": [hostile], "venue": hostile}) for paper in papers)
    (folder / "papers.jsonl").write_text("\n".join(lines), encoding="utf-8")
    source = 'import workbench as wb\nwb.open("hostile", progress=False).search("attack <script>")'
    page = run_notebook("hostile.ipynb", source)
    expect(page.locator(".wb-ranking li")).to_have_count(2)
    expect(page.locator(".wb-title").filter(has_text="<script>")).to_be_visible()
    assert page.evaluate("window.pwned") is None
    overflow = page.evaluate(
        "() => { const e = document.querySelector('.wb-ranking');"
        " return e.scrollWidth - e.clientWidth; }"
    )
    assert overflow <= 0
    screenshot(page, "hostile")
