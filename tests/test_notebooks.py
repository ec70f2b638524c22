"""Every notebook: stored clean, and run from top to bottom as a person would."""

from __future__ import annotations

import re
from html import unescape
from itertools import zip_longest
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbformat import NotebookNode

from tests.conftest import ROOT
from tests.waiting import HANG
from workbench.experiments.store import ExperimentStore
from workbench.studies.notebooks import run_notebook
from workbench.widgets.live import VIEW

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TWICE = ROOT / "notebooks" / "10_reproduce_an_experiment.ipynb"


@pytest.fixture(params=NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def path(request: pytest.FixtureRequest) -> Path:
    chosen: Path = request.param
    return chosen


def test_is_stored_without_outputs(path: Path) -> None:
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


def test_names_its_kernel(path: Path) -> None:
    # JupyterLab opens a dialog for a notebook without one, and waits.
    assert nbformat.read(path, as_version=4).metadata.kernelspec.name == "python3"


@pytest.fixture
def surroundings(
    path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a notebook finds running: a server, where it is about one."""
    if "elasticsearch" in path.stem:
        url = request.getfixturevalue("elasticsearch_url")
        monkeypatch.setenv("WORKBENCH_ES_URL", url)


def test_an_experiment_reproduced_twice_gives_the_same_records(tmp_path: Path) -> None:
    records = []
    for name in ("one", "two"):
        out = tmp_path / name
        given = {"corpus": str(ROOT / "data" / "landmarks"), "out": str(out)}
        done = run_notebook(TWICE, given, corpus=tmp_path / "runs")
        assert done.ok, done.error
        store = ExperimentStore(out / "corpus" / "experiments")
        documents = [store.document(row.id) for row in store.summaries()]
        told = [{n: d.get(n) for n in ("kind", "metrics", "stages")} for d in documents]
        # Systems side by side are kept as they end.
        records.append(sorted(told, key=repr))
    assert records[0] == records[1]
    _is_whole(nbformat.read(done.copy, as_version=4))


@pytest.mark.usefixtures("surroundings")
@pytest.mark.parametrize(
    "path", [p for p in NOTEBOOKS if p != TWICE], ids=lambda path: path.stem, indirect=True
)
def test_runs_from_top_to_bottom(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=int(HANG), resources={"metadata": {"path": path.parent}}
    ).execute()
    _is_whole(notebook)


def _is_whole(notebook: NotebookNode) -> None:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    warned = [o.text for o in outputs if o.get("name") == "stderr" and "Warning" in o.text]
    assert outputs
    assert not warned
    _shows_every_result(notebook)


def _shows_every_result(notebook: NotebookNode) -> None:
    """Without its kernel, as a page and in a front end: under each widget stands its static form,
    and nothing that only a kernel could show is left."""
    notebook.metadata.pop("widgets", None)
    page, _ = HTMLExporter().from_notebook_node(notebook)
    for cell in notebook.cells:
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


def _words(html: str) -> list[str]:
    """What a person can read of a piece of HTML."""
    bare = re.sub(r"<style.*?</style>|<script.*?</script>|<[^>]*>", " ", html, flags=re.DOTALL)
    return re.findall(r"\w+", unescape(re.sub(r"\x1b\[[\d;]*m", "", bare)))
