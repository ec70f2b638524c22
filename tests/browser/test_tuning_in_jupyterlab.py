"""What tuning shows, as a person sees it: in JupyterLab, in a real browser."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import screenshot
from tests.conftest import ROOT

SAMPLE = ROOT / "data" / "landmarks"
OPEN = 'import workbench as wb\nbench = wb.open("landmarks", progress=False)'
JUDGED = f'judged = "{SAMPLE / "queries.jsonl"}", "{SAMPLE / "qrels.tsv"}"'
TUNE = "curve = bench.tune(*judged, progress=False)\ncurve"
SEARCH = 'bench.tune(*judged, signals=("bm25", "title", "dense"), progress=False)'
Run = Callable[..., Page]


def test_a_curve_its_plot_and_its_regret_are_shown(run_notebook: Run) -> None:
    page = run_notebook(
        "tune.ipynb", OPEN, JUDGED, TUNE, "curve.plot(current=0.4)", "curve.regret()"
    )
    page.set_viewport_size({"width": 1200, "height": 1900})
    head = page.locator(".wb-curve .wb-head").first
    expect(head).to_contain_text("50 queries")
    expect(page.locator(".wb-curve polyline")).to_be_visible()
    expect(page.locator(".wb-curve .wb-note").first).to_contain_text("the default")
    plot = page.locator(".jp-OutputArea-output.js-plotly-plot")
    expect(plot).to_be_visible()
    expect(plot).to_contain_text("weight of dense (the rest is bm25)")
    expect(plot).to_contain_text("default, with further signals 0.7")
    expect(page.locator(".wb-view.wb-table tbody tr")).to_have_count(10)
    screenshot(page, "tuning")
