"""Every notebook: stored clean, and run from top to bottom as a person would."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.waiting import HANG

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


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


@pytest.mark.usefixtures("surroundings")
def test_runs_from_top_to_bottom(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=int(HANG), resources={"metadata": {"path": path.parent}}
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    warned = [o.text for o in outputs if o.get("name") == "stderr" and "Warning" in o.text]
    assert outputs
    assert not warned
