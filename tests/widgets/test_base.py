"""Messages inside a panel: what they say, and that nothing in them is markup."""

from __future__ import annotations

from workbench.errors import ModelNotFound
from workbench.widgets.base import MessageBox, framed, static


def test_an_expected_error_shows_its_remedy_and_no_traceback() -> None:
    box = MessageBox()
    with box.guard():
        raise ModelNotFound("no weights; give a folder")
    assert "Model not found" in box.widget.value
    assert "no weights; give a folder" in box.widget.value
    assert "Traceback" not in box.widget.value


def test_an_unexpected_error_folds_its_traceback_away() -> None:
    box = MessageBox()
    with box.guard():
        raise ZeroDivisionError("<script>alert(1)</script>")
    assert "<details>" in box.widget.value
    assert "Traceback" in box.widget.value
    assert "<script>" not in box.widget.value


def test_the_next_callback_clears_what_was_shown() -> None:
    box = MessageBox()
    box.note("something")
    assert "something" in box.widget.value
    with box.guard():
        pass
    assert box.widget.value == ""
    assert box.widget.layout.display == "none"


def test_a_frame_brings_the_style() -> None:
    frame = framed(MessageBox().widget, label="test")
    assert {"wb", "wb-test"} <= set(frame._dom_classes)
    assert "--wb-ink" in static("style.css")
    assert "--wb-ink" in frame.children[0]._css
