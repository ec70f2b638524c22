"""The search panel as a person uses it: type, filter, open, tune the query, copy the code, drag."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Lab, screenshot
from tests.browser.lab import theme
from tests.browser.notebooks import (
    OPEN,
    PRINT,
    READY,
    fits,
    heap,
    move,
    order,
    picture,
    printed,
    settled,
)
from tests.waiting import wait_until

Run = Callable[..., Page]
PANEL = f'{OPEN}\npanel = bench.search_panel("late interaction retrieval")\npanel'


def open_panel(run_notebook: Run, name: str, *cells: str, first: str = PANEL) -> Locator:
    page = run_notebook(name, first, *cells)
    page.wait_for_selector(READY)
    panel = page.locator(".wb-search").first
    expect(panel.locator(".wb-card").first).to_be_visible()
    # Running the other cells moves the focus; wait for the last of them.
    expect(page.locator(".jp-InputPrompt").last).not_to_have_text("[*]:")
    return panel


def test_search_tune_and_take_the_code_home(run_notebook: Run, page: Page) -> None:
    panel = open_panel(
        run_notebook,
        "search-panel.ipynb",
        PRINT.format("[panel.ranking.paper_ids, panel.ranking.fingerprint, panel.code()]"),
        "exec(panel.code()); " + PRINT.format("[ranking.paper_ids, ranking.fingerprint]"),
    )
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    _type_a_query(panel)
    _filter(panel)
    _open_a_hit(panel)
    _tune_the_query(panel)
    panel.get_by_role("button", name="Copy as code").click()
    expect(panel.get_by_text("Copied; also shown below.")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == panel.locator("pre[aria-label='Code of this state']").inner_text()
    screenshot(page, "panel-code")
    ids, fingerprint, code = printed(page, 1)
    assert (ids, code) == (order(panel), copied)
    assert fingerprint == panel.get_attribute("data-fingerprint")
    assert printed(page, 2) == [ids, fingerprint]


def _type_a_query(panel: Locator) -> None:
    box = panel.get_by_role("combobox", name="Query")
    height = panel.evaluate("e => e.offsetHeight")
    box.fill("")
    expect(panel).to_have_class(re.compile("wb-empty"))
    assert panel.evaluate("e => e.offsetHeight") == height  # the page does not jump
    box.press_sequentially("normalising the inputs of layers", delay=15)
    expect(panel.locator(".wb-title").first).to_contain_text("Batch Normalization")
    box.fill("attention for translation")
    box.press("Enter")
    expect(panel.locator(".wb-title").first).to_contain_text("Align and Translate")
    expect(panel.locator(".wb-card mark").first).to_be_visible()


def _filter(panel: Locator) -> None:
    panel.get_by_label("year from").press_sequentially("2017")
    expect(panel.locator(".wb-card").first).to_contain_text("2017")
    settled(panel)
    years = [int(y[-1]) for y in (re.findall(r"(\d{4}) ·", t) for t in _by(panel))]
    assert min(years) >= 2017
    panel.get_by_label("year to").press_sequentially("2016")
    expect(panel.get_by_role("alert")).to_contain_text("put the earlier one first")
    panel.get_by_label("year to").fill("")
    panel.get_by_label("author").press_sequentially("nobody at all")
    expect(panel.locator(".wb-main")).to_contain_text("Widen the filters")
    screenshot(panel.page, "panel-empty")
    panel.get_by_role("button", name="Clear filters").click()
    expect(panel.locator(".wb-card")).to_have_count(10)
    expect(panel.get_by_role("alert")).to_have_count(0)
    panel.get_by_label("Number of hits").select_option("5")
    expect(panel.locator(".wb-card")).to_have_count(5)
    panel.get_by_label("Number of hits").select_option("10")


def _by(panel: Locator) -> list[str]:
    return panel.locator(".wb-by").all_inner_texts()


def _open_a_hit(panel: Locator) -> None:
    title = panel.locator(".wb-title").first
    title.focus()
    title.press("Enter")
    expect(title).to_have_attribute("aria-expanded", "true")
    details = panel.locator(".wb-details").first
    rows = details.locator("tbody tr:not(.wb-term)")
    expect(rows.nth(2)).to_be_visible()
    settled(panel)
    parts = [float(text) for text in rows.locator("td:last-child").all_text_contents()]
    score = float(details.locator("tfoot b").text_content() or "nan")
    assert abs(sum(parts) - score) < 2e-4  # shown with four digits
    details.get_by_role("button", name="Copy BibTeX").click()
    expect(details.get_by_role("button", name="Copied")).to_be_visible()
    bibtex = panel.page.evaluate("navigator.clipboard.readText()")
    assert bibtex.startswith("@inproceedings{")
    assert "Align and Translate" in bibtex
    title.scroll_into_view_if_needed()
    screenshot(panel.page, "panel-details")
    title.press("Enter")
    expect(details).to_be_hidden()


def _tune_the_query(panel: Locator) -> None:
    chip = panel.locator(".wb-chip[data-term='translat']")
    expect(chip).to_contain_text("idf")
    before = order(panel)
    chip.get_by_role("button", name="Mute translation").click()
    expect(panel.locator(".wb-effect")).to_contain_text(re.compile(r"Muted translation: \d+ new"))
    expect(chip.get_by_role("button", name="Mute translation")).to_have_attribute(
        "aria-pressed", "true"
    )
    settled(panel)
    assert order(panel) != before
    panel.get_by_role("button", name="Undo").click()
    expect(chip).not_to_have_class(re.compile("wb-muted"))
    settled(panel)
    assert order(panel) == before
    chip.get_by_role("button", name=re.compile("Weight of translation")).press("Enter")
    expect(chip).to_contain_text("×2")
    suggestion = panel.locator(".wb-suggestion").first
    word = suggestion.inner_text().removeprefix("+ ")
    suggestion.click()
    expect(panel.locator(".wb-chip.wb-added")).to_contain_text(word)
    chip.get_by_role("button", name="Require translation").click()
    expect(panel.locator(".wb-chip.wb-required")).to_have_count(1)
    settled(panel)
    screenshot(panel.page, "panel-tuned")


WEIGHTS = [round(0.037 * i % 1, 2) for i in range(40)]
REWEIGHED = f"""
from workbench.ranking.weights import with_balance
ranking = panel.ranking
base = ranking.profile.weights
orders = [ranking.reweigh(with_balance(base, w)).paper_ids for w in {WEIGHTS}]
{PRINT.format("orders")}"""
MEMORY = "import gc, psutil; gc.collect(); " + PRINT.format("psutil.Process().memory_info().rss")


def test_the_slider_orders_as_reweigh_and_the_last_position_wins(
    run_notebook: Run, page: Page
) -> None:
    first = PANEL.replace("panel = ", "bench.search('x')\npanel = ")
    panel = open_panel(run_notebook, "slider.ipynb", REWEIGHED, MEMORY, first=first)
    seen = move(page, WEIGHTS, frames=2)
    settled(panel)
    assert seen == printed(page, 1)
    slider = panel.get_by_label("Balance of BM25 and semantic")
    slider.focus()
    for key in ("Home", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    expect(slider).to_have_value("0.02")
    _drag(panel)
    _hover(panel)
    move(page, [i % 101 / 100 for i in range(300)], frames=0)
    settled(panel)
    assert panel.get_attribute("data-mismatches") is None
    _no_growth(page, panel)


def _hover(panel: Locator) -> None:
    """A card rings its point, and a point lights up its card."""
    first = panel.locator(".wb-card").first
    first.hover()
    expect(first).to_have_class(re.compile("wb-linked"))
    canvas = panel.locator("canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    tip, linked = panel.locator(".wb-tip"), panel.locator(".wb-card.wb-linked")
    for y in range(20, int(box["height"]) // 2, 6):  # the hits lie in the upper right
        for x in range(int(box["width"]) - 20, int(box["width"]) // 2, -10):
            panel.page.mouse.move(box["x"] + x, box["y"] + y)
            if linked.count():
                expect(tip).to_be_visible()
                assert linked.locator(".wb-title").inner_text() in tip.inner_text()
                screenshot(panel.page, "panel-hover")
                return
    raise AssertionError("no point of the plane lights up a card")


def _drag(panel: Locator) -> None:
    """A pull of the mouse from one end to the other, fast."""
    page, box = panel.page, panel.get_by_label("Balance of BM25 and semantic").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 8, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, middle, steps=25)
    page.mouse.up()
    settled(panel)
    assert float(panel.get_by_label("Balance of BM25 and semantic").input_value()) > 0.95
    assert panel.locator(".wb-move.wb-up").count() > 0
    screenshot(page, "panel-slider")


def _no_growth(page: Page, panel: Locator) -> None:
    """300 updates leave neither the page nor the kernel larger."""
    page.set_viewport_size({"width": 1000, "height": 500})  # frames are drawn by this machine
    values = [i * 7 % 101 / 100 for i in range(100)]
    move(page, values, frames=1)  # what grows once (caches, the JIT) has grown
    settled(panel)
    kernel, (bytes_before, nodes_before) = printed(page, 2), heap(page)
    for _ in range(3):
        move(page, values, frames=1)
    settled(panel)

    # JupyterLab lets go of what it drew for a busy kernel at the next quiet moment only.
    def as_before() -> bool:
        bytes_now, nodes_now = heap(page)
        return nodes_now - nodes_before < 500 and bytes_now - bytes_before < 3e6

    wait_until(as_before, every=0.5)
    assert printed(page, 2) - kernel < 8e6


HOSTILE = "<script>window.pwned=1</script><img src=x onerror='window.pwned=1'>"


def test_hostile_long_and_right_to_left_text_in_two_panels(
    run_notebook: Run, lab: Lab, page: Page
) -> None:
    papers = [
        {"id": HOSTILE, "title": f"Attack {HOSTILE}", "abstract": f"Attack {HOSTILE}"},
        {"id": "rtl", "title": "הסבר על רשתות attack", "abstract": "רשתות attack " * 30},
        {"id": "long", "title": "attack " + "w" * 5000, "abstract": "attack " + "x" * 5000},
        {"id": "many", "title": "attack " + "many words " * 500, "abstract": "attack"},
    ]
    folder = lab.root / "hostile-panel"
    folder.mkdir(exist_ok=True)
    lines = (json.dumps({**paper, "authors": [HOSTILE], "venue": HOSTILE}) for paper in papers)
    (folder / "papers.jsonl").write_text("\n".join(lines), encoding="utf-8")
    show = 'bench = wb.open("hostile-panel", progress=False)\nbench.search_panel("attack <script>")'
    panel = open_panel(
        run_notebook, "hostile-panel.ipynb", PANEL, first=f"import workbench as wb\n{show}"
    )
    expect(panel.locator(".wb-card")).to_have_count(4)
    for title in panel.locator(".wb-title").all():
        title.click()
    expect(panel.locator(".wb-details table")).to_have_count(4)
    expect(panel.locator(".wb-title").filter(has_text="<script>")).to_be_visible()
    overflow = panel.evaluate("e => e.scrollWidth - e.clientWidth")
    assert overflow <= 0
    screenshot(page, "panel-hostile")
    # Two panels are two: what one does leaves the other alone.
    other = page.locator(".wb-search").nth(1)
    expect(other.locator(".wb-card")).to_have_count(10)
    before = order(other)
    panel.get_by_label("Balance of BM25 and semantic").fill("0")
    settled(panel)
    assert order(other) == before
    assert page.evaluate("window.pwned") is None


NAMELESS = """e => [...e.querySelectorAll('input, button, select, [tabindex="0"], canvas')]
  .filter((x) => !(x.ariaLabel || x.innerText || x.labels?.[0]?.innerText || x.hidden))
  .map((x) => x.outerHTML)"""
"""Whatever can have the focus and has no name for a screen reader."""

ERRORS = """
from workbench.errors import ModelNotFound
def broken(*args, **options):
    raise ModelNotFound("no weights in /nowhere; give the folder of a model")
bench.search = broken
panel = bench.search_panel("late interaction")
panel"""


def test_readable_in_both_themes_narrow_and_wide(run_notebook: Run, lab: Lab, page: Page) -> None:
    warm = f"{OPEN}\nbench.search('x')\n{PANEL.removeprefix(OPEN)}"
    panel = open_panel(run_notebook, "themes.ipynb", OPEN + ERRORS, first=warm)
    assert panel.evaluate(NAMELESS) == []
    expect(page.get_by_role("alert")).to_contain_text("give the folder of a model")
    assert page.locator(".jp-OutputArea-output.jp-mod-error").count() == 0
    panel.scroll_into_view_if_needed()
    for name in ("Dark", "Light"):
        with theme(page, lab, name):
            for width in (1600, 800):
                page.set_viewport_size({"width": width, "height": 1100})
                fits(panel)
                screenshot(page, f"panel-{name.lower()}-{width}")
            colour = panel.locator(".wb-title").first.evaluate("e => getComputedStyle(e).color")
            ink = [float(part) for part in re.findall(r"[\d.]+", colour)][:3]
            assert (min(ink) > 150) == (name == "Dark")
    picture(panel, "panel")
