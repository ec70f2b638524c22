"""The judging widget as a person uses it: keys, undo, notes, blind, a kernel that restarts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import SCREENSHOTS, Lab
from workbench.evaluation.judgments.judgments import Judgments

Run = Callable[..., Page]

OPEN = """
import workbench as wb
bench = wb.open("landmarks", progress=False)
queries = [wb.Query("pseudo relevance feedback query expansion", id="q1"),
           wb.Query("late interaction retrieval <b>", id="q2"),
           wb.Query("attention for translation", id="q3")]
"""
JUDGE = 'widget = bench.judge(queries, "judged.jsonl", depth=4, who="ada")\nwidget'


def restart(page: Page) -> None:
    page.get_by_role("button", name="Restart the kernel", exact=True).click()
    page.locator(".jp-Dialog button.jp-mod-warn").click()


def run_all(page: Page) -> None:
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def grades(file: Path) -> list[int]:
    """What stands on the disk."""
    return [judgment.grade for judgment in Judgments(file, who="ada").current("ada")]


def judge_four(page: Page, widget: Locator, file: Path) -> list[str]:
    """Keys 3, 2, 1, 0, then undo; the titles that came up."""
    squares, titles = widget.locator(".wb-square"), []
    widget.locator(".wb-who").click()  # anywhere in the widget gives it the keys
    for done, key in enumerate("3210", start=1):
        titles.append(widget.locator(".wb-card-title").inner_text())
        page.keyboard.press(key)
        expect(squares.nth(done - 1)).to_have_text(key)
    assert len(set(titles)) == 4  # each key brought up the next paper
    expect(widget.locator(".wb-saved")).to_have_text("All saved")
    expect(page.get_by_role("dialog")).to_have_count(0)  # two zeros restart no kernel
    assert grades(file) == [3, 2, 1, 0]
    widget.screenshot(path=SCREENSHOTS / "judging-1600.png")
    page.keyboard.press("u")
    expect(squares.nth(3)).to_have_text("·")
    expect(widget.locator(".wb-said")).to_contain_text("no grade now")
    assert grades(file) == [3, 2, 1]
    kinds = [json.loads(line).get("kind") for line in file.read_text().splitlines()]
    assert kinds[-1] == "undo"  # nothing is taken out of the file
    return titles


def note_twice_and_take_back(page: Page, widget: Locator, file: Path) -> None:
    """A note before the grade goes with it; one afterwards is saved on Enter."""
    square, saved = widget.locator(".wb-square").nth(3), widget.locator(".wb-saved")
    page.keyboard.press("n")
    page.keyboard.insert_text("3 digits 0: not about <feedback>")
    page.keyboard.press("Enter")
    page.keyboard.press("1")
    expect(square).to_have_text("1")
    expect(saved).to_have_text("All saved")
    page.keyboard.press("ArrowUp")
    expect(widget.locator(".wb-note-input")).to_have_value("3 digits 0: not about <feedback>")
    page.keyboard.press("n")
    page.keyboard.press("Control+A")
    page.keyboard.insert_text("second thoughts")
    page.keyboard.press("Enter")
    expect(saved).to_have_text("All saved")
    assert Judgments(file, who="ada").entries()[-1].note == "second thoughts"
    page.keyboard.press("x")
    expect(square).to_have_text("·")
    assert grades(file) == [3, 2, 1]


def test_every_key_is_on_the_disk_and_survives_the_kernel(run_notebook: Run, lab: Lab) -> None:
    page, file = run_notebook("judge.ipynb", OPEN, JUDGE), lab.root / "judged.jsonl"
    widget = page.locator(".wb-judging")
    expect(widget).to_be_visible()
    expect(widget.locator(".wb-badge", has_text="left")).to_have_count(3)
    badge, squares = widget.locator(".wb-badge").first, widget.locator(".wb-square")
    papers = squares.count()
    expect(badge).to_have_text(f"{papers} left")
    titles = judge_four(page, widget, file)
    note_twice_and_take_back(page, widget, file)
    expect(badge).to_have_text(f"{papers - 3} left")

    # A kernel that is gone: nothing looks saved that is not.
    restart(page)
    expect(widget.get_by_role("alert")).to_contain_text("Run its cell again")
    widget.locator(".wb-card").click()
    page.keyboard.press("2")
    expect(squares.nth(3)).to_have_text("·")
    assert grades(file) == [3, 2, 1]
    widget.screenshot(path=SCREENSHOTS / "judging-kernel-gone-1600.png")
    expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle")
    widget.evaluate("e => { e.dataset.old = 'yes'; }")
    run_all(page)
    expect(page.locator(".wb-judging[data-old]")).to_have_count(0)
    expect(badge).to_have_text(f"{papers - 3} left")
    assert [text for text in squares.all_inner_texts() if text != "·"] == ["3", "2", "1"]
    expect(widget.locator(".wb-card-title")).to_have_text(titles[3])

    # To the end of the query, and on to the next.
    widget.locator(".wb-card").click()
    for _ in range(papers - 3):
        page.keyboard.press("0")
    expect(badge).to_have_text("✓ done")
    expect(widget.locator(".wb-said")).to_contain_text("This query is done")
    before = grades(file)
    page.keyboard.press("3")  # one key too many
    expect(widget.locator(".wb-said")).to_contain_text("Nothing more to grade")
    assert grades(file) == before
    page.keyboard.press("ArrowRight")
    expect(widget.locator(".wb-query")).to_have_text("late interaction retrieval <b>")

    # By impact: some paper without a grade, and why.
    page.keyboard.press("i")
    expect(widget.locator(".wb-reason")).to_contain_text("With grade")
    expect(widget.locator(".wb-square[aria-current=true]")).to_have_text("·")
    widget.screenshot(path=SCREENSHOTS / "judging-impact-1600.png")
    assert page.locator(".jp-OutputArea-output", has_text="Traceback").count() == 0


def test_blind_hides_ranks_and_arms_and_shuffles(run_notebook: Run, lab: Lab) -> None:
    blind = JUDGE.replace("judged.jsonl", "blind.jsonl").replace('who="ada"', "blind=True, seed=3")
    page = run_notebook("blind.ipynb", OPEN, blind, "1")
    widget = page.locator(".wb-judging")
    expect(widget.locator(".wb-square").first).to_be_visible()
    expect(widget.locator(".wb-ranks")).to_have_count(0)

    def order() -> list[str]:
        found = []
        for square in widget.locator(".wb-square").all():
            square.click()
            found.append(widget.locator(".wb-card-title").inner_text())
        return found

    shuffled = order()
    widget.get_by_label("Blind").uncheck()
    expect(widget.locator(".wb-ranks")).to_be_visible()
    expect(widget.locator(".wb-ranks")).to_contain_text("#")
    ranked = order()
    assert sorted(ranked) == sorted(shuffled)
    assert ranked != shuffled
    widget.get_by_label("Blind").check()
    expect(widget.locator(".wb-ranks")).to_have_count(0)
    assert order() == shuffled

    # A file that cannot be written: the message says so, and the grade is not shown as saved.
    (lab.root / "blind.jsonl").mkdir()
    widget.locator(".wb-card").click()
    page.keyboard.press("2")
    expect(widget.get_by_role("alert")).to_contain_text("blind.jsonl")
    expect(widget.locator(".wb-saved")).to_have_text("Not saved")
    expect(widget.locator(".wb-square", has_text="2")).to_have_count(0)
    widget.screenshot(path=SCREENSHOTS / "judging-unwritable-1600.png")
