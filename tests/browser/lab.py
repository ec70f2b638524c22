"""Starting and stopping a real JupyterLab, for tests and for benchmarks."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Page

from tests.servers.watcher import Watcher
from tests.waiting import HANG, wait_until


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab whose root is a folder of the test's own."""

    url: str
    token: str
    root: Path

    def write(self, name: str, *sources: str) -> None:
        """Save a notebook of code cells."""
        kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
        metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
        cells = [new_code_cell(source, id=f"cell-{n}") for n, source in enumerate(sources)]
        nbformat.write(new_notebook(cells=cells, metadata=metadata), self.root / name)


@contextmanager
def running_lab(root: Path, module: str = "jupyterlab") -> Iterator[Lab]:
    """JupyterLab, or Notebook 7 (`notebook`), over a folder, with settings of its own, stopped at
    the end."""
    port, token = free_port(), secrets.token_hex(16)
    settings = {
        "JUPYTER_CONFIG_DIR": str(root / ".config"),
        "JUPYTER_DATA_DIR": str(root / ".data"),
        "JUPYTER_RUNTIME_DIR": str(root / ".runtime"),
    }
    # No question about news, no look-up of updates: the network is not part of the test.
    set_setting(root, "notification", {"fetchNews": "false", "checkForUpdates": False})
    command = [sys.executable, "-m", module, "--no-browser", "--allow-root"]
    command += [f"--port={port}", "--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={root}"]
    command += [f"--IdentityProvider.token={token}", "--expose-app-in-browser"]
    with open(root / "lab.log", "wb") as log:
        watcher = Watcher(root)
        process = subprocess.Popen(
            command,
            env={**os.environ, **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        watcher.follow(process.pid)
        try:
            _wait_until_up(f"http://127.0.0.1:{port}/api/status?token={token}", process, root)
            yield Lab(f"http://127.0.0.1:{port}", token, root)
        finally:
            process.terminate()
            process.wait()
            watcher.dismiss()


def load(page: Page, lab: Lab) -> None:
    """JupyterLab in this page; one that has it already keeps it, which saves seconds."""
    if not page.url.startswith(f"{lab.url}/lab"):
        page.goto(f"{lab.url}/lab?token={lab.token}&reset")


def open_notebook(page: Page, lab: Lab, name: str) -> None:
    """Open a notebook in JupyterLab, alone; what was open before is closed, its kernels too."""
    load(page, lab)
    page.evaluate(CLOSE_ALL)
    page.evaluate(OPEN, name)


def open_and_run(page: Page, lab: Lab, name: str) -> None:
    """Open a notebook alone, and run all its cells once its kernel is there."""
    open_notebook(page, lab, name)
    page.evaluate(RUN_ALL)


@contextmanager
def theme(page: Page, lab: Lab, name: str) -> Iterator[None]:
    """JupyterLab in the `Light` or the `Dark` theme, as its menu would set it; light afterwards."""
    load(page, lab)
    page.evaluate(THEME, f"JupyterLab {name}")
    try:
        yield
    finally:
        page.evaluate(THEME, "JupyterLab Light")


STARTED = """const started = new Promise((done) => {
    const look = () => window.jupyterapp ? done(window.jupyterapp) : setTimeout(look, 20);
    look();
  });
  const app = await started;
  await app.restored;"""
CLOSE_ALL = f"""async () => {{
  {STARTED}
  for (const one of [...app.shell.widgets('main')]) one.dispose();
  await app.serviceManager.sessions.shutdownAll();
  app.shell.expandLeft();
}}"""
OPEN = f"""async (path) => {{
  {STARTED}
  await app.commands.execute('docmanager:open', {{ path, factory: 'Notebook' }});
}}"""
CONNECTED = """async () => {
  const { sessionContext } = window.jupyterapp.shell.currentWidget;
  await sessionContext.ready;
  await sessionContext.session.kernel.info;
}"""
"""Run before that opens a dialog that asks for a kernel."""
RUN_ALL = f"""async () => {{
  await ({CONNECTED})();
  window.jupyterapp.commands.execute('notebook:run-all-cells');  // the page need not wait for it
}}"""
WITHOUT_SIDE_BAR = "() => window.jupyterapp.shell.collapseLeft()"
THEME = f"""async (theme) => {{
  {STARTED}
  await app.commands.execute('apputils:change-theme', {{ theme }});
  while (document.body.dataset.jpThemeName !== theme)
    await new Promise((done) => setTimeout(done, 20));
}}"""


def set_setting(root: Path, name: str, values: dict[str, object]) -> None:
    """Write a person's JupyterLab setting, as the settings editor would."""
    settings = root / ".config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / f"{name}.jupyterlab-settings").write_text(json.dumps(values))


def disable_extensions(root: Path, *names: str) -> None:
    """The extensions of JupyterLab that pages opened from now on do without."""
    settings = root / ".config" / "labconfig"
    settings.mkdir(parents=True, exist_ok=True)
    disabled = {"disabledExtensions": dict.fromkeys(names, True)}
    (settings / "page_config.json").write_text(json.dumps(disabled))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_until_up(url: str, process: subprocess.Popen[bytes], root: Path) -> None:
    def answers() -> bool:
        try:
            urllib.request.urlopen(url, timeout=HANG).close()
        except OSError:
            return False
        return True

    wait_until(lambda: process.poll() is not None or answers(), every=0.25)
    if process.poll() is not None:
        raise RuntimeError(f"JupyterLab did not start: {(root / 'lab.log').read_text()[-2000:]}")
