"""The documents are tests too: the README's code runs, and what it names is there."""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest

import workbench as wb
from tests.command import run
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like a clone, so that the README's paths hold and nothing is left."""
    folder = tmp_path_factory.mktemp("clone")
    landmarks = folder / "data" / "landmarks"
    landmarks.mkdir(parents=True)
    for name in ("papers.jsonl", "queries.jsonl", "qrels.tsv", "questions.jsonl"):
        shutil.copy(ROOT / "data" / "landmarks" / name, landmarks)
    return folder


def test_the_python_of_the_readme_runs(clone: Path) -> None:
    names: dict[str, object] = {}
    with contextlib.chdir(clone):
        for block in blocks("python"):
            exec(compile(block, "README.md", "exec"), names)
    assert isinstance(names["ranking"], wb.Ranking)


def test_the_commands_of_the_readme_run(clone: Path) -> None:
    lines = [line[2:] for block in blocks("console") for line in block.splitlines()]
    commands = [line for line in lines if line.startswith("workbench ")]
    assert commands
    for command in commands:
        with contextlib.chdir(clone):
            done = run(*shlex.split(command)[1:])
        assert done.returncode == 0, (command, done.stderr)


def test_the_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = re.findall(r"(?:^|`)make ([a-z]+)", README, flags=re.MULTILINE)
    assert named
    assert set(named) <= targets


def test_the_toml_of_the_readme_is_a_profile(tmp_path: Path) -> None:
    (block,) = blocks("toml")
    path = tmp_path / "mine.toml"
    path.write_text(block)
    assert wb.Profile.from_toml(path).n_retrieval == tomllib.loads(block)["n_retrieval"]


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "data/README.md"])
def test_links_and_images_lead_somewhere(name: str) -> None:
    document = ROOT / name
    links = re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_rooms_of_the_architecture_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    rooms = [
        room for row in rows for room in re.findall(r"`([a-z_/]+(?:\.py|/))`", row.split("|")[1])
    ]
    assert rooms
    assert [room for room in rooms if not (ROOT / "workbench" / room).exists()] == []


def test_modules_stay_short() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / "workbench").rglob("*.py")
        if (lines := len(path.read_text().splitlines()))
        > (600 if path.name == "session.py" else 400)  # one class, mostly docstrings
    }
    assert long == {}
