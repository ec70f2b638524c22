"""A walk over all controls of the panel: what is on screen, in the kernel and in the code is one.

WORKBENCH_WALK is how many actions it takes: a few in a usual run, 2,000 before a release;
WORKBENCH_WALK_SEED makes it another walk. After 500 actions the walk says what the page and the
kernel hold, and they may hold no more at its end.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect
from playwright.sync_api import TimeoutError as TimedOut

from tests.browser.conftest import Lab
from tests.browser.lab import disable_extensions, load
from tests.browser.notebooks import OPEN, PRINT, READY, heap, order, printed, settled
from tests.conftest import ROOT
from tests.waiting import HANG

Run = Callable[..., Page]
ACTIONS = int(os.environ.get("WORKBENCH_WALK", "60"))
SEED = int(os.environ.get("WORKBENCH_WALK_SEED", "7"))
STOP = 15
"""Actions between two looks at the kernel."""
LONG = 500
"""Actions of a walk after which nothing may grow any more."""

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
grades = search.judged.grades_of(search.state.query) or {}
pressed = {paper: grades[paper] for paper in ids(search.ranking) if paper in grades}
gc.collect()
""" + PRINT.format(
    "[ids(search.ranking), ids(again), pressed, search.state == search.steps.current.state, "
    "search.steps.current.number, psutil.Process().memory_info().rss]"
)
ACT = """([kind, dice, text]) => {
  const root = document.querySelector('.wb-search');
  const usable = (e) => !e.disabled && !e.hidden && e.offsetParent;
  const pick = (selector) => {
    const all = [...root.querySelectorAll(selector)].filter(usable);
    return all[Math.floor(dice * all.length)];
  };
  const press = (selector) => {
    const found = pick(selector);
    found?.focus();
    found?.click();
    return Boolean(found);
  };
  const type = (field, value) => {
    if (!field || !usable(field)) return false;
    field.focus();
    field.value = value;
    field.dispatchEvent(new Event('input', { bubbles: true }));
    field.dispatchEvent(new Event('change', { bubbles: true }));
    field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }));
    return true;
  };
  const choose = (selector) => {
    const select = pick(selector);
    return type(select, select?.options[Math.floor(dice * 1e3 % select.options.length)].value);
  };
  const at = (element, kind) => {
    if (!element?.getClientRects().length) return false;
    const box = element.getBoundingClientRect();
    element.dispatchEvent(new MouseEvent(kind, { bubbles: true,
      clientX: box.x + box.width * dice, clientY: box.y + box.height * (dice * 1e3 % 1) }));
    return true;
  };
  const keys = (element) => {
    if (!element) return false;
    element.focus();
    for (const key of text.split(' '))
      document.activeElement.dispatchEvent(new KeyboardEvent('keydown',
        { key: key.replace('^', ''), ctrlKey: key.startsWith('^'), bubbles: true }));
    return true;
  };
  return {
    slide: () => type(pick('input[type=range]'), String(Math.round(dice * 1e4 % 101) / 100)),
    chip: () => press('.wb-chip-action, .wb-suggestion'),
    add: () => type(root.querySelector('.wb-adder'), text),
    filter: () => type(pick('.wb-filters input'), text),
    clear: () => press('.wb-filters > .wb-button'),
    query: () => type(root.querySelector('.wb-query'), text),
    choose: () => choose('.wb-list-bar select, .wb-weights select'),
    press: () => press('.wb-steps-bar > .wb-button'),
    step: () => press('.wb-step, .wb-curve .wb-button'),
    versus: () => press('.wb-steps-bar > .wb-button:last-child'),
    rrf: () => press('.wb-weights input[type=checkbox]'),
    open: () => press('.wb-title'),
    details: () => press('.wb-details .wb-button'),
    grade: () => press('.wb-card .wb-grade-button'),
    keys: () => keys(pick('.wb-title')),
    judge: () => press('.wb-list-bar .wb-button, .wb-list-bar input, .wb-list-bar .wb-small'),
    card: () => press('.wb-card button.wb-small'),
    regret: () => press('.wb-regrets .wb-link'),
    more: () => press('.wb-foot-bar > .wb-button, .wb-fold'),
    name: () => type(pick('.wb-foot-bar input'), text),
    save: () => choose('.wb-foot-bar select'),
    curve: () => at(pick('.wb-curve')?.querySelector('svg'), 'click'),
    plane: () => at(pick('.wb-plane-canvas'), dice < 0.5 ? 'click' : 'mousemove'),
    walk: () => keys(pick('.wb-plane-canvas')),
  }[kind]();
}"""
SHOWN = """([ids, grades]) => {
  const cards = [...document.querySelectorAll('.wb-search .wb-card')];
  const rank = (card) => Number(card.querySelector('.wb-rank b').textContent);
  const ranked = [...cards].sort((a, b) => rank(a) - rank(b)).map((card) => card.dataset.paper);
  if (ranked.join() !== ids.join()) return false;
  const root = document.querySelector('.wb-search');
  const listed = document.querySelector('[aria-label="Order of the hits"]').value;
  const plain = listed === '0' && !root.classList.contains('wb-blind');
  if (plain && cards.some((card, i) => rank(card) !== i + 1)) return false;
  return root.classList.contains('wb-blind') || cards.every((card) => {
    const pressed = card.querySelector('.wb-grade-button[aria-pressed=true]');
    const grade = grades[card.dataset.paper];
    return grade === undefined ? !pressed : pressed?.textContent === String(grade);
  });
}"""
PICK = """name => {
  const button = document.querySelector(`.wb-picker [data-use=${name}]`);
  button.click();  // that of the profile in use is disabled, and does nothing
  return button.disabled;
}"""
KINDS = {
    **{"slide": 6, "chip": 4, "add": 2, "filter": 2, "clear": 1, "query": 2, "choose": 3},
    **{"press": 4, "step": 2, "versus": 2, "rrf": 2, "open": 3, "details": 3, "grade": 2},
    **{"judge": 2, "card": 1, "regret": 1, "more": 2, "name": 1, "save": 1, "curve": 1},
    **{"keys": 2, "plane": 1, "walk": 1},
}
"""How often each kind of action is taken; the profile is picked in its own tab, once in a while."""
PROFILE, PROFILES = 0.02, ("default", "fast")
TEXTS = {
    "add": ["passages", "two words", "banana", "ranking", "  "],
    "filter": ["", "", "2015", "2022", "abc", "khat", "Khattab, Omar", "SIGIR"],
    "query": ["late interaction retrieval", "interaction retrieval", "attention", "של", ""],
    "keys": ["2", "x", "3 0 1", "ArrowDown ArrowDown", "^z", "^z ^z"],
    "walk": ["ArrowRight", "ArrowRight ArrowRight Enter", "Escape"],
    "name": ["my step", "", "<b>bold</b>", "二"],
}


