"""Arrows go down only, and what ARCHITECTURE.md promises of single modules holds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from workbench.profiles import NORMALISERS
from workbench.ranking import fusion

PACKAGE = ROOT / "workbench"
ORDER = (
    ("records", "errors", "present"),
    ("profiles",),
    ("corpus",),
    ("models",),
    ("monitor",),
    ("engines",),
    ("ranking",),
    ("evaluation",),
    ("session",),
    ("opening",),
    ("measuring",),
    ("widgets",),
    ("cli", "doctor", "__main__", "__init__"),
)
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Full names of the modules that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_from_its_own_room_and_below(path: Path) -> None:
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    others = {room(name) for name in imported(path) if name.split(".")[0] == "workbench"} - {own}
    assert {other for other in others if LEVEL[other] > LEVEL[own]} == set()


def test_records_import_nothing_of_the_package() -> None:
    assert not any(name.startswith("workbench") for name in imported(PACKAGE / "records.py"))


def test_fusion_imports_numpy_records_and_errors_alone() -> None:
    outside = {name for name in imported(Path(str(fusion.__file__))) if name != "__future__"}
    standard = {"math", "collections.abc"}
    assert outside - standard == {"numpy", "numpy.typing", "workbench.records", "workbench.errors"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_profiles_read_the_environment(path: Path) -> None:
    reads = "os.environ" in path.read_text(encoding="utf-8")
    assert not reads or path == PACKAGE / "profiles" / "environment.py"


def test_every_normaliser_of_a_profile_is_a_function_of_fusion() -> None:
    assert tuple(fusion.NORMALISERS) == NORMALISERS


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_unsafe_is_called(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for unsafe in ("import pickle", "allow_pickle=True", "trust_remote_code=True", "torch.load("):
        assert unsafe not in text
