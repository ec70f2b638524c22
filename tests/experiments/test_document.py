"""docs/experiments.md is a test too: its code and its commands run."""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
from pathlib import Path

from tests.command import run
from tests.conftest import ROOT
from workbench.experiments.experiment import Experiment
from workbench.session import Workbench

TEXT = (ROOT / "docs" / "experiments.md").read_text("utf-8")


def test_the_document_runs(landmarks: Workbench, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "landmarks"
    shutil.copytree(landmarks.subject.opened, folder)
    for name in ("queries.jsonl", "qrels.tsv"):
        shutil.copy(ROOT / "data" / "landmarks" / name, folder)
    names: dict[str, object] = {}
    blocks = re.findall(r"```(python|console)\n(.*?)```", TEXT, flags=re.DOTALL)
    assert {kind for kind, _ in blocks} == {"python", "console"}
    with contextlib.chdir(tmp_path):
        for kind, block in blocks:
            if kind == "python":
                exec(compile(block, "experiments.md", "exec"), names)
                continue
            for line in block.splitlines():
                _, *arguments = shlex.split(line)
                if arguments[0] != "notebook":  # run elsewhere, in the tests of notebooks
                    done = run(*arguments)
                    assert done.returncode == 0, (line, done.stderr)
    assert (tmp_path / "build" / "report.html").is_file()
    second = names["second"]
    assert isinstance(second, Experiment)
    assert second.document["corpus"]["opened"] == str(folder)  # found from any folder
