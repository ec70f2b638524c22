"""What a paper's text can do to a terminal: nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT
from workbench.present.words import printable
from workbench.profiles import Profile

HOSTILE = "\x1b]0;title\x07\x1b[2J\r\x9b31m\u202e"


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_what_is_printable_holds_no_control_character(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert not [c for c in shown if c not in "\n\t" and (ord(c) < 32 or 127 <= ord(c) < 160)]
    shown.encode()


@given(st.text(alphabet=st.characters(exclude_categories=("C",))))
def test_plain_text_stays(text: str) -> None:
    assert printable(text) == text


def test_a_name_cannot_move_the_cursor() -> None:
    text = str(Profile(name=HOSTILE).diff(Profile(n_rerank=3)))
    assert "\x1b" not in text
    assert "␛[2J" in text


def test_names_of_files_cannot_move_the_cursor(tmp_path: Path) -> None:
    hostile = tmp_path / f"a{HOSTILE}"
    hostile.mkdir()
    for command in (["search", hostile, "kelp"], ["info", hostile], ["inspect", hostile]):
        arguments = [sys.executable, "-m", "workbench", *map(str, command)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "␛[2J" in done.stderr
        assert not set("\x1b\x07\r\x9b\u202e") & set(done.stdout + done.stderr)


def test_every_result_of_the_package_shows_a_view() -> None:
    """`View.text` is printable; a class with another `__str__` would have to see to it itself."""
    for path in (ROOT / "workbench").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                own = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
                assert "__str__" not in own or node.name == "Shown", f"{path}: {node.name}"
