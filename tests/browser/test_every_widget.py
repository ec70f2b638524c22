"""Every widget, all on one page: readable by all in both themes, and its keys are its own."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Lab, screenshot
from tests.browser.lab import open_and_run, theme
from tests.browser.notebooks import (
    DANGEROUS,
    EVERY_WIDGET,
    FILLED,
    READY,
    restless,
    run_cell,
    settled,
)
from tests.conftest import ROOT
from tests.waiting import HANG, wait_until

RULES = """async () => {
  const found = await axe.run(document.querySelectorAll('.wb'), {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'],
    rules: { region: { enabled: false } },  // the page around belongs to JupyterLab
  });
  return found.violations.map((v) => [v.id, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160))]);
}"""
NOTEBOOK = """() => [...document.querySelectorAll('.jp-Notebook .jp-Cell')].map((cell) => [
  cell.className.split(' ').filter((name) => /^jp-(Code|Markdown|Raw)Cell$/.test(name)).join(),
  ...['.jp-InputPrompt', '.cm-content'].map((part) => cell.querySelector(part)?.textContent)])"""
"""What keys could change of a notebook: its cells, their kinds, texts and runs, in view or not."""
BARE = """(root) => {
  const box = root.getBoundingClientRect(), found = new Map();
  const taken = 'a, button, input, select, textarea, label, summary, canvas, svg, [role=slider], '
    + '.noUi-base, .lm-TabBar';
  for (let row = 0; row < 60; row++)
    for (const across of [0.02, 0.3, 0.6, 0.98]) {
      const x = box.x + across * box.width, y = box.y + 2 + row * (box.height - 4) / 59;
      const at = document.elementFromPoint(x, y);
      if (!at || !root.contains(at) || at.closest(taken) || found.has(at)) continue;
      const own = at.getBoundingClientRect();
      found.set(at, [x - own.x, y - own.y]);
    }
  [...found.keys()].forEach((at, n) => { at.dataset.bare = n; });
  return [...found.values()];
}"""
"""Marks what a click can hit of a widget beside its controls; where in each of these it does."""
SERVICE = "service = bench.serve()\nservice"
PLACES = 2


@pytest.fixture(scope="module")
def widgets(browser: Browser, lab: Lab) -> Iterator[Page]:
    """A notebook with every widget, all in view."""
    for name in ("queries.jsonl", "qrels.tsv"):
        shutil.copy(ROOT / "data" / "landmarks" / name, lab.root / "landmarks")
    context = browser.new_context(viewport={"width": 1600, "height": 1100})
    context.set_default_timeout(1000 * HANG)
    page = context.new_page()
    lab.write("every.ipynb", *EVERY_WIDGET.values(), SERVICE)
    open_and_run(page, lab, "every.ipynb")
    page.wait_for_selector(READY)
    page.set_viewport_size({"width": 1600, "height": 9000})
    for shown in (*FILLED, ".wb-service"):
        expect(page.locator(shown).first).to_be_visible()
    expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle")
    yield page
    context.close()


def test_no_violation(widgets: Page, lab: Lab, axe: str) -> None:
    panel = widgets.locator(".wb-search")
    expect(panel.locator(".wb-card").first).to_be_visible()
    panel.locator(".wb-title").first.click()
    expect(panel.locator(".wb-details table").first).to_be_visible()
    panel.get_by_label("Weight of title").fill("0.4")
    panel.get_by_role("button", name="Pin as A").click()
    panel.get_by_role("button", name="Copy as code").click()
    expect(panel.locator(".wb-versus")).to_be_visible()
    widgets.evaluate(axe)
    for name in ("Light", "Dark"):
        with theme(widgets, lab, name):
            found = widgets.evaluate(RULES)
            screenshot(widgets, f"axe-{name.lower()}")
            assert found == [], json.dumps(found, indent=1)


@pytest.mark.parametrize("widget", [*EVERY_WIDGET, ".wb-service"])
def test_no_widget_leaks_a_key(widgets: Page, widget: str) -> None:
    page, root = widgets, widgets.locator(widget).first
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    before = page.evaluate(NOTEBOOK)
    root.scroll_into_view_if_needed()  # what is far from view JupyterLab takes off the page
    places: list[Any] = []
    wait_until(lambda: bool(places.extend(root.evaluate(BARE)) or places))  # not controls alone
    for number in range(0, len(places), max(1, len(places) // PLACES)):
        part = page.locator(f"{widget} [data-bare='{number}'], {widget}[data-bare='{number}']")
        if not part.count():  # drawn anew meanwhile
            continue
        part.first.click(position=dict(zip("xy", places[number], strict=True)))
        restless(page)
        assert page.evaluate(NOTEBOOK) == before, part.first.inner_text()
    field = root.locator("input[type=text]:visible, input[type=search]:visible, textarea:visible")
    if field.count():  # what is typed is text, and Enter in an empty field is no cell's
        field.first.click()
        for key in (*DANGEROUS, "Control+A", "Delete", "Enter", "Shift+Enter", "Escape"):
            page.keyboard.press(key)
    assert page.evaluate(NOTEBOOK) == before
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert [url for url in asked if re.search("/(interrupt|restart)", url)] == []


RESTART = """async () => {
  await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart();
}"""
ALIVE = """(root) => [...root.querySelectorAll('button, input, select, textarea')]
  .filter((one) => !one.disabled && !one.closest('.wb-alone')).map((one) => one.outerHTML)"""


def test_without_their_kernel_all_say_so_and_do_nothing(widgets: Page) -> None:
    """Each once, at its top; what is read stays; and a cell that is run again works."""
    page, panel = widgets, widgets.locator(".wb-panel")
    quotes = page.locator(".wb-ask details li")
    graded = page.locator(".wb-square", has_text=re.compile("[0-9]"))
    before, grades = quotes.count(), graded.count()
    page.evaluate(RESTART)
    for name in (".wb-panel", *EVERY_WIDGET, ".wb-service"):
        root = page.locator(name).first
        expect(root).to_have_class(re.compile("wb-gone"))
        assert root.evaluate(ALIVE) == [], name
        assert page.locator(f"{name} [contenteditable=true]").count() == 0
        if name != ".wb-search":  # its panel says it, over all tabs
            expect(root.get_by_role("alert")).to_have_count(1)
            expect(root.get_by_role("alert")).to_contain_text("Run its cell again")
    page.locator(".wb-judging .wb-card").click()
    restless(page)
    assert graded.count() == grades
    assert quotes.count() == before > 0
    panel.get_by_text("Side by side").click()
    expect(panel.get_by_role("alert")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    run_cell(page, 0)
    fresh = page.locator(".wb-search:not(.wb-gone)")
    expect(fresh.locator(".wb-card")).to_have_count(10)
    fresh.get_by_label("Balance of BM25 and semantic").fill("0")
    settled(fresh)
