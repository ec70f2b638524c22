"""A saved notebook without its kernel, and as HTML: every widget and plot shows its result."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import nbformat
from nbconvert import HTMLExporter
from playwright.sync_api import Page, expect

from tests.browser.conftest import Lab, screenshot
from tests.browser.lab import open_notebook
from tests.browser.notebooks import OPEN, READY
from tests.conftest import ROOT

Run = Callable[..., Page]
CELLS = (
    f"""{OPEN}
judged = "landmarks/queries.jsonl", "landmarks/qrels.tsv"
panel = bench.panel(*judged, query="late interaction retrieval")
panel""",
    """file = wb.Judgments("static.jsonl", who="ada")
file.add("ir01", "robertson2009bm25", 3, note="the survey itself")
bench.judge([{"id": "ir01", "text": "probabilistic relevance"}], file)""",
    "bench.compare_panel('attention for translation')",
    "bench.memory_plot()",
    "bench.profile_picker()",
    "bench.tune(*judged, progress=False).plot()",
)
SAID = ("ColBERT", "the survey itself", "RBO", "models", "n_retrieval", "nDCG@10")


def test_a_saved_notebook_shows_every_result(run_notebook: Run, lab: Lab, page: Page) -> None:
    for name in ("queries.jsonl", "qrels.tsv"):
        shutil.copy(ROOT / "data" / "landmarks" / name, lab.root / "landmarks")
    run_notebook("static.ipynb", *CELLS)
    page.wait_for_selector(READY)
    expect(page.locator(".jp-InputPrompt").last).not_to_have_text("[*]:")
    # Live: the static form is hidden.
    expect(page.locator(".wb-search")).to_be_visible()
    expect(page.locator(".wb-static").first).to_be_hidden()
    # The state on screen is the one that is kept.
    query = page.locator(".wb-search").get_by_role("combobox", name="Query")
    query.fill("batch normalization")
    query.press("Enter")
    expect(page.locator(".wb-search .wb-title").first).to_contain_text("Batch Normalization")
    expect(page.locator(".wb-step")).to_have_count(2)
    # The static form, unseen, follows when the move is over.
    expect(page.locator(".wb-static").first).to_contain_text("Batch Normalization")
    page.locator(".jp-CodeCell .cm-content").last.click()
    page.keyboard.press("Control+s")
    path = lab.root / "static.ipynb"
    page.wait_for_function(
        "() => document.title.includes('static') && !document.querySelector('.jp-mod-dirty')"
    )
    page.locator(".jp-NotebookPanel").first.wait_for()
    saved = nbformat.read(path, 4)
    saved.metadata.pop("widgets", None)
    saved.metadata.kernelspec = {"name": "none-such", "display_name": "gone"}
    nbformat.write(saved, lab.root / "static-gone.ipynb")
    html, _ = HTMLExporter().from_notebook_node(saved)
    for said in ("Batch Normalization", *SAID[1:]):
        assert said in html
    (lab.root / "static.html").write_text(html, encoding="utf-8")

    page.goto((lab.root / "static.html").as_uri())
    shown = page.locator(".wb-static")
    expect(shown).to_have_count(5)
    for number in range(5):
        expect(shown.nth(number)).to_be_visible()
    expect(page.locator("svg[aria-label*='best interval']")).to_be_visible()  # of the plot
    screenshot(page, "static-html")

    # Trusted, since this server saved it, with a kernel that knows no widget of it.
    shutil.copy(path, lab.root / "static-copy.ipynb")
    open_notebook(page, lab, "static-copy.ipynb")
    expect(page.locator(".wb-static").first).to_be_visible()
    expect(page.locator(".wb-static").first).to_contain_text("Batch Normalization")
    expect(page.get_by_text("model not found").first).to_be_hidden()
    screenshot(page, "static-copy")

    # Not trusted, no kernel: JupyterLab takes out styles, and still shows what was found.
    open_notebook(page, lab, "static-gone.ipynb")
    first = page.locator(".wb-static").first
    expect(first).to_be_visible()
    expect(first).to_contain_text("Batch Normalization")
    screenshot(page, "static-no-kernel")
