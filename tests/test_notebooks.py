"""Every notebook: stored clean, and run from top to bottom as a person would."""

from __future__ import annotations

import re
from base64 import b64encode
from html import unescape
from itertools import zip_longest
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from playwright.sync_api import Browser, Page

from tests.conftest import ROOT
from tests.waiting import HANG
from workbench.experiments.store import ExperimentStore
from workbench.studies.notebooks import run_notebook
from workbench.widgets.live import VIEW

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TWICE = ROOT / "notebooks" / "10_reproduce_an_experiment.ipynb"


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def path(request: pytest.FixtureRequest) -> Path:
    chosen: Path = request.param
    return chosen


def test_is_stored_without_outputs(path: Path) -> None:
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


def test_names_its_kernel(path: Path) -> None:
    # JupyterLab opens a dialog for a notebook without one, and waits.
    assert nbformat.read(path, as_version=4).metadata.kernelspec.name == "python3"


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], NotebookNode]:
    """The records of two runs of the notebook about that, and it after the second."""
    place, records = tmp_path_factory.mktemp("reproduced"), []
    for name in ("one", "two"):
        out = place / name
        given = {"corpus": str(ROOT / "data" / "landmarks"), "out": str(out)}
        done = run_notebook(TWICE, given, corpus=place / "runs")
        assert done.ok, done.error
        store = ExperimentStore(out / "corpus" / "experiments")
        documents = [store.document(row.id) for row in store.summaries()]
        told = [{n: d.get(n) for n in ("kind", "metrics", "stages")} for d in documents]
        # Systems side by side are kept as they end.
        records.append(sorted(told, key=repr))
    return records, nbformat.read(done.copy, as_version=4)


def test_an_experiment_reproduced_twice_gives_the_same_records(
    reproduced: tuple[list[Any], NotebookNode],
) -> None:
    (one, two), _ = reproduced
    assert one == two


@pytest.fixture(scope="module")
def executed(path: Path, request: pytest.FixtureRequest) -> NotebookNode:
    """The notebook after a run, without what only a kernel could show; a server runs beside it,
    where it is about one."""
    if path == TWICE:
        _, notebook = request.getfixturevalue("reproduced")
        notebook.metadata.pop("widgets", None)
        return notebook
    notebook = nbformat.read(path, as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        if "elasticsearch" in path.stem:
            patch.setenv("WORKBENCH_ES_URL", request.getfixturevalue("elasticsearch_url"))
        place = {"metadata": {"path": path.parent}}
        NotebookClient(notebook, timeout=int(HANG), resources=place).execute()
    notebook.metadata.pop("widgets", None)
    return notebook


def test_runs_from_top_to_bottom(executed: NotebookNode) -> None:
    """And shows every result without its kernel, as a page and in a front end: under each widget
    stands its static form."""
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    warned = [o.text for o in outputs if o.get("name") == "stderr" and "Warning" in o.text]
    assert outputs
    assert not warned
    page, _ = HTMLExporter().from_notebook_node(executed)
    for cell in executed.cells:
        outputs = cell.get("outputs", [])
        for output, after in zip_longest(outputs, outputs[1:]):
            model = output.get("data", {}).get(VIEW, {}).get("model_id")
            if model is None:
                continue
            form = after["data"]["text/html"] if after else ""
            assert len(_words(form)) > 20, (cell.source, output.data["text/plain"])
        for output in outputs:
            text = output.get("text") or output.get("data", {}).get("text/html") or ""
            assert set(_words(text)) <= set(_words(page)), cell.source


OUTPUTS = """() => [...document.querySelectorAll('.jp-OutputArea-output')]
  .map((e) => [e, e.getBoundingClientRect()]).filter(([, box]) => box.width && box.height)
  .map(([e, box]) => [box.x, box.y, box.width, box.height, e.innerText.slice(0, 200)])"""
INK = """async ([picture, boxes]) => {
  const image = await createImageBitmap(await (await fetch(picture)).blob());
  const pen = new OffscreenCanvas(image.width, image.height).getContext('2d');
  pen.drawImage(image, 0, 0);
  return boxes.map(([x, y, width, height]) => {
    const { data } = pen.getImageData(x, y, Math.ceil(width), Math.ceil(height));
    const greys = [], counts = new Map();
    for (let i = 0; i < data.length; i += 4) {
      const grey = Math.round((data[i] + data[i + 1] + data[i + 2]) / 3);
      greys.push(grey);
      counts.set(grey, (counts.get(grey) || 0) + 1);
    }
    const [ground] = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a));
    return greys.filter((grey) => Math.abs(grey - ground) > 60).length;
  });
}"""
"""Pixels of each box of a picture that stand out from its ground."""
KINDS = """() => {
  const kinds = new Map();  // what a kind of result looks like is its style sheet's
  for (const output of document.querySelectorAll('.jp-OutputArea-output')) {
    const root = output.querySelector("[class^='wb-']:not(.wb-static)") || output;
    if (output.getClientRects().length) kinds.set(root.className, output);
  }
  for (const [kind, output] of kinds) output.dataset.kind = kind;
  return [...kinds.keys()];
}"""
CONTRAST = """async (kinds) => {
  const outputs = kinds.map((kind) => document.querySelector(`[data-kind="${CSS.escape(kind)}"]`));
  const found = await axe.run(outputs, { runOnly: ['color-contrast'] });
  return found.violations.flatMap((one) => one.nodes.map((node) => node.html.slice(0, 200)));
}"""
read: set[str] = set()
"""Kinds of result whose contrast an earlier notebook had measured."""


@pytest.mark.browser
def test_every_result_is_seen_without_a_kernel(
    executed: NotebookNode, browser: Browser, axe: str
) -> None:
    """In a picture of the page no output is blank, and what is written can be read in both
    themes."""
    page = browser.new_page(viewport={"width": 1100, "height": 800})
    page.route(re.compile("^https?:"), lambda route: route.abort())  # as without a network
    for theme in ("dark", "light"):
        html, _ = HTMLExporter(theme=theme).from_notebook_node(executed)
        page.set_content(html, wait_until="domcontentloaded")
        if theme == "dark":  # a black picture on black would be blank here alone
            _has_no_blank(page)
        fresh = [kind for kind in page.evaluate(KINDS) if kind not in read]
        if not fresh:
            break
        page.evaluate(axe)
        assert page.evaluate(CONTRAST, fresh) == []
    read.update(fresh)
    page.close()


def _has_no_blank(page: Page) -> None:
    found = page.evaluate(OUTPUTS)
    assert found
    picture = b64encode(page.screenshot(full_page=True, type="jpeg", quality=60)).decode()
    ink = page.evaluate(INK, [f"data:image/jpeg;base64,{picture}", [box[:4] for box in found]])
    assert [text for (*_, text), pixels in zip(found, ink, strict=True) if pixels < 20] == []


def _words(html: str) -> list[str]:
    """What a person can read of a piece of HTML."""
    bare = re.sub(r"<style.*?</style>|<script.*?</script>|<[^>]*>", " ", html, flags=re.DOTALL)
    return re.findall(r"\w+", unescape(re.sub(r"\x1b\[[\d;]*m", "", bare)))
