"""The memory plot as a person uses it: watched, hovered, released, hidden, played."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import SCREENSHOTS, Lab
from tests.conftest import ROOT
from tests.waiting import wait_until

Run = Callable[..., Page]

# Real memory in a real pool, with names and sizes that a test can foresee.
MODELS = """
import time
import numpy as np
from workbench.models.memory.lazy_model import LazyModel
from workbench.models.memory.ledger import Usage
from workbench.models.memory.pool import ModelPool
from workbench.system.stages import Stages
from workbench.widgets import memory_plot as module
from workbench.widgets.memory_plot import memory_plot

MIB = 2**20

class Block(LazyModel):
    def __init__(self, name, size, pool):
        super().__init__(name, "cpu", pool)
        self.size = size
    def need(self):
        return Usage(self.size * MIB, 5 * MIB)
    def _open(self):
        self.weights = np.ones(self.size * MIB, dtype=np.uint8)
    def _close(self):
        self.weights = None
    def encode(self, activations, seconds=0.4, over=None):  # marks stand apart on the axis
        with self.pool.lease(self):
            self.pool.note("batch", self, activations * MIB, "512 texts")
            time.sleep(seconds) if over is None else over.wait()
            self.pool.settle(self)

pool = ModelPool(budget="300MiB")
first, second = Block("bge-large", 240, pool), Block("minilm <b>", 90, pool)
"""
PLOT = "plot = memory_plot(pool)\nplot"
WORK = """
with Stages("index")("encode"):
    first.encode(60, 0.5)
with Stages("search")("feedback"):
    second.encode(30, 0.5)
pool.note("oom_retry", second, 15 * MIB, "256 texts after 512")
first.encode(40, 0.5)
print("WORKED", plot.running)
"""


def run_cell(page: Page, source: str) -> None:
    """Write into the last cell and run it."""
    cell = page.locator(".jp-CodeCell").last
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(source)
    page.keyboard.press("Control+Enter")


def until_printed(page: Page, output: Locator, source: str, words: str) -> None:
    """Run a cell again and again until it prints the words: the page's messages come between."""

    def printed() -> bool:
        run_cell(page, source)
        expect(page.locator(".jp-InputPrompt").last).not_to_have_text("[*]:")
        return output.filter(has_text=words).count() > 0

    wait_until(printed)


def tip_over(page: Page, mark: Locator) -> Locator:
    """Put the pointer under a mark and give what the plot says there."""
    box = mark.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 90)
    return page.locator(".wb-memory .wb-tip")


def look(page: Page, plot: Locator) -> None:
    """Marks, layers, budget, and what the pointer and the arrow keys read."""
    expect(plot.locator(".wb-sign[data-kind=evict]")).to_have_count(2)
    kinds = [mark.get_attribute("data-kind") for mark in plot.locator(".wb-sign").all()]
    assert kinds == ["load", "evict", "load", "oom_retry", "evict", "load"]
    expect(plot.locator(".wb-layer[fill^=url]").first).to_be_attached()  # activations apart
    expect(plot.locator(".wb-budget-text")).to_have_text("budget of the models 300 MiB")
    for stage in ("index: encode", "search: feedback"):
        lane = plot.locator(f'.wb-lane[data-stage="{stage}"]')
        expect(lane).to_have_attribute("d", re.compile("^M.*Z$"))
        expect(plot.locator(".wb-work")).to_have_attribute("aria-label", re.compile(stage))
    plot.scroll_into_view_if_needed()
    tip = tip_over(page, plot.locator(".wb-sign[data-kind=oom_retry]"))
    expect(tip).to_contain_text("minilm <b> out of memory, retried on cpu")
    expect(tip).to_contain_text("256 texts after 512")
    plot.screenshot(path=SCREENSHOTS / "memory-hover-1600.png")
    plot.locator(".wb-plot").focus()
    page.keyboard.press("ArrowLeft")
    expect(tip).to_contain_text("minilm <b>: 90 MiB weights")
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()


def release(page: Page, plot: Locator, output: Locator) -> None:
    """An idle model goes at once; of one in use it says so, and it goes when the call ends."""
    plot.get_by_role("button", name="Release bge-large").click()
    expect(plot.locator(".wb-sign[data-kind=release]")).to_have_count(1)
    expect(plot.locator(".wb-models")).to_contain_text("No model is loaded")
    run_cell(page, "print('FREE', first.loaded, pool.ledger.usage())")
    expect(output.filter(has_text="FREE False {}")).to_be_visible()
    use = "import threading\nover = threading.Event()\n"
    use += "threading.Thread(target=second.encode, args=(20, 0, over)).start()\nprint('IN USE')"
    run_cell(page, use)
    expect(output.filter(has_text="IN USE")).to_be_visible()
    plot.get_by_role("button", name="Release minilm <b>").click()
    expect(plot.locator(".wb-message")).to_contain_text("is in use; it is released when")
    plot.screenshot(path=SCREENSHOTS / "memory-in-use-1600.png")
    run_cell(page, "over.set()")
    expect(plot.locator(".wb-models")).to_contain_text("No model is loaded")
    expect(plot.locator(".wb-message")).to_have_count(0)  # it is released, so that is past


