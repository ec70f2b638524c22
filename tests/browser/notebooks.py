"""Driving a notebook as a person does: run a cell, read what it printed, move a slider."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import CDPSession, Locator, Page, expect

from tests.browser.conftest import SCREENSHOTS

OPEN = 'import workbench as wb\nbench = wb.open("landmarks", progress=False)'
PRINT = "import json; print(json.dumps({}))"
READY = ".wb-search[data-ready]"
EVERY_WIDGET = {
    ".wb-search": f"""{OPEN}
judged = "landmarks/queries.jsonl", "landmarks/qrels.tsv"
panel = bench.panel(*judged, query="late interaction retrieval", grades="every.jsonl")
panel""",
    ".wb-judging": "bench.judge("
    "[{'id': 'a', 'text': 'attention for translation'}], 'every-judge.jsonl', depth=3)",
    ".wb-memory": "bench.memory_plot(bench._embedder.pool)",
    ".wb-picker": "bench.profile_picker()",
    ".wb-compare": "bench.compare_panel('attention for translation')",
    ".wb-ask": "bench.ask_panel('How do late-interaction models keep their index small?')",
    ".wb-import": """into = wb.import_panel(into="every-corpus")
into.add_source("landmarks/papers.jsonl")
into""",
    ".wb-experiments": """with bench.experiment("every"):
    bench.evaluate(*judged, progress=False)
bench.experiments_panel()""",
}
"""A cell for each widget, by its class; the first opens the corpus."""

FILLED = (
    *(".wb-search .wb-card", ".wb-judging .wb-square", ".wb-memory svg", ".wb-picker .wb-profile"),
    *(".wb-lists", ".wb-import .wb-item", ".wb-experiments tbody tr"),
    ".wb-ask[data-number='1'] details .wb-chip",
)
"""What each of them shows when its content is there."""


def run_cell(page: Page, number: int) -> Locator:
    """Run one cell, from 0; returns it. Waits until the kernel has run it."""
    cell = page.locator(".jp-CodeCell").nth(number)
    prompt = cell.locator(".jp-InputPrompt")
    before = prompt.inner_text()
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    expect(prompt).not_to_have_text(before)
    expect(prompt).not_to_have_text("[*]:")
    return cell


def printed(page: Page, number: int) -> Any:
    """Run a cell that prints JSON, and read it."""
    cell = run_cell(page, number)
    return json.loads(cell.locator(".jp-OutputArea-output pre").last.inner_text())


SEEN = """(root) => [...root.querySelectorAll('.wb-card')]
  .map((card) => [card.getBoundingClientRect().top, card.dataset.paper])
  .sort(([a], [b]) => a - b).map(([, paper]) => paper)"""


def settled(panel: Locator) -> None:
    """Wait until the kernel has confirmed the panel's last settings."""
    panel.page.wait_for_function(
        "e => !e.dataset.seq || e.dataset.seq === e.dataset.confirmed",
        arg=panel.element_handle(),
    )


def order(panel: Locator) -> list[str]:
    """Paper ids as the cards stand on screen."""
    ids: list[str] = panel.evaluate(f"root => ({SEEN})(root)")
    return ids


def fits(widget: Locator) -> None:
    """Wait until nothing of a widget sticks out at its side: after a resize that takes frames."""
    widget.page.wait_for_function(
        "e => e.scrollWidth - e.clientWidth <= 0", arg=widget.element_handle()
    )


ATTACHED = """() => {
  const walker = document.createTreeWalker(document, NodeFilter.SHOW_ALL);
  let nodes = 1;
  while (walker.nextNode()) nodes++;
  return nodes;
}"""


def heap(page: Page) -> tuple[int, int]:
    """Bytes of the page's JavaScript heap, and its DOM nodes that are in no document any more,
    after collecting garbage."""
    session: CDPSession = page.context.new_cdp_session(page)
    for _ in range(2):  # what one round lets go of, holds elements that only the next one finds
        page.evaluate("() => new Promise((done) => requestIdleCallback(done))")
        session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")["usedSize"]
    nodes = session.send("Memory.getDOMCounters")["nodes"]
    session.detach()
    return int(used), int(nodes) - int(page.evaluate(ATTACHED))


def picture(widget: Locator, name: str, height: int = 960) -> None:
    """A picture of the top of a widget for the README, cut out of a page that has room for it."""
    page = widget.page
    page.set_viewport_size({"width": 1500, "height": height + 500})
    widget.evaluate("e => e.scrollIntoView({ block: 'start' })")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    page.mouse.move(0, 0)
    box = widget.bounding_box()
    assert box is not None
    clip = {**box, "height": min(box["height"], float(height))}
    page.screenshot(path=SCREENSHOTS / f"{name}.png", clip=clip)


MOVE = f"""async ([label, values, frames]) => {{
  const slider = document.querySelector(`input[aria-label="${{label}}"]`);
  const root = slider.closest('.wb-search');
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const seen = [];
  for (const value of values) {{
    slider.value = value;
    slider.dispatchEvent(new Event('input', {{ bubbles: true }}));
    for (let i = 0; i < frames; i++) await frame();
    seen.push(({SEEN})(root));
  }}
  return seen;
}}"""


def move(page: Page, values: list[float], *, frames: int, label: str = "") -> list[list[str]]:
    """Move a slider through values, `frames` frames apart; the papers on screen after each."""
    label = label or "Balance of BM25 and semantic"
    seen: list[list[str]] = page.evaluate(MOVE, [label, values, frames])
    return seen


DANGEROUS = ("b", "a", "d", "d", "0", "0", "i", "i", "x", "c", "v", "z", "m", "y", "1")
"""What JupyterLab would do with these: add, cut, paste and turn cells, interrupt, ask to
restart."""


def restless(page: Page) -> None:
    """Press all of them, and what leaves or runs a cell."""
    for key in (*DANGEROUS, "Escape", "Enter", "Shift+Enter", "Control+Enter", "ArrowDown"):
        page.keyboard.press(key)
