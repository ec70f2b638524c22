"""What a paper's text can do to a terminal: nothing."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

from hypothesis import given
from hypothesis import strategies as st

import workbench
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


def test_every_result_of_the_package_is_safe_to_print() -> None:
    for found in pkgutil.walk_packages(workbench.__path__, "workbench."):
        if found.name.endswith("__main__"):
            continue
        for kind in vars(importlib.import_module(found.name)).values():
            if inspect.isclass(kind) and kind.__module__ == found.name and "__str__" in vars(kind):
                # `__str__ = __repr__` shows texts as Python writes them, which escapes all of it
                if vars(kind)["__str__"] is vars(kind).get("__repr__"):
                    continue
                own = vars(kind)["__str__"]
                assert own.__qualname__.startswith("terminal_safe"), kind