def hide_and_rest(page: Page, plot: Locator, output: Locator) -> None:
    """Out of sight it stops, in sight it goes on, and a quiet kernel pauses it."""
    run_cell(page, "module.IDLE = 1.5\nplot.layout.display = 'none'")
    until_printed(page, output, "print('HIDDEN', plot.running)", "HIDDEN False")
    run_cell(page, "plot.layout.display = None")
    expect(plot.get_by_role("status").filter(has_text="Paused")).to_be_visible()
    plot.screenshot(path=SCREENSHOTS / "memory-paused-1600.png")
    run_cell(page, "print('WOKEN', plot.running); module.IDLE = 60")
    expect(output.filter(has_text="WOKEN True")).to_be_visible()
    expect(plot.get_by_role("button", name="Resume")).to_be_hidden()


def test_a_live_plot_shows_what_happens_and_releases_models(run_notebook: Run) -> None:
    page = run_notebook("memory.ipynb", MODELS, PLOT, WORK, "1")
    plot, output = page.locator(".wb-memory"), page.locator(".jp-OutputArea-output pre")
    expect(plot).to_be_visible()
    expect(output.filter(has_text="WORKED True")).to_be_visible()
    look(page, plot)
    release(page, plot, output)

    # 300 updates leave the page as large as it was.
    count = "e => e.querySelectorAll('*').length"
    elements = plot.evaluate(count)
    run_cell(page, "for _ in range(300): plot._send_update(*plot._sampler.take())\nprint('SENT')")
    expect(output.filter(has_text="SENT")).to_be_visible()
    assert abs(plot.evaluate(count) - elements) <= 10  # ticks of the axis come and go

    hide_and_rest(page, plot, output)
    # Its output cleared, nobody sees it.
    page.get_by_role("menuitem", name="Edit", exact=True).click()
    page.get_by_role("menuitem", name="Clear Outputs of All Cells").click()
    expect(plot).to_have_count(0)
    until_printed(page, output, "print('CLEARED', plot.running)", "CLEARED False")


def test_a_recording_is_played_and_a_damaged_one_explained(run_notebook: Run, lab: Lab) -> None:
    recordings = ROOT / "tests" / "monitor" / "recordings"
    names = sorted(path.name for path in recordings.glob("*.jsonl"))
    for name in names:
        shutil.copy(recordings / name, lab.root)
    (lab.root / "broken.jsonl").write_text('{"type":"header","version":1,"machine":{}}\n{"typ\n')
    make = "from workbench.widgets.memory_plot import memory_plot\n"
    cells = [f"{make}memory_plot(recording={name!r})" for name in (*names, "broken.jsonl")]
    page = run_notebook("recording.ipynb", *cells)
    plots = page.locator(".wb-memory")
    expect(plots).to_have_count(len(cells))
    for name, plot in zip(names, plots.all(), strict=False):
        plot.scroll_into_view_if_needed()
        expect(plot.locator(".wb-sign").first).to_be_attached()
        expect(plot.get_by_role("button", name="Release")).to_have_count(0)
        plot.screenshot(path=SCREENSHOTS / f"recording-{name.removesuffix('.jsonl')}-1600.png")
    plot = plots.first
    plot.scroll_into_view_if_needed()
    everything = plot.locator(".wb-sign").count()
    plot.get_by_label("Position in the recording").fill("0")
    expect(plot.locator(".wb-sign")).to_have_count(0)
    plot.get_by_label("Speed").select_option("20")
    plot.get_by_role("button", name="Play").click()
    expect(plot.locator(".wb-sign")).to_have_count(everything)
    expect(plot.get_by_role("button", name="Play")).to_be_visible()
    expect(plots.last.get_by_role("alert")).to_contain_text("broken.jsonl, line 2: damaged")
    expect(plots.last.get_by_role("alert")).to_contain_text("record again")
    expect(plots.last.get_by_role("button", name="Play")).to_be_hidden()
    plots.last.screenshot(path=SCREENSHOTS / "recording-broken-1600.png")
