"""docs/experiments.md is a test too: its code and its commands run."""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
from pathlib import Path

from tests.command import run
from tests.conftest import ROOT

TEXT = (ROOT / "docs" / "experiments.md").read_text("utf-8")


def test_the_document_runs(tmp_path: Path) -> None:
    landmarks = tmp_path / "data" / "landmarks"
    landmarks.mkdir(parents=True)
    for name in ("papers.jsonl", "queries.jsonl", "qrels.tsv"):
        shutil.copy(ROOT / "data" / "landmarks" / name, landmarks)
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
