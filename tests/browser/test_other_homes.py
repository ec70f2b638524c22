"""The panel outside JupyterLab: in Notebook 7, and alone in a browser (`workbench app`)."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

import pytest
from playwright.sync_api import Page, expect

from tests.browser.lab import CONNECTED, free_port, running_lab
from tests.browser.notebooks import OPEN, READY, move, order, settled
from tests.conftest import ROOT, hear_ctrl_c, need
from tests.waiting import HANG
from workbench.session import Workbench

LANDMARKS = ROOT / "data" / "landmarks"


@pytest.fixture
def root(tmp_path: Path, landmarks: Workbench) -> Path:
    """A folder with the sample corpus, indexed, and its queries and judgments."""
    shutil.copytree(landmarks.folder.parent, tmp_path / "landmarks")
    for name in ("queries.jsonl", "qrels.tsv"):
        shutil.copy(LANDMARKS / name, tmp_path / "landmarks")
    return tmp_path


def use(page: Page) -> None:
    """Search, slide, undo: what a person would do first."""
    page.wait_for_selector(READY)
    panel = page.locator(".wb-search")
    query = panel.get_by_role("combobox", name="Query")
    query.fill("batch normalization")
    query.press("Enter")
    expect(panel.locator(".wb-title").first).to_contain_text("Batch Normalization")
    settled(panel)
    before = order(panel)
    expect(panel.get_by_role("button", name="Undo")).to_be_enabled()
    (moved,) = move(page, [0.0], frames=2)
    settled(panel)
    assert order(panel) == moved != before
    expect(panel.locator(".wb-step")).to_have_count(3)
    panel.get_by_role("button", name="Undo").click()
    expect(panel.locator(".wb-step[aria-current]")).to_have_text(re.compile("batch"))
    assert order(panel) == before
    expect(page.locator(".wb-static")).to_be_hidden()
    assert panel.get_attribute("data-mismatches") is None


def test_notebook_7(page: Page, root: Path) -> None:
    need(importlib.util.find_spec("notebook") is not None, "Notebook 7", "pip install notebook")
    with running_lab(root, "notebook") as server:
        server.write("seven.ipynb", f"{OPEN}\nbench.panel(query='late interaction')", "1")
        page.goto(f"{server.url}/notebooks/seven.ipynb?token={server.token}")
        page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.sessionContext")
        page.evaluate(CONNECTED)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        use(page)
        cells = page.locator(".jp-Cell").count()
        page.locator(".wb-status").click()
        for key in ("b", "d", "d", "0", "0", "x"):
            page.keyboard.press(key)
        assert page.locator(".jp-Cell").count() == cells
        expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_panel_alone(page: Page, root: Path) -> None:
    need(importlib.util.find_spec("voila") is not None, "voila", "pip install voila")
    files = ["--queries", "landmarks/queries.jsonl", "--qrels", "landmarks/qrels.tsv"]
    command = [sys.executable, "-m", "workbench", "app", "landmarks", *files, "--no-browser"]
    process = subprocess.Popen(
        [*command, f"--port={free_port()}"], cwd=root, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, preexec_fn=hear_ctrl_c,
        env={**os.environ, "JUPYTER_RUNTIME_DIR": str(root / ".runtime")},
    )  # fmt: skip
    wrong: list[str] = []
    page.goto("about:blank")  # what was there before may still call for its server
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    try:
        page.goto(address(process))
        use(page)
        # Voila's own page wants a font from a server, which may be out of reach.
        assert [text for text in wrong if not text.startswith("Failed to load resource")] == []
        expect(page.locator(".wb-curve-line")).to_be_visible()
        # Without the secret there is no panel.
        stranger = page.context.browser.new_context() if page.context.browser else None
        assert stranger is not None
        answer = stranger.request.get(page.url.split("?")[0])
        assert answer.status == 403 or "login" in answer.url
        stranger.close()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=HANG)


def address(process: subprocess.Popen[str]) -> str:
    """Where the server says that it is, secret included; what it says later is read and dropped."""
    assert process.stdout is not None
    mute = threading.Timer(HANG, process.kill)
    mute.start()
    said: list[str] = []
    try:
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+/\S*token=\w+", line):
                threading.Thread(target=_drain, args=(process.stdout,), daemon=True).start()
                return found[0]
    finally:
        mute.cancel()
    raise AssertionError("".join(said)[-3000:])


def _drain(stream: IO[str]) -> None:
    with stream:
        stream.read()
