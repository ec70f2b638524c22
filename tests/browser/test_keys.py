"""Keys in the panel: grades on its cards, and nothing for JupyterLab but what is the page's."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Lab
from tests.browser.notebooks import OPEN, READY, order, restless, settled
from tests.conftest import ROOT
from tests.waiting import wait_until
from workbench.evaluation.judgments.judgments import Judgments

Run = Callable[..., Page]
CELL = f"""{OPEN}
judged = "landmarks/queries.jsonl", "landmarks/qrels.tsv"
panel = bench.panel(*judged, query="late interaction retrieval", grades="keys.jsonl")
panel"""


def grades(file: Path) -> list[int]:
    return [judgment.grade for judgment in Judgments(file).current()]


def test_grades_on_the_cards_and_no_key_for_jupyterlab(run_notebook: Run, lab: Lab) -> None:
    for name in ("queries.jsonl", "qrels.tsv"):
        shutil.copy(ROOT / "data" / "landmarks" / name, lab.root / "landmarks")
    page, file = run_notebook("keys.ipynb", CELL, "1", "2"), lab.root / "keys.jsonl"
    page.wait_for_selector(READY)
    panel = page.locator(".wb-search")
    query = panel.locator(".wb-regrets .wb-link").first
    query.click()
    settled(panel)
    expect(panel.locator(".wb-card .wb-grade-button").first).to_be_visible()
    cells = page.locator(".jp-Cell").count()
    curve = panel.locator(".wb-curve-line").get_attribute("d")

    # A click on a card, then keys: graded, saved, on to the next.
    panel.locator(".wb-passage").nth(2).click()
    for key in "301":
        page.keyboard.press(key)
    expect(panel.locator(".wb-card").nth(4).get_by_label("Grade 1, related")).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(panel.get_by_text("saving…")).to_have_count(0)
    assert grades(file) == [3, 0, 1]
    _take_back_and_give_again(panel, file)
    expect(panel.locator(".wb-curve-line")).not_to_have_attribute("d", curve or "")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("x")
    expect(panel.locator(".wb-card").nth(4).get_by_label("Grade 1, related")).to_have_attribute(
        "aria-pressed", "false"
    )
    expect(panel.get_by_text("saving…")).to_have_count(0)
    assert grades(file) == [3, 0]
    _grade_while_searching(panel, file)
    _passes_what_is_the_pages(panel)

    # Keys after clicks on nothing, and after what was clicked is redrawn: still the panel's.
    for place in (".wb-status", ".wb-weights h3", ".wb-ends"):
        panel.locator(place).first.click(position={"x": 2, "y": 2})
        restless(page)
    panel.locator(".wb-step").first.click()
    expect(panel.locator(".wb-step").first).to_have_attribute("aria-current", "step")
    restless(page)
    settled(panel)
    panel.locator(".wb-chip-action").first.click()
    settled(panel)
    restless(page)
    expect(panel.locator(".wb-step[aria-current]")).to_contain_text("late")
    expect(panel.locator(".wb-step").first).not_to_have_attribute("aria-current", "step")
    query.click()  # a judged one again
    settled(panel)
    assert page.locator(".jp-Cell").count() == cells
    expect(page.get_by_role("dialog")).to_have_count(0)
    _blind(panel)
    _reached_by_tab(panel)
    canvas = panel.locator("canvas")
    canvas.focus()
    page.keyboard.press("Escape")  # whatever the mouse lies on
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    third = panel.locator(".wb-card").nth(2)
    expect(third).to_have_class(re.compile("wb-linked"))
    expect(panel.locator(".wb-spoken")).to_contain_text(third.locator(".wb-title").inner_text())
    page.keyboard.press("Enter")
    expect(third.locator(".wb-title")).to_be_focused()


def _take_back_and_give_again(panel: Locator, file: Path) -> None:
    for keys, left in (("z", [3, 0]), ("z", [3]), ("Shift+z", [3, 0]), ("Shift+z", [3, 0, 1])):
        panel.page.keyboard.press(f"Control+{keys}")
        wait_until(lambda left=left: grades(file) == left)
    expect(panel.locator(".wb-card").nth(4).locator(".wb-title")).to_be_focused()
    panel.page.keyboard.press("ArrowDown")


GRADE_LATE = """([root, text]) => {
  const box = root.querySelector('.wb-query');
  const button = root.querySelector('[aria-label^="Grade 2"]');
  box.value = text;
  box.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }));
  button.click();  // a card of the query before, which is still on screen
}"""


def _grade_while_searching(panel: Locator, file: Path) -> None:
    """A grade is for the query that its card was shown for."""
    before = Judgments(file).current()
    asked = panel.get_by_role("combobox", name="Query").input_value()
    first = order(panel)[0]
    panel.page.evaluate(GRADE_LATE, [panel.element_handle(), "attention for translation"])
    expect(panel.locator(".wb-title").first).to_contain_text("Align and Translate")
    settled(panel)
    (late,) = set(Judgments(file).current()) - set(before)
    assert (late.paper_id, late.grade) == (first, 2)
    assert late.query_id in {judgment.query_id for judgment in before}
    panel.get_by_role("button", name="Undo").click()
    expect(panel.get_by_role("combobox", name="Query")).to_have_value(asked)
    expect(panel.locator(".wb-card").first.get_by_label("Grade 2")).to_have_attribute(
        "aria-pressed", "true"
    )


def _passes_what_is_the_pages(panel: Locator) -> None:
    """Ctrl+S saves the notebook, and Ctrl+B opens or shuts the side bar, once."""
    page, bar = panel.page, panel.page.locator("#jp-left-stack")
    for _ in range(2):
        shown = bar.is_visible()
        panel.get_by_label("year from").focus()
        page.keyboard.press("Control+b")
        expect(bar).to_be_visible(visible=not shown)
    panel.get_by_label("year from").focus()
    with page.expect_request(lambda sent: sent.method == "PUT" and "keys.ipynb" in sent.url):
        page.keyboard.press("Control+s")


def _blind(panel: Locator) -> None:
    """An order that is not the ranking's, without ranks, scores and what others said."""
    ranked = order(panel)
    panel.get_by_label("Blind").check()
    expect(panel.locator(".wb-rank b").first).to_be_hidden()
    expect(panel.locator(".wb-score").first).to_be_hidden()
    panel.page.wait_for_function(
        "before => [...document.querySelectorAll('.wb-card')]"
        ".map(e => e.dataset.paper).join() !== before",
        arg=",".join(ranked),
    )
    assert sorted(order(panel)) == sorted(ranked)
    panel.get_by_label("Blind").uncheck()
    expect(panel.locator(".wb-score").first).to_be_visible()


def _reached_by_tab(panel: Locator) -> None:
    """The first hit is not far from the query for somebody without a mouse."""
    panel.get_by_role("combobox", name="Query").focus()
    for _ in range(10):
        panel.page.keyboard.press("Tab")
        if panel.evaluate("e => document.activeElement.closest('.wb-card') !== null"):
            return
    raise AssertionError("no card within 10 Tabs of the query")
