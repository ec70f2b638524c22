"""The judging widget as a person uses it: keys, undo, notes, blind, a kernel that restarts."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import SCREENSHOTS, Lab

Run = Callable[..., Page]

OPEN = """
import workbench as wb
from workbench.widgets.judging import judge
bench = wb.open("landmarks", progress=False)
queries = [wb.Query("pseudo relevance feedback query expansion", id="q1"),
           wb.Query("late interaction retrieval <b>", id="q2"),
           wb.Query("attention for translation", id="q3")]
"""
JUDGE = 'widget = judge(bench, queries, "judged.jsonl", depth=5)\nwidget'


def test_judging(run_notebook: Run, lab: Lab) -> None:
    page = run_notebook("judge.ipynb", OPEN, JUDGE)
    page.on("console", lambda m: print("CONSOLE", m.text))
    widget = page.locator(".wb-judging")
    expect(widget).to_be_visible(timeout=60_000)
    expect(widget.locator(".wb-badge", has_text="left")).to_have_count(3, timeout=20_000)
    widget.locator(".wb-card").click()
    for key in "3210":
        page.keyboard.press(key)
    page.wait_for_timeout(1000)
    widget.screenshot(path=SCREENSHOTS / "judging.png")
    print((lab.root / "judged.jsonl").read_text())
    page.keyboard.press("u")
    page.wait_for_timeout(500)
    page.set_viewport_size({"width": 800, "height": 1000})
    page.wait_for_timeout(500)
    widget.screenshot(path=SCREENSHOTS / "judging-800.png")
