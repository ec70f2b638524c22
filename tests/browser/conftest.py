"""A real JupyterLab and a real Chromium, started on demand and stopped at the end."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import ROOT, need

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SCREENSHOTS = Path(__file__).parent / "screenshots"


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab whose root is a folder of the test's own."""

    url: str
    token: str
    root: Path

    def write(self, name: str, *sources: str) -> str:
        """Save a notebook of code cells; returns the address that opens it."""
        kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
        metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
        cells = [new_code_cell(source, id=f"cell-{n}") for n, source in enumerate(sources)]
        nbformat.write(new_notebook(cells=cells, metadata=metadata), self.root / name)
        return f"{self.url}/lab/tree/{name}?token={self.token}&reset"


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    root = tmp_path_factory.mktemp("lab")
    (root / "landmarks").mkdir()
    shutil.copy(ROOT / "data" / "landmarks" / "papers.jsonl", root / "landmarks")
    port, token = _free_port(), secrets.token_hex(16)
    settings = {
        "JUPYTER_CONFIG_DIR": str(root / ".config"),
        "JUPYTER_DATA_DIR": str(root / ".data"),
        "JUPYTER_RUNTIME_DIR": str(root / ".runtime"),
    }
    # No question about news, no look-up of updates: the network is not part of the test.
    set_setting(root, "notification", {"fetchNews": "false", "checkForUpdates": False})
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--port={port}", "--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={root}"]
    command += [f"--IdentityProvider.token={token}"]
    with open(root / "lab.log", "wb") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **settings}, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            _wait_until_up(f"http://127.0.0.1:{port}/api/status?token={token}", process, root)
            yield Lab(f"http://127.0.0.1:{port}", token, root)
        finally:
            process.terminate()
            process.wait(timeout=30)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for found in map(shutil.which, names) if found), None)
    need(path is not None, "Chromium", "install it (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1600, "height": 1100})
    yield context.new_page()
    context.close()


@pytest.fixture
def run_notebook(lab: Lab, page: Page) -> Callable[..., Page]:
    """Open a notebook of the given cells in JupyterLab and run all of them."""

    def run(name: str, *sources: str) -> Page:
        page.goto(lab.write(name, *sources))
        page.wait_for_selector(".jp-NotebookPanel .jp-CodeCell", timeout=60_000)
        # Run before the kernel is connected opens a dialog that asks for one.
        expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=60_000)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        return page

    return run


def screenshot(page: Page, name: str) -> None:
    """Keep what the browser shows, to be looked at."""
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def set_setting(root: Path, name: str, values: dict[str, object]) -> None:
    """Write a person's JupyterLab setting, as the settings editor would."""
    settings = root / ".config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / f"{name}.jupyterlab-settings").write_text(json.dumps(values))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_until_up(url: str, process: subprocess.Popen[bytes], root: Path) -> None:
    for _ in range(240):
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.25)
    raise RuntimeError(f"JupyterLab did not start: {(root / 'lab.log').read_text()[-2000:]}")
