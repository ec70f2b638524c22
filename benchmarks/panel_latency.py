"""The search panel in JupyterLab: slider to cards, search to cards, cell to panel, in a browser.

Beside the slider: what a person would write first, an ipywidgets slider that renders the ranking
anew in the kernel, over the same candidates in the same notebook.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import ROOT, Figure, arguments, heading, index_of, note, queries_of, table, targets

MOVES = 200
DEPTH = 500
"""An arm; together about 1,000 candidates on SciFact."""

OPEN = """
import json, time, numpy as np, ipywidgets as widgets, workbench as wb
bench = wb.open({index!r}, profile=wb.Profile.named("default").replace(n_retrieval={depth}))
bench.search("warm up")"""
PANEL = """
panel = bench.search_panel({query!r})
panel"""
PLAIN = """
slider, output = widgets.FloatSlider(min=0, max=1, step=0.01), widgets.HTML()
slider.add_class("plain-slider"); output.add_class("plain-output")
ranking = bench.search({query!r})
def show(change):
    w = change["new"]
    output.value = f"<i data-weight={{w}}></i>" + ranking.reweigh({{"dense": w}})._repr_html_()
slider.observe(show, "value"); show({{"new": 0.5}})
widgets.VBox([slider, output])"""
KERNEL = """
from workbench.ranking.weights import with_balance
seconds, seq = [], panel.page.settings["seq"]
for i in range({moves}):
    weights = with_balance(panel.base.weights, (i * 37 % 101) / 100)
    settings = {{**panel.page.settings, "weights": weights, "seq": seq}}
    started = time.perf_counter(); panel._take(settings)
    seconds.append(time.perf_counter() - started)
print(json.dumps([seconds, len(panel.ranking.candidates)]))"""

# After the frame has been painted a message arrives, where a callback of the frame is too early.
PAINTED = """
const painted = () => new Promise((done) => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = done;
  channel.port2.postMessage(0);
}));
const until = async (check) => { while (!check()) await new Promise((r) => setTimeout(r, 0)); };
"""
SLIDE = (
    "async (moves) => {"
    + PAINTED
    + """
  const slider = document.querySelector('[aria-label="Balance of BM25 and semantic"]');
  const root = slider.closest('.wb-search'), cards = [], confirmed = [];
  const corrected = () => Number(root.dataset.mismatches || 0), before = corrected();
  for (let i = 0; i < moves; i++) {
    slider.value = (i * 37 % 101) / 100;
    const started = performance.now();
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    await painted();
    cards.push(performance.now() - started);
    await until(() => root.dataset.seq === root.dataset.confirmed);
    confirmed.push(performance.now() - started);
    await new Promise((done) => setTimeout(done, 20));
  }
  return [cards, confirmed, corrected() - before];
}"""
)
SLIDE_PLAIN = (
    "async (moves) => {"
    + PAINTED
    + """
  const handle = document.querySelector('.plain-slider .noUi-handle');
  const output = document.querySelector('.plain-output'), times = [];
  const shown = () => output.querySelector('[data-weight]')?.dataset.weight;
  for (let i = 0; i < moves; i++) {
    const before = shown(), started = performance.now();
    const key = i % 100 < 50 ? 'ArrowRight' : 'ArrowLeft';
    handle.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    await until(() => shown() !== before || performance.now() - started > 3000);
    await painted();
    times.push(performance.now() - started);
    await new Promise((done) => setTimeout(done, 20));
  }
  return times;
}"""
)
SEARCH = (
    "async (queries) => {"
    + PAINTED
    + """
  const box = document.querySelector('.wb-search .wb-query'), times = [];
  const root = box.closest('.wb-search');
  for (const query of queries) {
    box.value = query;
    const started = performance.now();
    box.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }));
    await until(() => root.dataset.seq === root.dataset.confirmed);
    await painted();
    times.push(performance.now() - started);
    await new Promise((done) => setTimeout(done, 60));
  }
  return times;
}"""
)
WATCH = """() => { window.shown = new Promise((done) => {
  const started = performance.now();
  const look = () => [...document.querySelectorAll('.wb-search .wb-card')].length
    ? done(performance.now() - started) : requestAnimationFrame(look);
  look(); }); }"""


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--moves", type=int, default=MOVES)
    parser.add_argument("--queries", type=int, default=100)
    given = parser.parse_args()
    index = index_of("scifact", given.data)
    queries = [query.text for query in queries_of(given.data, "test")[0][: given.queries + 1]]
    sys.path.insert(0, str(ROOT))
    heading("The search panel in JupyterLab")
    with tempfile.TemporaryDirectory() as folder:
        measured = _measure(Path(folder), index, queries, given.moves)
    _report(measured, given.moves, len(queries) - 1)


def _measure(root: Path, index: Path, queries: list[str], moves: int) -> dict[str, Any]:
    """Everything in one notebook, in one browser."""
    from playwright.sync_api import sync_playwright

    from tests.browser.lab import FLAGS, open_and_run, running_lab

    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        print("Chromium is not here: install it")
        sys.exit(2)
    first, *others = queries
    cells = [
        OPEN.format(index=str(index), depth=DEPTH),
        PANEL.format(query=first),
        PLAIN.format(query=first),
        KERNEL.format(moves=moves),
    ]
    with running_lab(root) as lab, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1600, "height": 1100})
        open_and_run(page, lab.write("panel.ipynb", *cells))
        page.wait_for_selector(".plain-output .wb-ranking", timeout=60_000)
        page.wait_for_selector(".wb-search[data-ready]", timeout=60_000)
        page.wait_for_timeout(3_000)
        measured: dict[str, Any] = {}
        measured["plain"] = page.evaluate(SLIDE_PLAIN, moves)
        measured["cards"], measured["confirmed"], measured["mismatches"] = page.evaluate(
            SLIDE, moves
        )
        measured["search"] = page.evaluate(SEARCH, others)
        measured["panel"] = [_cell_to_cards(page) for _ in range(5)]
        kernel = _printed(page, 3)
        measured["kernel"] = [1e3 * seconds for seconds in kernel[0]]
        measured["candidates"] = kernel[1]
        browser.close()
    return measured


def _cell_to_cards(page: Any) -> float:
    """Run the panel's cell again; milliseconds from the key to the first card."""
    cell = page.locator(".jp-CodeCell").nth(1)
    cell.locator(".cm-content").click()
    page.evaluate(
        "() => document.querySelectorAll('.wb-search .wb-card').forEach((e) => e.remove())"
    )
    page.evaluate(WATCH)
    page.keyboard.press("Control+Enter")
    shown = float(page.evaluate("() => window.shown"))
    page.wait_for_timeout(500)
    return shown


