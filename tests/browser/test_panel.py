"""The weight tuner, two settings side by side, and the panel of all parts, in use."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Lab, screenshot
from tests.browser.notebooks import OPEN, PRINT, READY, fits, order, picture, printed, settled
from tests.conftest import ROOT

Run = Callable[..., Page]
JUDGED = '"landmarks/queries.jsonl", "landmarks/qrels.tsv"'
TUNER = f"{OPEN}\ntuner = bench.weight_tuner({JUDGED})\ntuner"
BEST = f"""
from workbench.ranking.weights import with_balance
base, ends = tuner.base, tuner.judged.ends(tuner.base.weights)
best = tuner.judged.curve(base, ends).best
report = bench.evaluate({JUDGED}, "nDCG@10", weights=with_balance(base.weights, best.weight))
lost = tuner.judged.regrets(best.weight, base, ends)[0]["text"]
""" + PRINT.format("[best.weight, report.metrics['nDCG@10'].mean, lost]")
WEIGHTS = PRINT.format("[dict(p.weights) for p in (tuner.profile, bench.profile)]")
COMPARE = """
compare = bench.compare_panel("getting a model to show its working", k=10)
compare"""
LISTS = PRINT.format(
    "[[r.paper_ids for r in compare.rankings], compare.comparison.rbo, compare.comparison.shared]"
)


def give_judgments(lab: Lab) -> None:
    for name in ("queries.jsonl", "qrels.tsv"):
        shutil.copy(ROOT / "data" / "landmarks" / name, lab.root / "landmarks")


def test_the_weight_tuner_goes_to_the_optimum(run_notebook: Run, lab: Lab) -> None:
    give_judgments(lab)
    page = run_notebook("tuner.ipynb", TUNER, BEST, WEIGHTS)
    page.wait_for_selector(READY)
    panel = page.locator(".wb-search")
    weight, value, worst = printed(page, 1)
    panel.get_by_role("button", name="Go to the optimum").click()
    settled(panel)
    curve = panel.locator(".wb-curve")
    expect(curve.locator(".wb-curve-said")).to_contain_text(f"{value:.4f}. Best {value:.4f}")
    assert abs(float(curve.get_attribute("data-weight") or "") - weight) < 1e-5
    assert float(curve.get_attribute("data-best") or "") == weight
    expect(curve.locator(".wb-band")).to_have_count(1)
    # The list is of this weight, the largest regret first, and opens the query.
    queries = panel.locator(".wb-side > details")
    expect(queries).to_have_attribute("data-weight", curve.get_attribute("data-weight") or "")
    first = queries.locator("tbody tr").first
    expect(first.locator("td").first).to_have_text(worst)
    picture(panel, "weights")
    # The default is one set of weights; where we are is no advice.
    advised = panel.get_by_role("button", name="Back to the default")
    expect(advised).to_have_class(re.compile("wb-primary"))
    advised.click()
    settled(panel)
    own, usual = printed(page, 2)
    assert own == usual
    expect(advised).not_to_have_class(re.compile("wb-primary"))
    queries.locator(".wb-link").nth(1).click()
    chosen = queries.locator(".wb-link").nth(1).inner_text()
    expect(panel.get_by_role("combobox", name="Query")).to_have_value(chosen)
    expect(panel.locator(".wb-grade").first).to_have_text(re.compile(r"grade \d|not judged"))
    # Another normaliser is another curve, and so are other proportions within a group.
    panel.get_by_label("ranks only (RRF)").check()
    expect(curve).to_have_attribute("data-normaliser", "rrf")
    before = curve.locator(".wb-curve-line").get_attribute("d")
    panel.get_by_label("Weight of title").fill("0.4")
    expect(curve.locator(".wb-curve-line")).not_to_have_attribute("d", before or "")
    settled(panel)
    assert panel.get_attribute("data-mismatches") is None


def test_two_settings_side_by_side(run_notebook: Run) -> None:
    page = run_notebook("compare.ipynb", OPEN + COMPARE, LISTS)
    compare = page.locator(".wb-compare").first  # the second is its static form
    expect(compare.locator(".wb-lists")).to_be_visible()
    before = _lists(compare)
    sliders = compare.get_by_role("slider")
    expect(sliders).to_have_count(2)
    sliders.nth(1).focus()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    expect(compare.locator(".wb-setting").nth(1)).to_contain_text("0.30")
    page.wait_for_function(
        "before => document.querySelector('.wb-verdict').innerText !== before", arg=before[2]
    )
    rankings, rbo, shared = printed(page, 1)
    first, second, verdict = _lists(compare)
    assert [first, second] == rankings
    assert f"RBO {rbo:.3f}" in verdict
    assert f"{shared} in both" in verdict
    assert compare.locator("svg line").count() == shared
    screenshot(page, "compare")
    # Arrows in a list belong to the list, not to the notebook's cells.
    normaliser = compare.locator("select").nth(2)
    normaliser.focus()
    page.keyboard.press("ArrowDown")
    expect(normaliser).to_have_value("z-score")
    page.set_viewport_size({"width": 800, "height": 1000})
    expect(compare.get_by_role("slider").first).to_be_visible()
    fits(compare)
    screenshot(page, "compare-narrow")
    box = compare.get_by_placeholder("What are you looking for?")
    box.fill("   ")
    box.press("Enter")
    expect(compare.locator(".wb-lists")).to_have_count(0)


def _lists(compare: Locator) -> tuple[list[str], list[str], str]:
    sides = [
        compare.get_by_role("list", name=f"Hits of {side}")
        .locator("li")
        .evaluate_all("es => es.map(e => e.dataset.paper)")
        for side in "AB"
    ]
    return sides[0], sides[1], compare.locator(".wb-verdict").inner_text()


def test_the_panel_of_all_parts(run_notebook: Run, lab: Lab) -> None:
    give_judgments(lab)
    cell = f'{OPEN}\npanel = bench.panel({JUDGED}, grades="grades.jsonl")\npanel'
    page = run_notebook("panel.ipynb", cell, PRINT.format("panel.search.base.name"))
    panel = page.locator(".wb-search")
    expect(panel.locator(".wb-card")).to_have_count(10)

    def open_tab(name: str) -> None:
        page.get_by_role("tab", name=name, exact=True).last.click()

    query = panel.get_by_role("combobox", name="Query")
    query.fill("skipping documents at query time")
    query.press("Enter")
    expect(panel.locator(".wb-chip").first).to_contain_text("skipping")
    open_tab("Side by side")
    expect(page.locator(".wb-compare .wb-lists")).to_be_visible()
    compared = page.get_by_placeholder("What are you looking for?").last
    expect(compared).to_have_value("skipping documents at query time")
    open_tab("Profiles")
    fast = page.locator("section, article, div").filter(has_text=re.compile("^fast"))
    fast.get_by_role("button", name="Use").first.click()
    expect(page.get_by_text("fast is in use")).to_be_visible()
    assert printed(page, 1) == "fast"
    open_tab("Memory")
    expect(page.locator(".wb-memory, .wb-memory-plot").first).to_be_visible()
    open_tab("Judge")
    expect(page.locator(".wb-judging .wb-grade-button")).to_have_count(4)
    open_tab("Search")
    expect(panel.locator(".wb-status")).to_contain_text("fast")
    assert len(order(panel)) == 10
    assert page.locator(".jp-OutputArea-output.jp-mod-error").count() == 0
    screenshot(page, "panel-tabs")
