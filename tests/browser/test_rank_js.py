"""The browser's order is `fuse` and `rank_papers`, bit for bit, ties and all."""

from __future__ import annotations

from typing import Any

import numpy as np
from playwright.sync_api import Page

from workbench.ranking.fusion import fuse, rank_papers
from workbench.ranking.weights import balance_of, with_balance
from workbench.records import Candidates, Query
from workbench.widgets.base import static

CASES = 400
RANK = """(cases) => cases.map(({ columns, starts, weights, k }) => {
  const columnsHere = columns.map((column) => Float64Array.from(column));
  const scores = fuse(columnsHere, weights, new Float64Array(columns[0].length));
  return [Array.from(scores), rankPapers(scores, Int32Array.from(starts), k)];
})"""
BALANCE = """(cases) => cases.map(([weights, balance]) => {
  const signals = Object.keys(weights);
  return [balanced(weights, signals, balance, weights), balanceOf(weights, signals)];
})"""


ARRANGE = """(cases) => cases.map(([before, wanted]) => {
  const list = document.body.appendChild(document.createElement('ol')), made = new Map();
  const item = (name) => made.get(name) || made.set(name, document.createElement('li')).get(name);
  for (const name of before) list.append(Object.assign(item(name), { id: name, tabIndex: 0 }));
  const held = before.find((name) => wanted.includes(name));
  if (held) item(held).focus();
  const seen = new MutationObserver(() => {});
  seen.observe(list, { childList: true });
  arrangeChildren(list, wanted.map((name) => Object.assign(item(name), { id: name })));
  const moved = seen.takeRecords().reduce((sum, record) => sum + record.addedNodes.length, 0);
  const found = [[...list.children].map((child) => child.id), moved, document.activeElement.id];
  list.remove();
  return [...found, held || ''];
})"""


def in_page(page: Page, function: str, cases: list[object]) -> list[list[object]]:
    """Call a function beside `rank.js` and `dom.js`."""
    both = f"(cases) => {{ {static('rank.js', 'dom.js')}\nreturn ({function})(cases); }}"
    found: list[list[object]] = page.evaluate(both, cases)
    return found


def candidates(dice: np.random.Generator) -> Candidates:
    """Papers of several passages; coarse values, so that many tie."""
    papers = int(dice.integers(1, 60))
    passages = dice.integers(1, 5, papers)
    ids = np.repeat([f"p{i:03d}" for i in range(papers)], passages)
    numbers = np.concatenate([np.arange(count) for count in passages]).astype(np.int32)
    signals = tuple(f"s{i}" for i in range(int(dice.integers(1, 6))))
    values = dice.integers(-3, 4, (len(ids), len(signals))) / dice.choice([1.0, 3.0, 7.0, 1e9])
    if dice.random() < 0.3:
        values = dice.standard_normal(values.shape)
    return Candidates(Query(""), signals, ids, numbers, values, np.zeros(len(signals)))


def test_the_browsers_order_is_that_of_fusion(page: Page) -> None:
    dice = np.random.default_rng(0)
    made = [candidates(dice) for _ in range(CASES)]
    given = [(np.round(dice.random(len(c.signals)), 2), int(dice.integers(1, 30))) for c in made]
    cases: list[object] = [
        {
            "columns": c.values.T.tolist(),
            "starts": c.paper_starts.tolist(),
            "weights": weights.tolist(),
            "k": k,
        }
        for c, (weights, k) in zip(made, given, strict=True)
    ]
    found = in_page(page, RANK, cases)
    for c, (weights, k), (scores, rows) in zip(made, given, found, strict=True):
        fused = fuse(c.values, weights)
        assert scores == fused.tolist()
        assert rows == rank_papers(c, fused, k)[0].tolist()


def test_the_main_slider_means_the_same_here_and_there(page: Page) -> None:
    dice = np.random.default_rng(1)
    names = ["bm25", "title", "dense", "bm25_feedback", "dense_feedback", "cross_encoder"]
    drawn = [
        np.round(dice.random(len(names)) * dice.integers(0, 2, len(names)), 2) for _ in range(CASES)
    ]
    given = [
        (dict(zip(names, weights.tolist(), strict=True)), round(float(dice.random()), 2))
        for weights in drawn
    ]
    found: list[Any] = in_page(page, BALANCE, [list(case) for case in given])
    for (weights, balance), (moved, share) in zip(given, found, strict=True):
        assert share == balance_of(weights)
        expected = with_balance(weights, balance)
        assert all(abs(moved[name] - expected[name]) < 1.5e-6 for name in names)


def test_cards_come_in_order_with_the_fewest_moves_and_keep_the_focus(page: Page) -> None:
    dice = np.random.default_rng(2)
    names = [f"c{number}" for number in range(14)]
    cases: list[object] = []
    for _ in range(100):
        before, wanted = (dice.permutation(names)[: dice.integers(0, 12)].tolist() for _ in "12")
        cases.append([before, wanted])
    for (before, wanted), (order, moved, focused, held) in zip(
        cases, in_page(page, ARRANGE, cases), strict=True
    ):
        assert order == wanted
        assert focused == held
        places = [before.index(name) for name in wanted if name in before]
        assert moved == len(wanted) - _longest_rise(places)


def _longest_rise(places: list[int]) -> int:
    """How many of them stay, where the rest is moved to bring all in order."""
    rises: list[int] = []
    for at, place in enumerate(places):
        rises.append(1 + max((rises[i] for i in range(at) if places[i] < place), default=0))
    return max(rises, default=0)
