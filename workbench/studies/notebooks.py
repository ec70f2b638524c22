"""Notebooks with parameters: run in a kernel of their own, and kept as they ran, failed ones too.

The tags are papermill's: a cell `parameters` has the defaults, and a cell `injected-parameters`,
which is put behind it, the values that were given.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.corpus.faults import as_path, disk_faults
from workbench.errors import ExperimentError, MissingDependency, shown
from workbench.experiments.recording import Recorder
from workbench.experiments.store import FOLDER
from workbench.profiles import inside_experiment
from workbench.system.files import replacing

KEPT = "notebooks"
"""Folder of the executed copies, beside the records."""

_ASSIGNED = re.compile(r"^(\w+)\s*(?::[^=\n]+)?=", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class NotebookRun:
    """An executed notebook: its `copy`, its `experiment`, and the `error` that ended it, or ""."""

    copy: Path
    experiment: str
    error: str

    @property
    def ok(self) -> bool:
        """Whether every cell ran to its end."""
        return not self.error


def run_notebook(
    path: str | Path,
    parameters: Mapping[str, Any] = {},
    *,
    corpus: str | Path | None = None,
    seconds: float | None = None,
) -> NotebookRun:
    """Execute a notebook with other parameters, its folder being the current one of its kernel.

    The copy with its outputs is kept with the experiments of `corpus` (by default what the
    parameter of that name says, given or in the notebook's own cell, else the notebook's folder),
    also where a cell fails; measurements
    made by the notebook belong to its record. `seconds` is the most that one cell may take.
    Raises ExperimentError for no notebook, or a parameter that cannot be a name or a value.
    """
    nbformat, client, failures = _libraries()
    source = as_path(path, ExperimentError)
    try:
        with disk_faults(source):
            notebook = nbformat.read(source, as_version=4)
    except (ValueError, nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise ExperimentError(f"{source}: no notebook ({error}); give an .ipynb file") from None
    inject(notebook, parameters)
    named = parameters.get("corpus") or _assigned(notebook, "corpus")
    home = as_path(corpus or str(named or source.parent), ExperimentError)
    if not home.is_absolute():
        # As in the notebook, whose folder is its current one; but what is named here counts here.
        home = home if corpus is not None else source.parent / home
    recorder = Recorder(home.resolve() / FOLDER)
    told = {"notebook": {"path": str(source), "parameters": dict(parameters)}}
    said, copy = "", Path()
    with recorder.block(source.stem, "notebook", told) as name:
        copy = recorder.folder / KEPT / f"{name}.ipynb"
        run = client(
            notebook,
            timeout=seconds,
            kernel_name=notebook.metadata.get("kernelspec", {}).get("name", "python3"),
            resources={"metadata": {"path": str(source.parent.resolve())}},
        )
        try:
            run.execute(env=inside_experiment(name))
        except failures as problem:
            said = str(problem) or type(problem).__name__
            told["notebook"]["error"] = said[-4000:]
        finally:
            said = said or first_error(notebook)
            with disk_faults(copy), replacing(copy) as stream:
                nbformat.write(notebook, stream)
    return NotebookRun(copy, name, said)


def inject(notebook: Any, parameters: Mapping[str, Any]) -> None:
    """Put the parameters into the notebook, behind its own or at its start; replaces what was
    injected before. Raises ExperimentError for a name or a value that Python does not have, and
    for a name that a notebook with a cell `parameters` lacks there."""
    import nbformat.v4

    lines = []
    for name, value in parameters.items():
        if not _NAME.fullmatch(name):
            raise ExperimentError(f"parameter {shown(name)}; give letters, digits and _ as a name")
        try:
            json.dumps(value)
        except (TypeError, ValueError):
            raise ExperimentError(
                f"parameter {name} is {shown(value)}; give a text, number, list or dict"
            ) from None
        lines.append(f"{name} = {value!r}")
    tags = [set(cell.metadata.get("tags", ())) for cell in notebook.cells]
    own = next((i for i, each in enumerate(tags) if "parameters" in each), None)
    if own is not None:
        known = set(_ASSIGNED.findall(notebook.cells[own].source))
        if unknown := sorted(set(parameters) - known):
            raise ExperimentError(
                f"the notebook has no parameter {', '.join(unknown)}; it has "
                f"{', '.join(sorted(known)) or 'none'}"
            )
    if not lines:
        return
    new_cell: Any = nbformat.v4.new_code_cell
    cell = new_cell("\n".join(lines), metadata={"tags": ["injected-parameters"]})
    before = next((i for i, each in enumerate(tags) if "injected-parameters" in each), None)
    if before is not None:
        notebook.cells[before] = cell
    else:
        notebook.cells.insert(0 if own is None else own + 1, cell)


def _assigned(notebook: Any, name: str) -> str:
    """The text that the cell `parameters` assigns to a name; "" where it assigns none."""
    for cell in notebook.cells:
        if "parameters" not in cell.metadata.get("tags", ()):
            continue
        with suppress(SyntaxError):  # a magic, for one
            for line in ast.parse(cell.source).body:
                targets = line.targets if isinstance(line, ast.Assign) else []
                if isinstance(line, ast.AnnAssign):
                    targets = [line.target]
                value = getattr(line, "value", None)
                ours = any(isinstance(t, ast.Name) and t.id == name for t in targets)
                if ours and isinstance(value, ast.Constant) and isinstance(value.value, str):
                    return value.value
    return ""


def first_error(notebook: Any) -> str:
    """What the first cell that failed says; a magic that failed leaves an output and no more."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.get("output_type") == "error":
                return f"{output.get('ename')}: {output.get('evalue')}"
            text = output.get("text", "") if output.get("name") == "stderr" else ""
            if text.startswith(("UsageError:", "ERROR:root:")):
                return str(text).strip()
    return ""


def parameter(text: str) -> tuple[str, Any]:
    """NAME=VALUE as a person types it: JSON where it is some (numbers, true, lists), else text.
    Raises ExperimentError without a name."""
    name, separator, value = text.partition("=")
    if not separator or not name.strip():
        raise ExperimentError(f"parameter {shown(text)}; give NAME=VALUE, like metric=AP")
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value


def _libraries() -> tuple[Any, Any, tuple[type[Exception], ...]]:
    try:
        import nbformat
        from jupyter_client.kernelspec import NoSuchKernel
        from nbclient import NotebookClient
        from nbclient.exceptions import CellControlSignal, DeadKernelError
    except ImportError as problem:
        raise MissingDependency(
            f"running notebooks needs nbclient ({problem}); pip install nbclient ipykernel"
        ) from problem
    failures = (CellControlSignal, DeadKernelError, NoSuchKernel, TimeoutError)
    return nbformat, NotebookClient, failures
