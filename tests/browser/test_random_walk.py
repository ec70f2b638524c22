"""A walk over all controls of the panel: what is on screen, in the kernel and in the code is one.

WORKBENCH_WALK is how many actions it takes: a few in a usual run, 2,000 before a release.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as TimedOut

from tests.browser.conftest import Lab
from tests.browser.notebooks import OPEN, PRINT, READY, heap, order, printed, settled
from tests.conftest import ROOT

Run = Callable[..., Page]
ACTIONS = int(os.environ.get("WORKBENCH_WALK", "60"))
STOP = 15
"""Actions between two looks at the kernel."""

CELL = f"""{OPEN}
judged = "landmarks/queries.jsonl", "landmarks/qrels.tsv"
panel = bench.panel(*judged, query="late interaction retrieval", grades="walk.jsonl")
panel"""
LOOK = """
import gc, psutil
search = panel.search
again = search.ranking
if search.ranking is not None:
    names = {"bench": bench}
    exec(search.code(), names)
    again = names["ranking"]
ids = lambda ranking: ranking.paper_ids if ranking is not None else []
gc.collect()
""" + PRINT.format(
    "[ids(search.ranking), ids(again), search.state == search.steps.current.state, "
    "search.state == search.steps.done[0].state, psutil.Process().memory_info().rss]"
)
ACT = """([kind, dice, text]) => {
  const root = document.querySelector('.wb-search');
  const pick = (selector) => {
    const all = [...root.querySelectorAll(selector)].filter((e) => !e.disabled && !e.hidden);
    return all[Math.floor(dice * all.length)];
  };
  const type = (field, value) => {
    if (!field) return;
    field.focus();
    field.value = value;
    field.dispatchEvent(new Event('input', { bubbles: true }));
    field.dispatchEvent(new Event('change', { bubbles: true }));
    field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }));
  };
  const acts = {
    slide: () => type(pick('input[type=range]'), String(Math.round(dice * 1e4 % 101) / 100)),
    chip: () => pick('.wb-chip-action, .wb-suggestion')?.click(),
    add: () => type(root.querySelector('.wb-adder'), text),
    filter: () => type(pick('.wb-filters input'), text),
    query: () => type(root.querySelector('.wb-query'), text),
    choose: () => {
      const select = pick('.wb-filters select, .wb-weights select');
      const option = select.options[Math.floor(dice * 1e3 % select.options.length)];
      type(select, option.value);
    },
    press: () => pick('.wb-steps-bar > .wb-button, .wb-step, .wb-curve .wb-button')?.click(),
    rrf: () => root.querySelector('.wb-weights input[type=checkbox]').click(),
    open: () => pick('.wb-title')?.click(),
    grade: () => pick('.wb-card .wb-grade-button')?.click(),
    more: () => pick('.wb-foot-bar > .wb-button')?.click(),
  };
  acts[kind]();
}"""
SHOWN = """ids => [...document.querySelectorAll('.wb-search .wb-card')]
  .map((card) => card.dataset.paper).join('\\n') === ids"""
KINDS = (
    *("slide", "slide", "slide", "chip", "chip", "add", "filter", "query", "choose"),
    *("press", "press", "rrf", "open", "grade", "more"),
)
TEXTS = {
    "add": ["passages", "two words", "banana", "ranking", "  "],
    "filter": ["", "", "2015", "2022", "abc", "khat", "Khattab, Omar", "SIGIR"],
    "query": ["late interaction retrieval", "interaction retrieval", "attention", "של", ""],
}


def test_screen_kernel_and_code_are_one(run_notebook: Run, lab: Lab) -> None:
    for name in ("queries.jsonl", "qrels.tsv"):
        shutil.copy(ROOT / "data" / "landmarks" / name, lab.root / "landmarks")
    page = run_notebook("walk.ipynb", CELL, LOOK)
    page.wait_for_selector(READY, timeout=60_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    panel = page.locator(".wb-search")
    expect(panel.locator(".wb-card")).to_have_count(10)
    dice = random.Random(7)
    half: tuple[int, int, int] | None = None
    done: list[tuple[str, str]] = []
    for number in range(1, ACTIONS + 1):
        kind = dice.choice(KINDS)
        text = dice.choice(TEXTS.get(kind, [""]))
        done.append((kind, text))
        page.evaluate(ACT, [kind, dice.random(), text])
        if dice.random() < 0.5:
            settled(panel)
        if number % STOP == 0:
            resident = _same(panel, done)
            if half is None and number >= ACTIONS / 2:
                half = (*heap(page), resident)
    assert errors == []
    assert panel.get_attribute("data-mismatches") is None
    assert half is not None
    if ACTIONS >= 500:  # what grows once has grown: nothing else may
        used, nodes = heap(page)
        assert used - half[0] < 8e6
        assert nodes - half[1] < 3_000
        assert _same(panel, done) - half[2] < 60e6
    undo = panel.get_by_role("button", name="Undo")
    for _ in range(250):
        if undo.is_disabled():
            break
        before = panel.locator(".wb-steps-bar").get_attribute("data-at")
        undo.click()
        expect(panel.locator(".wb-steps-bar")).not_to_have_attribute("data-at", before or "")
    settled(panel)
    assert printed(page, 1)[3]
    _same(panel, done)


def _same(panel: Locator, done: list[tuple[str, str]]) -> int:
    """Screen, kernel and code agree; the kernel's bytes."""
    settled(panel)
    shown, again, at_step, _, resident = printed(panel.page, 1)
    assert shown == again, done[-STOP:]
    try:
        panel.page.wait_for_function(SHOWN, arg="\n".join(shown), timeout=10_000)
    except TimedOut:
        raise AssertionError((order(panel), shown, done[-STOP:])) from None
    assert at_step, done[-STOP:]
    return int(resident)
