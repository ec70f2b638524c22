"""Notebooks with parameters: injected as papermill does, kept as they ran, failures told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests.command import run
from workbench.errors import ExperimentError
from workbench.session import Workbench
from workbench.studies.notebooks import inject, parameter, run_notebook

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def written(path: Path, *cells: str, first: str = "parameters") -> Path:
    made = [
        new_code_cell(source, metadata={"tags": [first]} if place == 0 and first else {})
        for place, source in enumerate(cells)
    ]
    nbformat.write(new_notebook(cells=made, metadata=KERNEL), path)
    return path


def test_a_run_keeps_its_copy_and_its_measurements(bench: Workbench, tmp_path: Path) -> None:
    path = written(
        tmp_path / "measure.ipynb",
        "corpus = 'none'\nmetric: str = 'AP'\nmost = 3",
        "import workbench as wb\nbench = wb.open(corpus, progress=False)\n"
        "paper = bench.search('ranking').paper_ids[0]\n"
        "judged = {'q': {paper: 1}}\n"
        "bench.evaluate({'q': 'ranking'}, judged, metric, progress=False); print(metric, most)",
    )
    done = run(
        "notebook", "run", path, "-p", f"corpus={bench.folder}", "-p", "metric=RR", "-p", "most=4"
    )
    assert done.returncode == 0, done.stderr
    table = bench.experiments()
    notebook, inside = (
        next(r for r in table.rows if r.kind == k) for k in ("notebook", "evaluate")
    )
    assert inside.parent == notebook.id
    assert notebook.metrics == {"RR": 1.0}
    copy = bench.folder / "experiments" / "notebooks" / f"{notebook.id}.ipynb"
    assert str(copy) in done.stdout
    cells = nbformat.read(copy, as_version=4).cells
    assert [c.metadata.get("tags") for c in cells] == [
        ["parameters"],
        ["injected-parameters"],
        None,
    ]
    assert cells[2].outputs[-1].text.strip().endswith("RR 4")
    assert len(nbformat.read(path, as_version=4).cells) == 2


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("%no_such_magic", "no_such_magic"),
        ("%%bash\nfalse", "returned non-zero exit status"),
        ("import os; os._exit(3)", "Kernel died"),
    ],
    ids=["exception", "magic", "shell", "kernel"],
)
def test_a_failure_anywhere_is_told_and_kept(tmp_path: Path, source: str, said: str) -> None:
    path = written(tmp_path / "fails.ipynb", "done = 1", source, "never = 1")
    found = run_notebook(path)
    assert not found.ok
    assert said in found.error
    cells = nbformat.read(found.copy, as_version=4).cells
    assert cells[0].execution_count == 1
    assert cells[2].execution_count is None


def test_the_command_of_a_failing_notebook_exits_1(tmp_path: Path) -> None:
    path = written(
        tmp_path / "fails.ipynb", "n = 1\ncorpus: str = 'mine'", "raise SystemError('no')"
    )
    done = run("notebook", "run", path, "-p", "n=2")
    assert done.returncode == 1
    assert "SystemError" in done.stderr
    assert f"Kept: {tmp_path / 'mine' / 'experiments'}" in done.stdout.replace("\n", "")


def test_parameters_are_checked_before_anything_runs(tmp_path: Path) -> None:
    path = written(tmp_path / "n.ipynb", "a = 1")
    bad: list[tuple[dict[str, Any], str]] = [
        ({"b": 1}, "no parameter b; it has a"),
        ({"a-b": 1}, "give letters"),
        ({"a": object()}, "give a text, number"),
    ]
    for given, said in bad:
        with pytest.raises(ExperimentError, match=said):
            run_notebook(path, given)
    (tmp_path / "text.ipynb").write_text("{not json")
    with pytest.raises(ExperimentError, match="no notebook"):
        run_notebook(tmp_path / "text.ipynb")
    assert not (tmp_path / "experiments").exists()


def test_injecting_twice_replaces(tmp_path: Path) -> None:
    notebook = nbformat.read(written(tmp_path / "n.ipynb", "a = 1", "a"), as_version=4)
    inject(notebook, {"a": 2})
    inject(notebook, {"a": 'three\'s "company"'})
    assert len(notebook.cells) == 3
    names: dict[str, Any] = {}
    exec(notebook.cells[1].source, names)
    assert names["a"] == 'three\'s "company"'
    plain = nbformat.read(written(tmp_path / "p.ipynb", "b", first=""), as_version=4)
    inject(plain, {"b": [1, None]})
    assert plain.cells[0].source == "b = [1, None]"


def test_typed_values_are_json_or_text() -> None:
    assert parameter("k=10") == ("k", 10)
    assert parameter("on=true") == ("on", True)
    assert parameter("path=a=b") == ("path", "a=b")
    with pytest.raises(ExperimentError, match="NAME=VALUE"):
        parameter("k")
