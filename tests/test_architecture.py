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
    ("records", "errors", "present", "system"),
    ("profiles",),
    ("corpus",),
    ("models",),
    ("monitor",),
    ("engines",),
    ("ranking",),
    ("evaluation",),
    ("qa",),
    ("searching",),
    ("experiments",),
    ("session",),
    ("opening",),
    ("serve",),
    ("measurement",),
    ("studies",),
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


def edges() -> dict[str, set[str]]:
    """By module, the modules of the package that it imports; in functions and for types too."""
    names = {}
    for path in MODULES:
        parts = path.relative_to(ROOT).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    found: dict[str, set[str]] = {}
    for name, path in names.items():
        targets = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                members = {f"{node.module}.{alias.name}" for alias in node.names}
                targets |= {m if m in names else node.module for m in members}
            elif isinstance(node, ast.Import):
                targets |= {alias.name for alias in node.names}
        found[name] = {target for target in targets if target in names and target != name}
    return found


def test_no_imports_run_in_circles() -> None:
    left = edges()
    while leaves := {name for name, targets in left.items() if not targets & set(left)}:
        left = {name: targets for name, targets in left.items() if name not in leaves}
    assert left == {}, "these modules import each other, or what imports each other"


def test_records_import_nothing_of_the_package() -> None:
    assert not any(name.startswith("workbench") for name in imported(PACKAGE / "records.py"))


def test_fusion_imports_numpy_records_and_errors_alone() -> None:
    outside = {name for name in imported(Path(str(fusion.__file__))) if name != "__future__"}
    standard = {"math", "collections.abc"}
    assert outside - standard == {"numpy", "numpy.typing", "workbench.records", "workbench.errors"}


def test_elasticsearch_imports_nothing_of_the_embedded_engine() -> None:
    """But for the keeper of a folder, whose papers are brought to the cluster."""
    own = sorted((PACKAGE / "engines" / "elastic").rglob("*.py"))
    found = {name for path in own for name in imported(path) if "engines.embedded" in name}
    assert found == {"workbench.engines.embedded.keeper"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_profiles_read_the_environment(path: Path) -> None:
    """But for child processes, which inherit it."""
    reads = "os.environ" in path.read_text(encoding="utf-8")
    may = {PACKAGE / "profiles" / "environment.py", PACKAGE / "system" / "children.py"}
    assert not reads or path in may


def test_every_normaliser_of_a_profile_is_a_function_of_fusion() -> None:
    assert tuple(fusion.NORMALISERS) == NORMALISERS


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_unsafe_is_called(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for unsafe in ("import pickle", "allow_pickle=True", "trust_remote_code=True", "torch.load("):
        assert unsafe not in text
