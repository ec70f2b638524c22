"""The import panel's kernel side: what waits, what would become of it, adding, stopping."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.corpus.fakes import FakeEmbedder
from workbench.opening import import_panel, index, open_corpus
from workbench.widgets.import_panel import ImportPanel

BIB = b"""@article{kelp, title={Kelp forests of the north}, author={Lee, Ann}, year=2020}
@article{again, title={Kelp forests of the north}, author={Lee, A.}, year=2020}
@article{empty, }
"""


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.engines.embedder.make_embedder", lambda *_, **__: FakeEmbedder())


@pytest.fixture
def panel(tmp_path: Path) -> Iterator[ImportPanel]:
    made: ImportPanel = import_panel(tmp_path / "corpus")
    yield made
    made.close()


def upload(page: Any, name: str, content: bytes, number: str = "1", part: int = 50) -> None:
    for at in range(0, max(len(content), 1), part):
        piece = content[at : at + part]
        last = at + part >= len(content)
        told = {"type": "upload", "upload": number, "name": name, "at": at, "last": last}
        page.widget._hear(page.widget, told, [memoryview(piece)])
        assert page.last("received") == {
            "type": "received", "upload": number, "at": at + len(piece)
        }  # fmt: skip


def item(page: Any) -> dict[str, Any]:
    found: dict[str, Any] = page.last("state")["items"][-1]
    return found


def test_nothing_is_written_before_add(panel: ImportPanel, page_of: Any, tmp_path: Path) -> None:
    page = page_of(panel)
    upload(page, "../../kelp.bib", BIB)
    shown = item(page)
    assert (shown["name"], shown["records"], shown["rejected"]) == ("kelp.bib", 2, 1)
    assert shown["within"] == 1
    assert shown["papers"][0]["by"] == "Ann Lee"
    assert list(tmp_path.iterdir()) == []
    page.say(type="add")
    panel.wait()
    [report] = panel.reports
    assert (report.added, report.duplicates, report.rejected) == (1, 1, 1)
    assert (tmp_path / "corpus" / "imported" / "kelp.bib").read_bytes() == BIB
    assert panel.bench is not None
    assert panel.bench.search("kelp").paper_ids == ["kelp"]
    assert page.last("state")["items"] == []
    assert "wb-fill" in page.last("state")["reports"][0]  # the bars of the report
    assert panel.bench.sync(progress=False).unchanged == 0  # nothing changed, nothing was read


def test_what_the_corpus_has_already_is_said(tmp_path: Path, page_of: Any) -> None:
    known = {"id": "p1", "title": "Kelp forests of the north", "authors": ["Ann Lee"], "year": 2020}
    index(known, tmp_path)
    with open_corpus(tmp_path) as bench:
        panel = ImportPanel(bench)
        page = page_of(panel)
        upload(page, "kelp.bib", BIB)
        assert item(page)["known"] == 2
        assert item(page)["examples"][0][1:] == ["p1", "same title and authors"]
        page.say(type="add")
        panel.wait()
        assert bench.manifest.papers == 1
        assert panel.reports[0].duplicates == 2
        panel.close()


def test_columns_are_shown_and_overridden(panel: ImportPanel, page_of: Any, tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    table.write_text("Paper name,Other,Who\nSeagrass,Eelgrass,Ann Lee\n")
    page = page_of(panel)
    page.say(type="path", path=f" {table} ")
    shown = item(page)
    assert shown["header"] == ["Paper name", "Other", "Who"]
    assert (shown["columns"], shown["guessed"]) == ({"title": "Paper name"}, ["title"])
    page.say(type="column", item=shown["item"], role="title", column="Other")
    page.say(type="column", item=shown["item"], role="authors", column="Who")
    assert item(page)["papers"][0]["title"] == "Eelgrass"
    page.say(type="column", item=shown["item"], role="title", column="")
    assert item(page)["papers"][0]["title"] == "Seagrass"
    page.say(type="add")
    panel.wait()
    assert panel.bench is not None
    assert panel.bench.search("seagrass")[0].paper.authors == ("Ann Lee",)
    assert table.exists()  # what was named by its path stays where it is


def test_two_files_of_one_name_are_both_kept(
    panel: ImportPanel, page_of: Any, tmp_path: Path
) -> None:
    page = page_of(panel)
    for number in (1, 2):
        upload(
            page, "a.bib", b"@book{k%d, title={Volume %d of it}}" % (number, number), str(number)
        )
    page.say(type="add")
    panel.wait()
    kept = {path.name for path in (tmp_path / "corpus" / "imported").iterdir()}
    assert kept == {"a.bib", "a-2.bib"}
    assert panel.reports[0].added == 2


def test_stop_keeps_what_waits(
    panel: ImportPanel, page_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = page_of(panel)
    upload(page, "kelp.bib", BIB)
    told = panel._told

    def stopped_at_once(*progress: Any) -> None:
        page.say(type="stop")
        told(*progress)

    with monkeypatch.context() as patch:
        patch.setattr(panel, "_told", stopped_at_once)
        page.say(type="add")
        panel.wait()
    assert "Stopped" in page.last("message")["message"]["text"]
    assert len(page.last("state")["items"]) == 1
    page.say(type="add")
    panel.wait()
    assert panel.reports[0].added == 1


def test_a_saved_notebook_shows_what_was_done(panel: ImportPanel, page_of: Any) -> None:
    hostile = "<script>alert(1)</script>.bib"
    page = page_of(panel)
    upload(page, hostile, BIB.replace(b"Kelp", b"<script>Kelp</script>"))
    text = panel._repr_mimebundle_()["text/html"]
    assert "2 BibTeX" in text
    assert "<script>" not in text
    page.say(type="add")
    panel.wait()
    assert "1 added, 1 duplicates, 1 rejected" in panel._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"type": "path", "path": "/not/there"}, "no such file"),
        ({"type": "path", "path": "  "}, "no path"),
        ({"type": "add"}, "nothing waits"),
        ({"type": "nonsense"}, "KeyError"),
    ],
)
def test_no_message_ends_in_a_traceback(
    panel: ImportPanel, page_of: Any, content: dict[str, Any], text: str
) -> None:
    [message] = [said for said in page_of(panel).say(**content) if said["type"] == "message"]
    assert message["message"]["kind"] == "error"
    assert text in message["message"]["text"]
