"""The ask panel as a person uses it, with the mouse, with keys alone, and in a saved notebook."""

from __future__ import annotations

import json
from collections.abc import Callable

import nbformat
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import SCREENSHOTS, Lab
from tests.browser.lab import theme
from tests.browser.notebooks import OPEN, printed

Run = Callable[..., Page]

QUESTION = "How do late-interaction models keep their index small?"
OTHER = "How can ranked lists be merged when their scores are not comparable?"
STATE = """import json; print(json.dumps({
"rejected": [q.id for q in panel.answer.rejected], "accepted": list(panel.answer.accepted),
"sections": [s.title for s in panel.answer.sections], "html": panel.answer.to_html(),
"question": panel.answer.question, "fingerprint": panel.answer.fingerprint}))"""


def sections(panel: Locator) -> dict[str, str]:
    """The sentences of each section on screen."""
    found: dict[str, str] = panel.locator("details.wb-section").evaluate_all(
        "es => Object.fromEntries(es.map(e => [e.firstChild.firstChild.textContent,"
        " [...e.querySelectorAll(':scope > p')].map(p => p.textContent).join(' ')]))"
    )
    return found


def judge_and_export(page: Page, panel: Locator, quote: str, before: dict[str, str]) -> None:
    """With the keys alone, from the quote that has the focus."""
    # A rejected quote leaves its section, and all other sections stay as they were.
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    rejected = panel.get_by_role("list", name="Rejected quotes")
    expect(rejected.locator("li")).to_have_count(1)
    after = sections(panel)
    assert [name for name in before if after.get(name) != before[name]] == [next(iter(before))]
    panel.get_by_role("button", name="Accept quote").first.click()
    expect(panel.locator("li.wb-accepted")).to_have_count(1)
    page.screenshot(path=SCREENSHOTS / "ask-judged-1600.png")

    with page.expect_download() as download:
        panel.get_by_role("button", name="HTML").click()
    saved = download.value.path().read_text("utf-8")
    state = printed(page, 1)
    assert saved == state["html"]
    assert state["rejected"] == [quote]
    assert len(state["accepted"]) == 1
    panel.get_by_role("button", name="Copy as code").click()
    code = panel.get_by_label("Code of this answer")
    expect(code).to_contain_text(state["fingerprint"])


def test_a_question_is_asked_judged_and_exported(run_notebook: Run, lab: Lab) -> None:
    page = run_notebook("ask.ipynb", f"{OPEN}\npanel = bench.ask_panel()\npanel", STATE)
    panel = page.locator(".wb-ask[data-ready]")
    box = panel.get_by_label("Question", exact=True)
    box.fill(QUESTION)
    box.press("Enter")
    expect(panel).to_have_attribute("data-number", "1")
    expect(panel.locator(".wb-stage.wb-done")).to_have_count(4)
    expect(panel.get_by_role("status").first).to_contain_text("Answer ready")
    before = sections(panel)

    # The chip shows its quote in the paragraph, for the mouse and for the keyboard.
    chip = panel.locator("details .wb-chip").first
    chip.hover()
    shown = panel.get_by_role("tooltip")
    expect(shown.locator("mark")).to_have_count(1)
    assert shown.locator("mark").inner_text() in before[next(iter(before))]
    page.screenshot(path=SCREENSHOTS / "ask-1600.png")
    page.mouse.move(0, 0)
    expect(shown).to_be_hidden()
    chip.focus()
    expect(shown).to_be_visible()
    assert chip.get_attribute("aria-describedby") == shown.get_attribute("id")
    page.keyboard.press("Escape")
    expect(shown).to_be_hidden()
    page.keyboard.press("Enter")
    quote = str(chip.get_attribute("data-quote"))
    item = panel.locator(f'details li[data-quote="{quote}"]').first
    expect(item).to_be_focused()

    judge_and_export(page, panel, quote, before)

    # Another question; the first is one click away, with its verdicts.
    box.fill(OTHER)
    panel.get_by_role("button", name="Ask", exact=True).click()
    expect(panel).to_have_attribute("data-number", "2")
    rejected = panel.get_by_role("list", name="Rejected quotes")
    expect(rejected).to_have_count(0)
    history = panel.get_by_role("navigation", name="Questions asked")
    page.screenshot(path=SCREENSHOTS / "ask-history-1600.png")
    history.get_by_role("button", name=QUESTION).click()
    expect(panel).to_have_attribute("data-number", "1")
    expect(rejected.locator("li")).to_have_count(1)
    expect(box).to_have_value(QUESTION)

    # What is saved is the answer on screen, although it came after the cell had run.
    page.keyboard.press("Control+s")
    expect(page.locator(".jp-mod-dirty")).to_have_count(0)
    notebook = nbformat.read(lab.root / "ask.ipynb", as_version=4)
    outputs = notebook.cells[0].outputs
    assert "application/vnd.jupyter.widget-view+json" in outputs[0].data
    assert QUESTION in outputs[-1].data["text/html"]
    assert "wb-evidence" in outputs[-1].data["text/html"]
    expect(page.locator(".wb-answer")).to_be_hidden()  # the saved copy, beside the panel
    assert page.locator(".jp-OutputArea-output", has_text="Traceback").count() == 0


def test_hostile_papers_in_the_dark_on_a_narrow_page(
    run_notebook: Run, lab: Lab, page: Page
) -> None:
    bad = "<img src=x onerror='window.pwned=1'><script>window.pwned=1</script>"
    papers = [
        {"id": f"a{bad}", "title": f"Kelp {bad}", "abstract": f"Kelp forests {bad} feed urchins."},
        {"id": "rtl", "title": "הסבר kelp", "abstract": "Kelp forests feed urchins " + "סבר " * 30},
        {
            "id": "long",
            "title": "Kelp " + "x" * 900,
            "abstract": "Urchins graze kelp forests down.",
        },
    ]
    (lab.root / "kelp").mkdir()
    (lab.root / "kelp" / "papers.jsonl").write_text("\n".join(map(json.dumps, papers)), "utf-8")
    page.set_viewport_size({"width": 900, "height": 1100})
    with theme(page, lab, "Dark"):
        run_notebook(
            "ask-dark.ipynb",
            'import workbench as wb\nkelp = wb.open("kelp", progress=False)\n'
            f'kelp.ask_panel("What do kelp forests {bad} feed?")',
            'kelp.ask_panel("Which recipe makes sourdough rise?", writer="openai")',
        )
        panel = page.locator(".wb-ask[data-ready]").first
        expect(panel).to_have_attribute("data-number", "1")
        panel.locator("details .wb-chip").first.hover()
        expect(panel.get_by_role("tooltip")).to_be_visible()
        page.screenshot(path=SCREENSHOTS / "ask-dark-900.png")
        # No server is named: the error is in the cell, typed, and says what to set.
        expect(page.locator(".jp-OutputArea-output", has_text="WORKBENCH_LLM")).to_be_visible()
        width = panel.evaluate("e => [e.scrollWidth, e.clientWidth]")
        assert width[0] <= width[1]
        assert page.evaluate("() => window.pwned") is None
