"""The experiments of a corpus as a person looks through them."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import SCREENSHOTS
from tests.browser.notebooks import OPEN

Run = Callable[..., Page]

MEASURE = """
import shutil
shutil.rmtree(bench.recorder.folder, ignore_errors=True)
queries = {"q1": "late interaction", "q2": "<b>bold</b> ranking"}
judged = {q: {bench.search(t).paper_ids[2]: 1} for q, t in queries.items()}
for weight in (0.1, 0.5, 0.9):
    with bench.experiment(f"<i>weight</i> {weight}"):
        bench.evaluate(queries, judged, "RR,AP", weights={"dense": weight}, progress=False)
"""


def test_experiments_are_filtered_compared_and_annotated(run_notebook: Run) -> None:
    page = run_notebook("experiments.ipynb", OPEN, MEASURE, "bench.experiments_panel()", "1")
    panel = page.locator(".wb-experiments")
    rows = panel.locator("tbody tr[data-id]")
    expect(rows).to_have_count(6)
    panel.get_by_label("Kind").select_option("evaluate")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text("<i>weight</i> 0.9")
    expect(panel.locator("svg circle")).to_have_count(3)
    rows.nth(0).get_by_role("checkbox").check()
    expect(panel.get_by_role("button", name="Why do they differ?")).to_be_disabled()
    rows.nth(2).get_by_role("checkbox").check()
    panel.get_by_role("button", name="Why do they differ?").click()
    expect(panel.locator(".wb-diff")).to_contain_text("weight of dense 0.9 -> 0.1")
    panel.get_by_label("Note or tag").fill("kept")
    panel.get_by_role("button", name="Add tag").click()
    expect(panel.locator(".wb-tag", has_text="kept")).to_have_count(2)
    panel.get_by_label("Filter by text").fill("weight</i> 0.5")
    expect(rows).to_have_count(1)
    panel.get_by_label("Filter by text").fill("")
    panel.get_by_role("button", name="s", exact=True).click()
    expect(panel.locator("th[aria-sort=descending]")).to_have_text("s ▾")
    panel.screenshot(path=SCREENSHOTS / "experiments-1600.png")
