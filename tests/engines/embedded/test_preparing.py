"""Records that other processes prepare make the index that they make here, whatever happens."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date
from pathlib import Path
from subprocess import Popen
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from tests.conftest import paper_record
from tests.corpus.fakes import FakeEmbedder, build, long_record
from tests.waiting import wait_until
from workbench.corpus.manifest import LIBRARY, STORE, VECTORS
from workbench.corpus.preparing import Batch
from workbench.corpus.store import Store
from workbench.engines.embedded import encoding, preparing
from workbench.engines.embedded.encoding import PassageEncoder
from workbench.errors import RecordError
from workbench.models.embedders.token_starts import TokenStarts

COUNT = 60
REAL_UNBEGUN = preparing._unbegun


class Tokenising(FakeEmbedder):
    """With a tokenizer, which can be made anew elsewhere."""

    def __init__(self) -> None:
        super().__init__(window=48)
        letters = "abcdefghijklmnopqrstuvwxyz0123456789.,"
        pieces = ["[UNK]", *letters, *(f"##{letter}" for letter in letters)]
        self.tokenizer = Tokenizer(
            models.WordPiece({piece: n for n, piece in enumerate(pieces)}, unk_token="[UNK]")
        )
        self.tokenizer.normalizer = normalizers.BertNormalizer()
        self.tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        self._starts = TokenStarts(self.tokenizer)

    def token_starts(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        return self._starts(texts)


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[Popen[bytes]]:
    """The processes that were started; they are, from the third batch on, and prepare all."""
    started: list[Popen[bytes]] = []
    real = preparing.start_worker

    def start(module: str) -> Popen[bytes]:
        started.append(real(module))
        return started[-1]

    monkeypatch.setattr(preparing, "start_worker", start)
    monkeypatch.setattr(preparing, "cores", lambda: 3)
    monkeypatch.setattr(preparing, "BEGIN", 1)
    monkeypatch.setattr("workbench.corpus.preparing.BATCH", 5)
    monkeypatch.setattr(PassageEncoder, "waits", lambda _: True)
    begun = property(lambda one: wait_until(lambda: not one._free.empty()) or True)
    monkeypatch.setattr(preparing._Processes, "ready", begun)
    monkeypatch.setattr(preparing, "_unbegun", lambda _: None)
    return started


def records() -> list[dict[str, Any]]:
    """Papers of one and several passages, with all that makes one special: duplicates, a title
    that says it was retracted, no id, other letters, bad ones."""
    made = [long_record(n) if n % 3 else paper_record(n) for n in range(COUNT)]
    made[17] |= {"title": "Retracted: " + made[17]["title"]}
    made[23] = {"title": "Größe Δ of “quoted” 検索 words", "abstract": "An é." * 90}
    made[29] = {**made[3]}
    made[31] = {**made[2], "id": "again", "title": made[2]["title"] + "."}
    made[37] |= {"year": "soon"}
    made[41] |= {"title": "", "abstract": "", "body": ""}
    return made


def contents(folder: Path) -> list[Any]:
    """All that an index says, but when."""
    found: list[Any] = [(folder / VECTORS).read_bytes()]
    for name in (STORE, LIBRARY):
        with closing(sqlite3.connect(folder / name)) as db:
            found += [line for line in db.iterdump() if 'INTO "files"' not in line]
    return found


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "papers.jsonl"
    lines = [json.dumps(record) for record in records()]
    lines[47] = "{no JSON"
    file.write_text("\n".join(lines))
    return file


def in_this_process(folder: Path, source: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    with monkeypatch.context() as patched:
        patched.setattr(PassageEncoder, "waits", lambda _: False)
        build(folder, source, Tokenising())
    return folder


def ended(children: list[Popen[bytes]]) -> bool:
    return all(child.poll() is not None for child in children)


@pytest.mark.parametrize("killed", [False, True])
def test_processes_make_the_same_index(
    tmp_path: Path,
    source: Path,
    children: list[Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    killed: bool,
) -> None:
    alone = in_this_process(tmp_path / "alone", source, monkeypatch)
    assert not children
    filled: list[bool] = []
    real = preparing._filled

    def told(*given: Any) -> bool:
        filled.append(real(*given))
        if killed and len(filled) == 2:
            for child in children:
                os.kill(child.pid, signal.SIGKILL)
        return filled[-1]

    monkeypatch.setattr(preparing, "_filled", told)
    report = build(tmp_path / "together", source, Tokenising())
    assert len(children) == 2
    assert ended(children)
    assert filled[:2] == [True, True]
    assert all(filled) != killed
    assert report.rejected == 4  # one is no JSON, one comes twice
    assert contents(tmp_path / "together") == contents(alone)
    assert (tmp_path / "together/rejects.jsonl").read_text() == (
        alone / "rejects.jsonl"
    ).read_text()


class TakingIds(Tokenising):
    """Encodes tokens too, and remembers which it was given with which texts."""

    ids_prompt = "document: "

    def __init__(self) -> None:
        super().__init__()
        self.tokenizer.enable_truncation(self.window)
        self.given: list[tuple[str, list[int]]] = []

    def encode(
        self, texts: Sequence[str], *, progress: bool = False, ids: Any = None
    ) -> NDArray[np.float32]:
        self.given += zip(texts, map(list, ids or ()), strict=False)
        return super().encode(texts)


def test_processes_make_the_tokens_that_the_embedder_would(
    tmp_path: Path, source: Path, children: list[Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.engines.embedded.encoding.BLOCK", 8)
    alone = in_this_process(tmp_path / "alone", source, monkeypatch)
    embedder = TakingIds()
    build(tmp_path / "beside", source, embedder)
    assert contents(tmp_path / "beside") == contents(alone)
    texts, ids = zip(*embedder.given, strict=True)
    own = TokenStarts(embedder.tokenizer).ids(["document: " + text for text in texts])
    assert [*map(list, own)] == [*ids]
    assert max(map(len, ids)) == embedder.window
    assert len(ids) > COUNT  # all but the first batches'


def test_what_would_be_waited_for_is_prepared_here(
    tmp_path: Path, source: Path, children: list[Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = in_this_process(tmp_path / "alone", source, monkeypatch)
    taken: list[Batch] = []

    def unbegun(asked: Any) -> Batch | None:
        found = REAL_UNBEGUN(asked)
        taken.extend([found] if found else [])
        return found

    monkeypatch.setattr(preparing, "_unbegun", unbegun)
    monkeypatch.setattr(preparing, "_done", lambda _: False)  # all are late
    build(tmp_path / "together", source, Tokenising())
    assert taken
    assert len({id(batch) for batch in taken}) == len(taken)  # none twice
    assert contents(tmp_path / "together") == contents(alone)


@pytest.mark.parametrize("ready", [0, 700])
def test_texts_are_encoded_as_they_were_added_or_as_they_are_stored(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, ready: int
) -> None:
    build(tmp_path / "usual", source, Tokenising())
    monkeypatch.setattr(encoding, "READY", ready)
    monkeypatch.setattr(encoding, "BLOCK", 7)
    read: list[int] = []
    real = Store.passage_texts

    def texts(store: Store, start: int, stop: int) -> Any:
        read.append(start)
        return real(store, start, stop)

    monkeypatch.setattr(Store, "passage_texts", texts)
    build(tmp_path / "other", source, Tokenising())
    assert read
    assert contents(tmp_path / "other")[0] == contents(tmp_path / "usual")[0]


def test_what_is_there_already_is_not_cut_again(
    tmp_path: Path, source: Path, children: list[Popen[bytes]]
) -> None:
    folder = tmp_path / "index"
    build(folder, source, Tokenising())
    children.clear()
    report = build(folder, source, Tokenising())
    assert not children
    assert report.added == report.replaced == 0


def test_values_that_only_python_has(
    tmp_path: Path, children: list[Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = records()
    given[44]["read"] = date(2026, 1, 1)
    alone = in_this_process(tmp_path / "alone", given, monkeypatch)
    build(tmp_path / "together", given, Tokenising())
    assert children
    assert contents(tmp_path / "together") == contents(alone)


def test_strict_stops_at_the_first_bad_record(
    tmp_path: Path, source: Path, children: list[Popen[bytes]]
) -> None:
    with pytest.raises(RecordError, match=r"line 30: id"):
        build(tmp_path / "index", source, Tokenising(), strict=True)
    assert children
    assert ended(children)
    assert build(tmp_path / "index", source, Tokenising()).unchanged == 29


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("the share is gone")])
def test_an_end_of_reading_ends_the_processes(
    tmp_path: Path, children: list[Popen[bytes]], error: Any
) -> None:
    def some() -> Iterator[dict[str, Any]]:
        yield from (long_record(n) for n in range(22))
        raise error

    with pytest.raises(error if isinstance(error, type) else type(error)):
        build(tmp_path / "index", some(), Tokenising())
    assert children
    assert ended(children)
    again = [long_record(n) for n in range(22)]
    assert build(tmp_path / "index", again, Tokenising()).papers == 22