def _printed(page: Any, number: int) -> Any:
    """Run a cell again, and read the JSON that it prints."""
    cell = page.locator(".jp-CodeCell").nth(number)
    before = cell.locator(".jp-InputPrompt").inner_text()
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    page.wait_for_function(
        "([e, before]) => e.innerText !== before && !e.innerText.includes('*')",
        arg=[cell.locator(".jp-InputPrompt").element_handle(), before],
    )
    return json.loads(cell.locator(".jp-OutputArea-output pre").last.inner_text())


def _report(measured: dict[str, Any], moves: int, queries: int) -> None:
    rows = [
        ("panel: slider to cards, painted", measured["cards"], moves),
        ("panel: slider to the kernel's confirmation", measured["confirmed"], moves),
        ("ipywidgets slider and HTML: slider to cards", measured["plain"], moves),
        ("panel: the kernel's share of a move", measured["kernel"], moves),
        ("panel: search to cards", measured["search"], queries),
        ("panel: cell to cards", measured["panel"], len(measured["panel"])),
    ]
    table(
        f"SciFact, {measured['candidates']} candidates of the last query, milliseconds",
        ("what", "p50", "p95", "n"),
        [(name, _at(times, 50), _at(times, 95), str(n)) for name, times, n in rows],
    )
    note(
        "Chromium headless without a GPU; one frame is 16.7 ms. Painted: the message after the "
        f"frame. Orders that the kernel corrected: {measured['mismatches']}."
    )
    p95 = {name: float(np.percentile(times, 95)) for name, times, _ in rows}
    names = [name for name, _, _ in rows]
    targets(
        [
            Figure("slider to cards, p95", p95[names[0]], 50, "ms"),
            Figure("kernel's share, p95", p95[names[3]], 2, "ms"),
            Figure("search to cards, p95", p95[names[4]], 150, "ms"),
            Figure("cell to panel, p95", p95[names[5]], 2000, "ms"),
        ]
    )


def _at(times: Sequence[float], percent: float) -> str:
    return f"{np.percentile(times, percent):.1f}"


if __name__ == "__main__":
    main()
