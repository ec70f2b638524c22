"""The lock file: all versions are pinned, and the oldest Python that is admitted takes each."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.conftest import ROOT

LOCKS = ["requirements.lock", "benchmarks/requirements.lock"]


def oldest() -> str:
    """The least version that `requires-python` admits."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return str(project["requires-python"]).removeprefix(">=") + ".0"


@pytest.mark.parametrize("name", LOCKS)
def test_the_oldest_python_takes_every_version(name: str) -> None:
    locked = [Requirement(line) for line in (ROOT / name).read_text().splitlines()]
    seen = 0
    for one in locked:
        [pin] = one.specifier
        assert pin.operator == "==", one
        try:
            found = distribution(one.name)
        except PackageNotFoundError:
            continue  # of benchmarks, or of another Python
        if found.version == pin.version:
            seen += 1
            for needed in found.metadata.get_all("Requires-Python") or ():
                assert SpecifierSet(needed).contains(oldest()), one
    assert seen > 100
