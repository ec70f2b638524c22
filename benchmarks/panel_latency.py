"""The search panel in JupyterLab: slider to cards, search to cards, a grade to the curve that it
makes, cell to panel, in a browser.

Beside the slider: what a person would write first, an ipywidgets slider that renders the ranking
anew in the kernel, over the same candidates in the same notebook.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from argparse import Namespace
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
seconds, own = [], bench.search_panel({query!r})  # the page numbers the moves of the other
for i in range({moves}):
    weights = with_balance(own.base.weights, (i * 37 % 101) / 100)
    settings = {{**own.page.settings, "weights": weights, "seq": i + 1}}
    started = time.perf_counter(); own._take(settings)
    seconds.append(time.perf_counter() - started)
print(json.dumps([seconds, len(own.ranking.candidates)]))"""
SEARCHES = """
times = [bench.search(query).timings_ms for query in {queries!r}]
print(json.dumps([[t["query"] for t in times], [t["total"] for t in times]]))"""
"""What of a search is the kernel's, and of that the encoder's: `query` is reading and encoding."""
JUDGED = """
judgments = wb.read_qrels({judgments!r})
judged = {{judgment.query_id for judgment in judgments}}
queries = [query for query in wb.read_queries({queries!r}) if query.id in judged]
panel = bench.weight_tuner(queries, judgments, query={query!r}, grades={file!r})
panel"""

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
GRADE = (
    "async (grades) => {"
    + PAINTED
    + """
  const root = document.querySelector('.wb-search'), times = [];
  const drawn = () => root.querySelector('.wb-curve-line').getAttribute('d');
  for (let i = 0; i < grades; i++) {
    const card = root.querySelectorAll('.wb-card')[(i >> 1) % 10], before = drawn();
    const started = performance.now();
    card.querySelectorAll('.wb-grade-button')[i % 2 ? 0 : 3].click();
    await until(() => drawn() !== before || performance.now() - started > 5000);
    await painted();
    times.push(performance.now() - started);
    await new Promise((done) => setTimeout(done, 400));
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
    parser.add_argument("--grades", type=int, default=40)
    given = parser.parse_args()
    index = index_of("scifact", given.data)
    queries = [query.text for query in queries_of(given.data, "test")[0][: given.queries + 1]]
    sys.path.insert(0, str(ROOT))
    heading("The search panel in JupyterLab")
    with tempfile.TemporaryDirectory() as folder:
        measured = _measure(Path(folder), index, queries, given)
    _report(measured)


def _measure(root: Path, index: Path, queries: list[str], given: Namespace) -> dict[str, Any]:
    """Everything in one browser; the grades in a notebook of their own."""
    from playwright.sync_api import expect, sync_playwright

    from tests.browser.lab import open_and_run, running_lab
    from tests.conftest import CHROMIUM_FLAGS

    expect.set_options(timeout=120_000)
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        print("Chromium is not here: install it")
        sys.exit(2)
    (first, *others), moves = queries, given.moves
    cells = [
        OPEN.format(index=str(index), depth=DEPTH),
        PANEL.format(query=first),
        PLAIN.format(query=first),
        KERNEL.format(moves=moves, query=first),
        SEARCHES.format(queries=others),
    ]
    judged = JUDGED.format(
        queries=str(given.data / "scifact" / "queries.jsonl"),
        judgments=str(given.data / "scifact" / "qrels" / "test.tsv"),
        query=first,
        file=str(root / "grades.jsonl"),
    )
    with running_lab(root) as lab, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        page = browser.new_page(viewport={"width": 1600, "height": 1100})
        lab.write("panel.ipynb", *cells)
        open_and_run(page, lab, "panel.ipynb")
        page.wait_for_selector(".plain-output .wb-ranking", timeout=60_000)
        page.wait_for_selector(".wb-search[data-ready]", timeout=60_000)
        page.wait_for_timeout(3_000)
        measured: dict[str, Any] = {}
        _bring(page, ".plain-slider")
        measured["plain"] = page.evaluate(SLIDE_PLAIN, moves)
        _bring(page, ".wb-search")
        measured["cards"], measured["confirmed"], measured["mismatches"] = page.evaluate(
            SLIDE, moves
        )
        measured["search"] = page.evaluate(SEARCH, others)
        measured["panel"] = [_cell_to_cards(page) for _ in range(5)]
        kernel = _printed(page, 3)
        measured["kernel"] = [1e3 * seconds for seconds in kernel[0]]
        measured["candidates"] = kernel[1]
        measured["encoder"], measured["found"] = _printed(page, 4)
        opened = OPEN.format(index=str(index), depth=DEPTH)
        lab.write("judged.ipynb", opened + judged)
        open_and_run(page, lab, "judged.ipynb")
        page.wait_for_selector(".wb-curve-line", timeout=300_000)
        _bring(page, ".wb-search")
        page.wait_for_timeout(2_000)
        measured["grade"] = page.evaluate(GRADE, given.grades)
        browser.close()
    return measured


def _bring(page: Any, what: str) -> None:
    """Scroll to it: what is out of view costs the browser less than a person pays."""
    page.locator(what).first.evaluate("e => e.scrollIntoView({ block: 'start' })")


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


def _report(measured: dict[str, Any]) -> None:
    rows = [
        ("panel: slider to cards, painted", measured["cards"]),
        ("panel: slider to the kernel's confirmation", measured["confirmed"]),
        ("ipywidgets slider and HTML: slider to cards", measured["plain"]),
        ("panel: the kernel's share of a move", measured["kernel"]),
        ("panel: search to cards", measured["search"]),
        ("    of it the search in the kernel", measured["found"]),
        ("    of that reading and encoding the query", measured["encoder"]),
        ("panel: grade to the new curve, 300 judged queries", measured["grade"]),
        ("panel: cell to cards", measured["panel"]),
    ]
    table(
        f"SciFact, {measured['candidates']} candidates of the last query, milliseconds",
        ("what", "p50", "p95", "n"),
        [(name, _at(times, 50), _at(times, 95), str(len(times))) for name, times in rows],
    )
    note(
        "Chromium headless without a GPU; one frame is 16.7 ms. Painted: the message after the "
        f"frame. Orders that the kernel corrected: {measured['mismatches']}."
    )
    limits = (
        ("slider to cards", "cards", 30),
        ("kernel's share", "kernel", 2),
        ("search to cards", "search", 120),
        ("grade to curve", "grade", 150),
        ("cell to panel", "panel", 2000),
    )
    targets(
        [
            Figure(f"{name}, p95", float(np.percentile(measured[key], 95)), limit, "ms")
            for name, key, limit in limits
        ]
    )


def _at(times: Sequence[float], percent: float) -> str:
    return f"{np.percentile(times, percent):.1f}"


if __name__ == "__main__":
    main()
