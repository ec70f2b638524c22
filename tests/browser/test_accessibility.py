"""axe-core over every widget, in the light and the dark theme: no violation."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import Lab, screenshot
from tests.browser.lab import theme
from tests.browser.notebooks import EVERY_WIDGET, FILLED, READY
from tests.conftest import ROOT

Run = Callable[..., Page]
RULES = """async () => {
  const found = await axe.run(document.querySelectorAll('.wb'), {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'],
    rules: { region: { enabled: false } },  // the page around belongs to JupyterLab
  });
  return found.violations.map((v) => [v.id, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160))]);
}"""


def test_no_violation(run_notebook: Run, lab: Lab, page: Page, axe: str) -> None:
    for name in ("queries.jsonl", "qrels.tsv"):
        shutil.copy(ROOT / "data" / "landmarks" / name, lab.root / "landmarks")
    run_notebook("axe.ipynb", *EVERY_WIDGET.values())
    page.wait_for_selector(READY)
    page.set_viewport_size({"width": 1600, "height": 9000})
    panel = page.locator(".wb-search")
    expect(panel.locator(".wb-card").first).to_be_visible()
    panel.locator(".wb-title").first.click()
    expect(panel.locator(".wb-details table").first).to_be_visible()
    panel.get_by_label("Weight of title").fill("0.4")
    panel.get_by_role("button", name="Pin as A").click()
    panel.get_by_role("button", name="Copy as code").click()
    expect(panel.locator(".wb-versus")).to_be_visible()
    for shown in FILLED:
        expect(page.locator(shown).first).to_be_visible()
    page.evaluate(axe)
    for name in ("Light", "Dark"):
        with theme(page, lab, name):
            found = page.evaluate(RULES)
            screenshot(page, f"axe-{name.lower()}")
            assert found == [], json.dumps(found, indent=1)
