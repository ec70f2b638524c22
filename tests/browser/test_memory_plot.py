"""The memory plot as a person uses it: watched, hovered, released, played."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import SCREENSHOTS

Run = Callable[..., Page]

MODELS = """
import time
import numpy as np
from workbench.models.lazy import LazyModel
from workbench.models.ledger import Usage
from workbench.models.pool import ModelPool
from workbench.widgets.memory_plot import memory_plot

MIB = 2**20

class Block(LazyModel):
    '''Real memory, real pool; only the arithmetic is missing.'''
    def __init__(self, name, size, pool):
        super().__init__(name, "cpu", pool)
        self.size = size
    def need(self):
        return Usage(self.size * MIB, 5 * MIB)
    def _open(self):
        self.weights = np.ones(self.size * MIB, dtype=np.uint8)
    def _close(self):
        self.weights = None
    def encode(self, activations):
        with self.pool.lease(self):
            self.pool.note("batch", self, activations * MIB, "512 texts")
            self.pool.settle(self)

pool = ModelPool(budget="300MiB")
first, second = Block("bge-large", 240, pool), Block("minilm <b>", 90, pool)
"""
PLOT = "plot = memory_plot(pool)\nplot"
WORK = """
first.encode(60)
time.sleep(1.5)
second.encode(30)
time.sleep(1.5)
pool.note("oom_retry", second, 15 * MIB, "256 texts after 512")
first.encode(40)
time.sleep(1.2)
"""


def test_live(run_notebook: Run) -> None:
    page = run_notebook("memory.ipynb", MODELS, PLOT, WORK, "print('DONE')")
    plot = page.locator(".wb-memory")
    expect(plot).to_be_visible(timeout=20_000)
    expect(page.locator("pre", has_text="DONE")).to_be_visible(timeout=30_000)
    page.wait_for_timeout(2500)
    plot.scroll_into_view_if_needed()
    plot.screenshot(path=SCREENSHOTS / "memory-live.png")
    mark = plot.locator(".wb-sign[data-kind=evict]").first
    box = mark.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
    print(plot.locator(".wb-tip").inner_text())
    plot.screenshot(path=SCREENSHOTS / "memory-hover.png")
    plot.get_by_role("button", name="Release bge-large").click()
    page.wait_for_timeout(1500)
    page.set_viewport_size({"width": 800, "height": 1000})
    page.wait_for_timeout(500)
    plot.screenshot(path=SCREENSHOTS / "memory-released-800.png")
