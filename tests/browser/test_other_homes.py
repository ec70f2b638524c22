"""The panel outside JupyterLab: alone in a browser (`workbench app`)."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.lab import free_port
from tests.browser.notebooks import READY, move, order, settled
from tests.conftest import ROOT, hear_ctrl_c, need

LANDMARKS = ROOT / "data" / "landmarks"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(LANDMARKS, tmp_path / "landmarks", ignore=shutil.ignore_patterns("index"))
    return tmp_path


def use(page: Page) -> None:
    """Search, slide, undo: what a person would do first."""
    page.wait_for_selector(READY, timeout=120_000)
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


def test_the_panel_alone(page: Page, root: Path) -> None:
    need(importlib.util.find_spec("voila") is not None, "voila", "pip install voila")
    files = ["--queries", "landmarks/queries.jsonl", "--qrels", "landmarks/qrels.tsv"]
    command = [sys.executable, "-m", "workbench", "app", "landmarks", *files, "--no-browser"]
    log = root / "app.log"
    with open(log, "wb") as stream:
        process = subprocess.Popen(
            [*command, f"--port={free_port()}"], cwd=root, stdout=stream,
            stderr=subprocess.STDOUT, preexec_fn=hear_ctrl_c,
            env={**os.environ, "JUPYTER_RUNTIME_DIR": str(root / ".runtime")},
        )  # fmt: skip
    try:
        page.goto(address(log, process))
        use(page)
        expect(page.locator(".wb-curve-line")).to_be_visible()
        # Without the secret there is no panel.
        stranger = page.context.browser.new_context() if page.context.browser else None
        assert stranger is not None
        answer = stranger.request.get(page.url.split("?")[0])
        assert answer.status == 403 or "login" in answer.url
        stranger.close()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


def address(log: Path, process: subprocess.Popen[bytes]) -> str:
    """Where the server says that it is, secret included."""
    import time

    for _ in range(480):
        found = re.search(r"http://127\.0\.0\.1:\d+/\S*token=\w+", log.read_text("utf-8"))
        if found:
            return found[0]
        if process.poll() is not None:
            break
        time.sleep(0.25)
    raise AssertionError(log.read_text("utf-8")[-3000:])
