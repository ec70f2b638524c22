"""PDF: clean text, and every passage's box on its page holds its first and last word."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pypdfium2
import pytest

from tests.conftest import shared
from workbench.corpus.chunking import cut_papers
from workbench.corpus.formats.pdf import line_spans
from workbench.corpus.formats.pdf_text import boxes_of
from workbench.corpus.formats.reading import read_file
from workbench.models.embedders.onnx_embedder import OnnxEmbedder

PAPERS = [
    "jabref/2024_SPLC_Becker.pdf",
    "jabref/Keim2024.pdf",
    "colrev/WagnerLukyanenkoParEtAl2022.pdf",
]
TITLES = {
    "jabref/Keim2024.pdf": "Recovering Trace Links",
    "jabref/2024_SPLC_Becker.pdf": "Not Quite There Yet: Remaining Challenges",
    "colrev/WagnerLukyanenkoParEtAl2022.pdf": "Artificial intelligence and the conduct of",
}


def pdf(name: str) -> Path:
    return shared("data/exports") / name


def text_of(record: dict[str, str]) -> str:
    return "\n\n".join(part for part in (record.get("abstract"), record.get("body")) if part)


@pytest.mark.parametrize("name", PAPERS)
def test_a_passage_s_boxes_hold_its_first_and_last_word(name: str, embedder: OnnxEmbedder) -> None:
    [entry] = read_file(pdf(name))
    assert entry.record is not None
    assert entry.raw is not None
    text, spans = text_of(dict(entry.record)), line_spans(entry.raw)
    document = pypdfium2.PdfDocument(pdf(name))
    try:
        [passages] = cut_papers([("", text)], embedder)
        assert len(passages) > 50
        for start, end in passages:
            places = boxes_of(spans, start, end)
            assert places
            words = re.findall(r"[^\W_]{2,}", text[start:end])
            for (page, box), word in ((places[0], words[0]), (places[-1], words[-1])):
                left, bottom, right, top = box
                inside = (
                    document[page - 1]
                    .get_textpage()
                    .get_text_bounded(left - 1, bottom - 1, right + 1, top + 1)
                )
                plain = unicodedata.normalize("NFKC", inside)
                assert (
                    word in re.sub(r"[\x02\ufffe-]?\r?\n|[\x02\ufffe]", "", plain) or word in plain
                ), (
                    page,
                    word,
                )
    finally:
        document.close()


@pytest.mark.parametrize("name", PAPERS)
def test_text_has_no_trace_of_typesetting(name: str) -> None:
    [entry] = read_file(pdf(name))
    assert entry.record is not None
    text = text_of(dict(entry.record))
    assert not re.search("[\ufb00-\ufb06\ufffe\xad\ufeff]", text)
    assert {c for c in text if unicodedata.category(c) == "Cc"} <= {"\n"}
    assert entry.record["title"].startswith(TITLES[name])
    assert len(entry.record["abstract"]) > 500
    assert entry.record["doi"].startswith("10.")


def test_running_heads_are_left_out() -> None:
    [entry] = read_file(pdf("colrev/WagnerLukyanenkoParEtAl2022.pdf"))
    assert entry.record is not None
    text = text_of(dict(entry.record))
    assert text.count("Journal of Information Technology 37(2)") == 0
    assert "literature reviews" in text


def test_a_hyphen_at_a_line_end_is_rejoined() -> None:
    [entry] = read_file(pdf("jabref/Keim2024.pdf"))
    assert entry.record is not None
    assert not re.search(r"[a-z]-\n", entry.record["body"])
    assert "documentation" in entry.record["body"]


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    cases = {"scan": pdf("jabref/empty.pdf"), "damaged": tmp_path / "damaged.pdf"}
    cases["damaged"].write_bytes(b"%PDF-1.7\nnothing")
    problems = {}
    for name, path in cases.items():
        [entry] = read_file(path)
        assert entry.record is None
        problems[name] = f"{entry.problem}; {entry.cure}"
    assert "no text in 1 page" in problems["scan"]
    assert "ocrmypdf" in problems["scan"]
    assert "not a readable PDF" in problems["damaged"]
