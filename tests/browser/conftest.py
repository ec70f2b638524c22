"""A real JupyterLab and a real Chromium, started on demand and stopped at the end."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.lab import Lab, open_and_run, running_lab, set_setting
from tests.waiting import HANG
from workbench.session import Workbench

__all__ = ["SCREENSHOTS", "Lab", "screenshot", "set_setting"]

SCREENSHOTS = Path(__file__).parent / "screenshots"

expect.set_options(timeout=1000 * HANG)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, landmarks: Workbench) -> Iterator[Lab]:
    """One JupyterLab for all; its folder has the sample corpus, indexed."""
    root = tmp_path_factory.mktemp("lab")
    shutil.copytree(landmarks.folder.parent, root / "landmarks")
    with running_lab(root) as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1600, "height": 1100})
    context.set_default_timeout(1000 * HANG)
    yield context.new_page()
    context.close()


@pytest.fixture
def run_notebook(lab: Lab, page: Page) -> Callable[..., Page]:
    """Open a notebook of the given cells in JupyterLab and run all of them."""

    def run(name: str, *sources: str) -> Page:
        open_and_run(page, lab.write(name, *sources))
        return page

    return run


def screenshot(page: Page, name: str) -> None:
    """Keep what the browser shows, to be looked at."""
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
