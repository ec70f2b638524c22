"""A real JupyterLab and a real Chromium, started on demand and stopped at the end."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect

from tests.browser.lab import Lab, open_and_run, running_lab
from tests.waiting import HANG
from workbench.session import Workbench

__all__ = ["SCREENSHOTS", "Lab", "screenshot"]

SCREENSHOTS = Path(__file__).parent / "screenshots"

expect.set_options(timeout=1000 * HANG)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, landmarks: Workbench) -> Iterator[Lab]:
    """One JupyterLab for all; its folder has the sample corpus, indexed."""
    root = tmp_path_factory.mktemp("lab")
    shutil.copytree(landmarks.folder.parent, root / "landmarks")
    with running_lab(root) as running:
        yield running


@pytest.fixture(scope="session")
def tabs(browser: Browser) -> Iterator[BrowserContext]:
    """What keeps a page of JupyterLab, which takes seconds to load, from one test to the next."""
    context = browser.new_context()
    context.set_default_timeout(1000 * HANG)
    yield context
    context.close()


@pytest.fixture
def page(tabs: BrowserContext) -> Iterator[Page]:
    """The page of all tests, as large as it was, with no permission and no route."""
    page = tabs.pages[0] if tabs.pages else tabs.new_page()
    page.set_viewport_size({"width": 1600, "height": 1100})
    yield page
    page.unroute_all()
    page.emulate_media(color_scheme=None)
    tabs.clear_permissions()
    if page.locator(".jp-Dialog").count():  # the next one would wait behind it
        page.close()


@pytest.fixture
def run_notebook(lab: Lab, page: Page) -> Callable[..., Page]:
    """Open a notebook of the given cells in JupyterLab and run all of them."""

    def run(name: str, *sources: str) -> Page:
        lab.write(name, *sources)
        open_and_run(page, lab, name)
        return page

    return run


WHAT_IS_THERE = """() => [location.href, ...[...document.querySelectorAll(
    '#jp-main-statusbar, .jp-Dialog, .jp-CodeCell')].map((e) => e.innerText.slice(0, 1500))]"""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a failure goes what the page said: prompts, outputs and errors of the cells."""
    report = yield
    given = getattr(item, "funcargs", {}).values()
    page = next((value for value in given if isinstance(value, Page)), None)
    if report.failed and page is not None and not page.is_closed():
        with suppress(Error):
            report.sections.append(("the page", "\n---\n".join(page.evaluate(WHAT_IS_THERE))))
    return report


def screenshot(page: Page, name: str) -> None:
    """Keep what the browser shows, to be looked at."""
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
