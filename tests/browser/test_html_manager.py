"""Widgets under the manager of Colab and of nbconvert's pages: no JupyterLab, no kernel."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from ipywidgets.embed import dependency_state, embed_minimal_html
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import screenshot
from tests.browser.notebooks import order
from tests.conftest import ROOT, need
from workbench.ranking.weights import with_balance
from workbench.session import Workbench
from workbench.widgets.compare import ComparePanel
from workbench.widgets.search_panel import SearchPanel

CLIENTS = ROOT / ".venv" / "web-clients"


def test_the_panel_draws_and_ranks_under_html_manager(
    landmarks: Workbench, page: Page, tmp_path: Path
) -> None:
    for name in ("embed-amd.js", "require.js"):
        need((CLIENTS / name).exists(), f"{name} of html-manager", "run tests/real_parts.sh")
    found = importlib.util.find_spec("anywidget")
    assert found is not None
    assert found.origin is not None
    anywidget = Path(found.origin).parent / "nbextension" / "index.js"
    panel = SearchPanel(landmarks, "late interaction retrieval")
    compare = ComparePanel(landmarks, "attention for translation")
    file = tmp_path / "embedded.html"
    shown = [panel.widget, compare.widget]
    state = dependency_state(shown, drop_defaults=False)  # not of what other tests have closed
    embed_minimal_html(str(file), views=shown, state=state, drop_defaults=False)
    # The scripts are of other versions than the page asks for.
    file.write_text(re.sub(r'integrity="[^"]*"', "", file.read_text("utf-8")), "utf-8")

    def answer(route: Route) -> None:
        """From the disk, what the page would get from elsewhere."""
        url = route.request.url
        known = {"embed-amd": CLIENTS / "embed-amd.js", "require": CLIENTS / "require.js"}
        path = next((path for name, path in known.items() if name in url), None)
        if path is None and "anywidget" in url:
            path = anywidget
        if path is None:
            route.abort()
        else:
            route.fulfill(path=path, content_type="text/javascript")

    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.route("https://**/*", answer)
    page.goto(file.as_uri())
    shown = page.locator(".wb-search")
    expect(shown.locator(".wb-card")).to_have_count(10)
    assert panel.ranking is not None
    assert order(shown) == panel.ranking.paper_ids
    # A slider orders in the browser, and what only the kernel knows is not waited for in vain.
    shown.get_by_label("Balance of BM25 and semantic").fill("0")
    words = panel.ranking.reweigh(with_balance(panel.base.weights, 0.0))
    expect(shown.locator(".wb-card").first).to_have_attribute("data-paper", words.paper_ids[0])
    assert order(shown) == words.paper_ids
    expect(page.locator(".wb-compare .wb-lists li").first).to_be_visible()
    screenshot(page, "html-manager")
    assert errors == []
