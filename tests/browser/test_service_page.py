"""The page of a service in Chromium: search, ask, a key, light and dark."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.servers.service import serving
from workbench.session import Workbench

pytestmark = pytest.mark.browser


def test_searches_and_asks(landmarks: Workbench, page: Page) -> None:
    errors: list[str] = []
    page.goto("about:blank")  # what was there before may still call for its server
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    with serving(str(landmarks.folder), "--no-log") as service:
        page.goto(service.url)
        page.get_by_label("Search, or ask a question").fill("late interaction retrieval")
        page.keyboard.press("Enter")
        cards = page.locator(".card")
        expect(cards).to_have_count(20)
        best = landmarks.search("late interaction retrieval").hits[0]
        expect(cards.first).to_contain_text(best.paper.title)
        expect(cards.first.locator(".bar i").first).to_be_visible()
        grounds = set()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # one of the two
            grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert len(grounds) == 2
        question = "How do late-interaction models keep their index small?"
        page.get_by_label("Search, or ask a question").fill(question)
        page.get_by_role("button", name="Ask").click()
        expect(page.locator("#answer h3").first).to_be_visible()
        expect(page.locator("#status")).to_contain_text("s")
        page.get_by_label("Years").fill("20x")
        page.get_by_role("button", name="Search").click()
        expect(page.locator("#status.wrong")).to_contain_text("year")
        assert [error for error in errors if "400" not in error] == []


def test_asks_for_the_key(landmarks: Workbench, page: Page) -> None:
    with serving(str(landmarks.folder), "--no-log", WORKBENCH_SERVE_KEY="secret") as service:
        page.goto(service.url)
        page.get_by_label("Search, or ask a question").fill("bm25")
        page.keyboard.press("Enter")
        expect(page.locator("#status.wrong")).to_contain_text("key")
        page.get_by_label("Key").fill("secret")
        page.get_by_role("button", name="Search").click()
        expect(page.locator(".card").first).to_be_visible()