@pytest.fixture
def page(browser: Browser, lab: Lab) -> Iterator[Page]:
    """A page of its own, without what grows in a plain notebook too: JupyterLab 4.6 keeps the
    toolbar of every cell that was active."""
    context = browser.new_context(viewport={"width": 1600, "height": 1100})
    context.set_default_timeout(1000 * HANG)
    disable_extensions(lab.root, "@jupyterlab/cell-toolbar-extension")
    try:
        page = context.new_page()
        load(page, lab)
        yield page
    finally:
        disable_extensions(lab.root)
        context.close()


def test_screen_kernel_and_code_are_one(run_notebook: Run, lab: Lab) -> None:
    for name in ("queries.jsonl", "qrels.tsv"):
        shutil.copy(ROOT / "data" / "landmarks" / name, lab.root / "landmarks")
    (lab.root / "walk.jsonl").unlink(missing_ok=True)
    page = run_notebook("walk.ipynb", CELL, LOOK)
    page.wait_for_selector(READY)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.extend(_complaint(message)))
    panel = page.locator(".wb-search")
    expect(panel.locator(".wb-card")).to_have_count(10)
    first, dice = order(panel), random.Random(SEED)
    half: tuple[int, int, int] | None = None
    done: list[tuple[str, str]] = []
    did: Counter[str] = Counter()
    for number in range(1, ACTIONS + 1):
        if dice.random() < PROFILE:
            _pick_profile(page, dice.choice(PROFILES))
            done.append(("profile", ""))
        kind = dice.choices(list(KINDS), list(KINDS.values()))[0]
        text = dice.choice(TEXTS.get(kind, [""]))
        done.append((kind, text))
        did[kind] += page.evaluate(ACT, [kind, dice.random(), text])
        if dice.random() < 0.5:
            settled(panel)
        if number % STOP == 0:
            _same(panel, done)
            assert errors == [], done[-STOP:]
            if half is None and number >= ACTIONS / 2:
                half = _held(panel)
            if number % (20 * STOP) == 0:
                print(f"{number} actions; detached nodes {heap(page)[1]}", flush=True)
    assert panel.get_attribute("data-mismatches") is None
    assert half is not None
    if ACTIONS >= LONG:  # what grows once has grown: nothing else may
        now = _held(panel)
        print(
            "page's bytes and detached nodes, kernel's bytes: "
            f"{half} at half way, {now} at the end; {did}"
        )
        assert sum(did[kind] > 0 for kind in KINDS) >= len(KINDS) - 2, did  # nearly all were there
        assert now[0] - half[0] < 8e6
        assert now[1] - half[1] < 1_000
        assert now[2] - half[2] < 60e6
    _undo_all(panel)
    look = _same(panel, done)
    assert (look.step, look.shown) == (1, first)
    assert errors == [], done[-STOP:]


