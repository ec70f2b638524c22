"""The documentation site: built strictly, complete, and read from the disk without a network."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from playwright.sync_api import Browser, expect

import workbench as wb
from tests.browser.conftest import screenshot
from tests.conftest import ROOT, need

PAGES = ("index", "numbers", "reference/tuning", "notebooks/07_ask_your_papers")
FETCHED = re.compile(r"<(?:script|img|iframe|source)[^>]+src=\"(?:https?:)?//|<link[^>]+//[^>]+>")
RULES = """async () => (await axe.run({
  runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'],
  preload: false,  // it would fetch style sheets, which a page from the disk may not
})).violations.map((v) => [v.id, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160))])"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site; a warning of the build is an error."""
    found = importlib.util.find_spec("mkdocs")
    need(found is not None, "MkDocs", 'pip install -e ".[docs]"')
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    need(importlib.util.find_spec("mkdocs") is not None, "MkDocs", 'pip install -e ".[docs]"')
    spec = importlib.util.spec_from_file_location("outside_pages", ROOT / "docs/outside_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    inventory = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    names = {line.split()[0] for line in zlib.decompress(inventory).decode().splitlines()}
    assert {f"workbench.{name}" for name in wb.__all__} <= names


def test_nothing_is_fetched(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        assert FETCHED.findall(page.read_text(encoding="utf-8")) == [], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?https?:|@import", sheet.read_text("utf-8")), sheet


def test_a_notebook_shows_its_results_or_says_that_it_was_not_run(site: Path) -> None:
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        page = (site / "notebooks" / f"{path.stem}.html").read_text(encoding="utf-8")
        assert ('class="wb-output"' in page) != ("This notebook was not run" in page), path


def test_results_of_a_run_count_while_its_cells_are_the_notebooks(
    hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook, "EXECUTED", tmp_path / "run")
    path, run = tmp_path / "some.ipynb", tmp_path / "run" / "some.ipynb"
    run.parent.mkdir()
    cells = [new_markdown_cell("# Some"), new_code_cell("1 < 2")]
    nbformat.write(new_notebook(cells=cells), path)
    (title, note, code) = hook._notebook(path, "some.md")
    assert "was not run" in note
    view = {hook.WIDGET: {"model_id": "x"}, "text/plain": "Panel()"}
    cells[1].outputs = [
        new_output("stream", text="\x1b[31m<script>\x1b[0m"),
        new_output("display_data", data=view),
        new_output("display_data", data={"text/html": "<p>still</p>", "text/plain": "Panel()"}),
        new_output("execute_result", data={"text/plain": "True & so on"}),
    ]
    nbformat.write(new_notebook(cells=cells), run)
    assert list(hook._notebook(path, "some.md"))[:2] == [title, code]
    assert [re.sub(r"</?div[^>]*>", "", shown) for shown in hook._outputs["some.md"]] == [
        "<pre>&lt;script&gt;</pre>",
        "<p>still</p>",
        "<pre>True &amp; so on</pre>",
    ]
    cells[1].source = "1 > 2"
    nbformat.write(new_notebook(cells=cells), run)
    assert list(hook._notebook(path, "some.md")) == [title, note, code]


def test_links_of_documents_lead_to_pages(hook: ModuleType) -> None:
    text = "[a](docs/tune.md#measure) [b](ARCHITECTURE.md) [c](https://x.org/a.md) [d](#start)"
    assert hook.at_home(text, "README.md", "index.md") == (
        "[a](tune.md#measure) [b](architecture.md) [c](https://x.org/a.md) [d](#start)"
    )
    text = "[a](../docs/serving.md) [b](02_tune.ipynb) [c](../README.md)"
    assert hook.at_home(text, "notebooks/01.ipynb", "notebooks/01.md") == (
        "[a](../serving.md) [b](02_tune.md) [c](../index.md)"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_read_from_the_disk(site: Path, browser: Browser, axe: str, scheme: str) -> None:
    complaints: list[str] = []
    context = browser.new_context(
        color_scheme=scheme,  # type: ignore[arg-type] # one of the two above
        viewport={"width": 800, "height": 1000},
        offline=True,
    )
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(f"{request.failure} {request.url}"))
    # The dark theme differs in colours alone, which are those of all pages.
    for name in PAGES if scheme == "light" else PAGES[:1]:
        page.goto((site / f"{name}.html").as_uri())
        page.evaluate(axe)
        assert page.evaluate(RULES) == [], name
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    page.goto((site / "index.html").as_uri())
    screenshot(page, f"documentation-{scheme}")
    page.locator("label[for=__search]").first.click()
    page.locator(".md-search__input").press_sequentially("optimism")
    expect(page.locator(".md-search-result__item").first).to_contain_text("optimism")
    # What a page still reads when the next one is opened is aborted; that is no failure.
    left = [each for each in complaints if "ERR_ABORTED" not in each]
    assert left == [], "\n".join(left)
    context.close()
