"""The documents are tests too: their code runs, and what they name is there.

docs/elasticsearch.md and docs/experiments.md run in tests beside what they are about.
"""

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

DOCUMENTS = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}
ELSEWHERE = {"docs/elasticsearch.md", "docs/experiments.md", "docs/serving.md"}
HERE = {name: text for name, text in DOCUMENTS.items() if name not in ELSEWHERE}


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def commands(text: str) -> list[str]:
    """Lines that a reader can type as they are; those that serve have no prompt before them."""
    lines = "".join(blocks(text, "console")).splitlines()
    return [line[2:] for line in lines if line.startswith("$ workbench ")]


def having(language: str) -> list[str]:
    return [name for name, text in HERE.items() if blocks(text, language)]


@pytest.fixture(scope="module")
def clone(landmarks: wb.Workbench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like a clone, so that the paths of documents hold and nothing is left."""
    folder = tmp_path_factory.mktemp("clone")
    corpus = shutil.copytree(landmarks.folder.parent, folder / "data" / "landmarks")
    for name in ("queries.jsonl", "qrels.tsv", "questions.jsonl"):
        shutil.copy(ROOT / "data" / "landmarks" / name, corpus)
    return folder


@pytest.mark.parametrize("name", having("python"))
def test_the_python_of_a_document_runs(name: str, clone: Path) -> None:
    names: dict[str, object] = {}
    shutil.rmtree(clone / "build", ignore_errors=True)
    with contextlib.chdir(clone):
        for block in blocks(HERE[name], "python"):
            exec(compile(block, name, "exec"), names)
    opened = [value for value in names.values() if isinstance(value, wb.Workbench)]
    assert opened
    for bench in opened:
        bench.close()


@pytest.mark.parametrize("name", [name for name, text in HERE.items() if commands(text)])
def test_the_commands_of_a_document_run(name: str, clone: Path) -> None:
    for command in commands(HERE[name]):
        with contextlib.chdir(clone):
            done = run(*shlex.split(command)[1:])
        assert done.returncode == 0, (command, done.stderr)


def test_the_make_targets_of_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for text in DOCUMENTS.values():
        assert set(re.findall(r"(?:^|`)make ([a-z]+)", text, flags=re.MULTILINE)) <= targets
    assert "make lab" in DOCUMENTS["README.md"]


@pytest.mark.parametrize("name", having("toml"))
def test_the_toml_of_a_document_is_a_profile(name: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    for block in blocks(HERE[name], "toml"):
        path.write_text(block)
        assert wb.Profile.from_toml(path).n_retrieval == tomllib.loads(block)["n_retrieval"]


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "data/README.md"])
def test_links_and_images_lead_somewhere(name: str) -> None:
    # Those of docs/ are looked up when the site is built.
    document = ROOT / name
    links = re.findall(r"\]\(([^)#:]+)[)#]", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_figures_of_the_readme_are_those_that_were_measured() -> None:
    rows = [line for line in DOCUMENTS["README.md"].splitlines() if line.startswith("|")]
    assert len(rows) > 4
    assert [row for row in rows if row not in DOCUMENTS["docs/measured.md"]] == []


def test_the_readme_is_one_page() -> None:
    assert len(DOCUMENTS["README.md"].splitlines()) <= 120


def test_errors_and_variables_that_documents_name_exist() -> None:
    code = "".join(path.read_text("utf-8") for path in (ROOT / "workbench").rglob("*.py"))
    for name, text in DOCUMENTS.items():
        named = re.findall(r"`([A-Z][A-Za-z]+(?:Error|NotFound|Mismatch|Damaged|Locked))\b", text)
        assert set(named) <= set(wb.errors.__all__), name
        variables = set(re.findall(r"\b(?:WORKBENCH|ASTA|FAST|MODEL|MAX)_[A-Z_]+[A-Z]\b", text))
        unread = {v for v in variables if v.removeprefix("WORKBENCH_ES_") not in code.upper()}
        assert not unread, name


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