@dataclass(frozen=True)
class Look:
    """What the kernel says of itself: papers on screen, the number of its step, its bytes."""

    shown: list[str]
    step: int
    resident: int


def _same(panel: Locator, done: list[tuple[str, str]]) -> Look:
    """Screen, kernel and code agree, and so do the grades."""
    settled(panel)
    shown, again, pressed, at_step, step, resident = printed(panel.page, 1)
    assert shown == again, done[-STOP:]
    try:
        panel.page.wait_for_function(SHOWN, arg=[shown, pressed])
    except TimedOut:
        raise AssertionError((order(panel), shown, pressed, done[-STOP:])) from None
    assert at_step, done[-STOP:]
    return Look(shown, step, int(resident))


def _held(panel: Locator) -> tuple[int, int, int]:
    """The page's bytes and detached nodes, and the kernel's bytes, with the best ten of one query
    on screen."""
    box, hits = panel.get_by_role("combobox", name="Query"), panel.get_by_label("Number of hits")
    for query in ("dense retrieval", "late interaction retrieval"):
        box.fill(query)
        box.press("Enter")
        settled(panel)
        hits.select_option("10")  # there with a query; the page keeps the cards that it has shown
        settled(panel)
    return (*heap(panel.page), _same(panel, [("held", "")]).resident)


def _pick_profile(page: Page, name: str) -> None:
    """In the tab of profiles, and back."""
    page.get_by_role("tab", name="Profiles").click()
    # No handle of a card: the page would keep it, with all around it, when it is drawn anew.
    expect(page.locator(f".wb-picker [data-use={name}]")).to_be_visible()
    page.wait_for_function(PICK, arg=name, polling=500)
    page.get_by_role("tab", name="Search").click()
    expect(page.locator(".wb-search")).to_be_visible()


def _undo_all(panel: Locator) -> None:
    """Back to the first step, one click a step."""
    settled(panel)  # or a click undoes what the strip does not show yet
    undo, bar = panel.get_by_role("button", name="Undo"), panel.locator(".wb-steps-bar")
    while not undo.is_disabled():
        before = bar.get_attribute("data-at") or ""
        undo.click()
        expect(bar).not_to_have_attribute("data-at", before)


def _complaint(message: ConsoleMessage) -> list[str]:
    """An error that the page writes to its console; where a file comes from is JupyterLab's."""
    return [message.text] if message.type == "error" else []
