"""The import panel as a person uses it: drop, look, say what a column is, add, read the report."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import SCREENSHOTS, Lab
from tests.browser.lab import WITHOUT_SIDE_BAR, theme
from tests.browser.notebooks import PRINT, printed

Run = Callable[..., Page]

BIB = """@article{kelp, title={Kelp forests of the northern seas}, author={Lee, Ann}, year=2020,
  abstract={Urchins graze kelp at night.}, journal={Marine Botany}}
@article{again, title={Kelp forests of the northern seas}, author={Lee, A.}, year=2020}
@article{empty, }
"""
CSV = "Paper name;People;Summary;Other\nSeagrass meadows;García, P.;Soils hold carbon.;Eelgrass\n"
HOSTILE = "@article{x, title={<img src=x onerror='window.pwned=1'>}}"

DROP = """([target, files]) => {
  const data = new DataTransfer();
  for (const [name, text] of files) data.items.add(new File([text], name));
  const zone = document.querySelector(target);
  for (const type of ["dragover", "drop"])
    zone.dispatchEvent(new DragEvent(type, { dataTransfer: data, cancelable: true }));
}"""


def test_files_are_dropped_looked_at_and_added(run_notebook: Run, lab: Lab) -> None:
    (lab.root / "list.csv").write_text(CSV, encoding="cp1252")
    page = run_notebook(
        "import.ipynb",
        'import workbench as wb\npanel = wb.import_panel(into="imported-corpus")',
        "panel",
        PRINT.format('[hit.paper.title for hit in panel.bench.search("carbon kelp")]'),
    )
    panel = page.locator(".wb-import[data-ready]")
    expect(panel.locator("h3")).to_contain_text("a new corpus")
    page.evaluate(DROP, [".wb-drop", [["kelp.bib", BIB], ["<i>odd.bib", HOSTILE]]])
    items = panel.locator(".wb-item")
    expect(items).to_have_count(2)
    expect(items.nth(0)).to_contain_text("2 BibTeX")
    expect(items.nth(0)).to_contain_text("1 record of papers that come twice here")
    path = panel.get_by_label("Path where the kernel runs")
    path.fill("list.csv")
    path.press("Enter")
    expect(items).to_have_count(3)
    expect(items.nth(2)).to_contain_text("cp1252 (guessed)")
    expect(items.nth(2).get_by_label("Column of title")).to_have_value("Paper name")
    items.nth(2).get_by_label("Column of abstract").focus()
    items.nth(2).get_by_label("Column of abstract").select_option("Other")
    expect(items.nth(2).locator("tbody").first).to_contain_text("Eelgrass")
    expect(items.nth(2).get_by_label("Column of abstract")).to_be_focused()
    items.nth(2).get_by_label("Column of abstract").select_option("")
    expect(items.nth(2).locator("tbody").first).to_contain_text("Soils hold carbon")
    items.nth(0).locator("summary", has_text="would be rejected").click()
    expect(items.nth(0)).to_contain_text("no text: title, abstract and body are all empty")
    assert not (lab.root / "imported-corpus").exists()
    panel.screenshot(path=SCREENSHOTS / "import-1600.png")

    panel.get_by_role("button", name="Remove <i>odd.bib").click()
    expect(items).to_have_count(2)
    panel.get_by_role("button", name="Add 2 sources").click()
    report = panel.locator(".wb-ingest_report")
    expect(report).to_contain_text("2 added, 1 duplicates, 1 rejected")
    expect(panel.locator("h3")).to_contain_text("2 papers")
    expect(items).to_have_count(0)
    panel.screenshot(path=SCREENSHOTS / "import-added-1600.png")
    assert set(printed(page, 2)) == {"Kelp forests of the northern seas", "Seagrass meadows"}
    assert page.evaluate("window.pwned") is None
    assert page.locator(".jp-OutputArea-output", has_text="Traceback").count() == 0

    # What is there already is said before it is added again.
    path.fill("imported-corpus/imported/kelp.bib")
    path.press("Enter")
    expect(items).to_have_count(1)
    expect(panel.locator(".wb-total")).to_contain_text("2 known already")


def test_the_import_panel_in_the_dark_and_narrow(run_notebook: Run, lab: Lab, page: Page) -> None:
    (lab.root / "dark.csv").write_text(CSV, encoding="utf-8")
    run_notebook(
        "import-dark.ipynb",
        'import workbench as wb\npanel = wb.import_panel(into="dark-corpus")\n'
        'panel.add_source("dark.csv")\npanel',
    )
    expect(page.locator(".wb-item")).to_contain_text("1 CSV")
    page.evaluate(WITHOUT_SIDE_BAR)
    page.set_viewport_size({"width": 800, "height": 1100})
    panel = page.locator(".wb-import")
    panel.scroll_into_view_if_needed()
    with theme(page, lab, "Dark"):
        panel.screenshot(path=SCREENSHOTS / "import-dark-800.png")
    assert panel.evaluate("e => e.scrollWidth - e.clientWidth") <= 0
