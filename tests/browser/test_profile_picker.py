"""The profile picker as a person uses it, and all three widgets in the dark on a narrow page."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import SCREENSHOTS, Lab
from tests.browser.lab import WITHOUT_SIDE_BAR, theme
from tests.browser.notebooks import fits

Run = Callable[..., Page]

OPEN = """
import os
os.environ["WORKBENCH_PROFILES"] = "my-profiles"
import workbench as wb
bench = wb.open("landmarks", progress=False)
"""


def test_profiles_are_compared_used_and_saved(run_notebook: Run, lab: Lab) -> None:
    folder = lab.root / "my-profiles"
    folder.mkdir(exist_ok=True)
    (folder / "broken.toml").write_text("n_retrieval = 0\n")
    measure = """
from workbench.measurement.measure import keep
from workbench.measurement.measurements import Measured, Measurements
rows = [Measured(p.name, p.fingerprint, q, q - .04, q + .04, ms, 2 * ms, mb)
        for p, q, ms, mb in ((wb.Profile.named("default"), .71, 9.1, 310.0),
                             (wb.Profile.named("fast"), .68, 3.2, 290.0),
                             (wb.Profile.named("gpu"), .70, 12.5, 330.0))]
keep(bench.folder, Measurements("nDCG@10", bench.manifest.fingerprint, "2 CPUs", 50, 50, rows))
"""
    change = "bench.profile = bench.profile.replace(n_retrieval=33)\nbench.profile_picker()"
    page = run_notebook("profiles.ipynb", OPEN, measure, change, "1")
    picker = page.locator(".wb-picker")
    cards = picker.locator(".wb-profile")
    expect(cards).to_have_count(4)
    card = {name: picker.locator(f'[data-profile="{name}"]') for name in ("fast", "broken", "mine")}
    expect(card["fast"]).to_contain_text("n_retrieval")
    row = card["fast"].locator("tr", has_text="n_retrieval").first
    assert row.locator("td").all_text_contents() == ["n_retrieval", "33", "→", "50"]
    expect(card["broken"]).to_contain_text("n_retrieval is 0; the limits are 1 and 100000")
    expect(card["broken"].get_by_role("button", name="Use")).to_be_disabled()
    expect(picker.locator(".wb-now summary")).to_contain_text("with changes that no profile has")
    expect(card["fast"].locator(".wb-measured")).to_contain_text("p50 3.2 ms")
    expect(picker.get_by_text("no other beats it")).to_have_count(2)  # gpu is worse in everything
    picker.screenshot(path=SCREENSHOTS / "profiles-1600.png")

    name = picker.get_by_label("Name of the new profile")
    name.fill("fast")
    name.press("Enter")
    expect(picker.get_by_role("alert")).to_contain_text("comes with the package")
    name.fill("mine")
    name.press("Enter")
    expect(card["mine"]).to_contain_text("as set now")
    assert tomllib.loads((folder / "mine.toml").read_text())["n_retrieval"] == 33

    card["fast"].get_by_role("button", name="Use fast").click()
    expect(card["fast"]).to_contain_text("as set now")
    name.fill("mine")
    picker.get_by_role("button", name="Save", exact=True).click()
    expect(picker.get_by_role("alert")).to_contain_text("with other settings")
    picker.screenshot(path=SCREENSHOTS / "profiles-exists-1600.png")
    assert tomllib.loads((folder / "mine.toml").read_text())["n_retrieval"] == 33
    picker.get_by_role("button", name="Replace it").click()
    expect(card["mine"]).to_contain_text("as set now")
    assert tomllib.loads((folder / "mine.toml").read_text())["n_retrieval"] == 50
    assert page.locator(".jp-OutputArea-output", has_text="Traceback").count() == 0


def test_all_three_in_the_dark_and_narrow(run_notebook: Run, lab: Lab, page: Page) -> None:
    hostile = "<script>window.pwned=1</script><img src=x onerror='window.pwned=1'>"
    odd = [
        {"id": hostile, "title": f"Attack {hostile}", "abstract": f"Attack {hostile}"},
        {"id": "rtl", "title": "הסבר על רשתות attack", "abstract": "attack " + "סבר " * 40},
        {"id": "long", "title": "attack " + "x" * 5000, "abstract": "An attack."},
    ]
    (lab.root / "odd").mkdir()
    (lab.root / "odd" / "papers.jsonl").write_text("\n".join(map(json.dumps, odd)), "utf-8")
    run_notebook(
        "dark.ipynb",
        OPEN,
        "bench.profile_picker()",
        'odd = wb.open("odd", progress=False)\n'
        f'odd.judge([wb.Query("attack {hostile}", id="q")], "dark.jsonl")',
        "bench.memory_plot()",
        'bench.search("skipping documents")',
    )
    expect(page.locator(".wb-ranking")).to_be_visible()
    page.locator(".wb-card").click()
    expect(page.locator(".wb-square")).to_have_count(3)
    page.keyboard.press("3")
    expect(page.locator(".wb-saved")).to_have_text("All saved")
    assert page.evaluate("window.pwned") is None
    page.evaluate(WITHOUT_SIDE_BAR)
    with theme(page, lab, "Dark"):
        for width in (1600, 800):
            page.set_viewport_size({"width": width, "height": 1100})
            for name in ("picker", "judging", "memory"):
                widget = page.locator(f".wb-{name}")
                widget.scroll_into_view_if_needed()
                fits(widget)
                widget.screenshot(path=SCREENSHOTS / f"{name}-dark-{width}.png")
