"""Changing an index: only what is new is embedded, and the result is that of one made at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from tests.conftest import paper_record
from tests.corpus.fakes import FakeEmbedder, build, follow, found, long_record
from workbench.corpus.manifest import STORE, VECTORS, read_manifest
from workbench.corpus.store import Store
from workbench.engines.embedded.engine import EmbeddedEngine
from workbench.engines.embedded.indexing import Indexer
from workbench.errors import CorpusMismatch
from workbench.records import Query

WriteJsonl = Callable[..., Path]
QUERIES = ["dense retrieval feedback", "query term weighting", "speech", "citation graph evidence"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


def candidates(folder: Path, text: str) -> tuple[list[tuple[str, int]], Any]:
    """Every passage's key and its values in every signal."""
    query = Query(text, dict.fromkeys(text.split(), 1.0), FakeEmbedder().encode_query(text))
    rows = EmbeddedEngine(folder).candidates(query, 10_000)
    keys = list(zip(rows.paper_ids.tolist(), rows.numbers.tolist(), strict=True))
    return keys, rows.values


def assert_same(one: Path, other: Path) -> None:
    for query in QUERIES:
        (keys, values), (other_keys, other_values) = (
            candidates(one, query),
            candidates(other, query),
        )
        assert keys == other_keys
        np.testing.assert_allclose(values, other_values, rtol=0, atol=1e-6)
        assert found(one, query, 1000) == found(other, query, 1000)


@pytest.mark.parametrize("order", ["first", "reversed"])
def test_in_two_steps_as_at_once(folder: Path, write_jsonl: WriteJsonl, order: str) -> None:
    records = [long_record(n) for n in range(30)]
    build(folder, write_jsonl(records[:11] if order == "first" else records[11:]))
    build(folder, write_jsonl(records))
    build(folder.with_name("once"), write_jsonl(records))
    assert_same(folder, folder.with_name("once"))


def test_after_replacing_and_deleting_as_made_afresh(folder: Path, write_jsonl: WriteJsonl) -> None:
    follow(folder, write_jsonl([long_record(n) for n in range(30)]))
    new = [long_record(n, sentences=9) if n % 3 else long_record(n) for n in range(20)]
    follow(folder, write_jsonl(new), prune=True)
    build(folder.with_name("once"), write_jsonl(new))
    assert_same(folder, folder.with_name("once"))


def test_only_new_and_changed_papers_are_embedded(folder: Path, write_jsonl: WriteJsonl) -> None:
    build(folder, write_jsonl([paper_record(n) for n in range(10)]))
    records = [paper_record(n) for n in range(12)]
    records[4]["abstract"] = "Changed."
    embedder = FakeEmbedder()
    build(folder, write_jsonl(records), embedder)
    titles = [records[n]["title"] for n in (4, 10, 11)]
    assert [text.split(". ")[0] for text in embedder.encoded] == titles


def test_deleting_embeds_nothing(folder: Path, write_jsonl: WriteJsonl) -> None:
    build(folder, write_jsonl([paper_record(n) for n in range(10)]))
    embedder = FakeEmbedder()
    assert Indexer(folder, embedder).delete(["p001", "p002", "nobody"]) == 2
    assert embedder.encoded == []
    assert {hit[0] for hit in found(folder)}.isdisjoint({"p001", "p002"})


def test_a_deleted_paper_is_not_in_the_new_generation(
    folder: Path, write_jsonl: WriteJsonl
) -> None:
    build(folder, write_jsonl([paper_record(n) for n in range(3)]))
    Indexer(folder, FakeEmbedder()).delete(["p001"])
    with pytest.raises(Exception, match="no paper with id 'p001'"):
        EmbeddedEngine(folder).papers(["p001"])


def test_all_papers_deleted(folder: Path, write_jsonl: WriteJsonl) -> None:
    build(folder, write_jsonl([paper_record(n) for n in range(3)]))
    Indexer(folder, FakeEmbedder()).delete(["p000", "p001", "p002"])
    assert found(folder) == []
    assert read_manifest(folder).papers == 0


def test_an_empty_source_makes_an_index_that_opens_and_grows(
    folder: Path, write_jsonl: WriteJsonl
) -> None:
    build(folder, write_jsonl([]))
    assert found(folder) == []
    build(folder, write_jsonl([paper_record(1)]))
    assert [hit[0] for hit in found(folder)] == ["p001"]


def test_manifest_counts_living_papers_and_passages(folder: Path, write_jsonl: WriteJsonl) -> None:
    build(folder, write_jsonl([long_record(n) for n in range(6)]))
    before = read_manifest(folder)
    Indexer(folder, FakeEmbedder()).delete(["long0000", "long0001"])
    after = read_manifest(folder)
    assert (before.papers, after.papers) == (6, 4)
    assert (before.passages, after.passages) == (24, 16)


@pytest.mark.parametrize("make", [build, follow])
def test_nothing_new_publishes_no_generation(
    folder: Path, write_jsonl: WriteJsonl, make: Callable[[Path, Path], Any]
) -> None:
    source = write_jsonl([paper_record(n) for n in range(5)])
    make(folder, source)
    before = read_manifest(folder)
    make(folder, source)
    Indexer(folder, FakeEmbedder()).delete(["nobody"])
    assert read_manifest(folder) == before


def test_each_change_publishes_the_next_generation(folder: Path, write_jsonl: WriteJsonl) -> None:
    for count in (1, 2, 3):
        build(folder, write_jsonl([paper_record(n) for n in range(count)]))
        assert read_manifest(folder).generation == count


def test_the_generation_before_stays_and_older_ones_go(
    folder: Path, write_jsonl: WriteJsonl
) -> None:
    for count in range(1, 5):
        build(folder, write_jsonl([paper_record(n) for n in range(count)]))
    names = sorted(path.name for path in folder.glob("generation-*"))
    assert names == ["generation-000003", "generation-000004"]


def test_no_partial_files_are_left(folder: Path, write_jsonl: WriteJsonl) -> None:
    build(folder, write_jsonl([paper_record(1)]))
    assert not list(folder.rglob("*.partial"))
    assert not (folder / "write.pid").exists()


def test_a_failing_embedder_keeps_the_published_generation(
    folder: Path, write_jsonl: WriteJsonl
) -> None:
    class Broken(FakeEmbedder):
        def encode(self, texts: Any, **options: Any) -> Any:
            raise MemoryError

    build(folder, write_jsonl([paper_record(n) for n in range(3)]))
    before = found(folder)
    with pytest.raises(MemoryError):
        build(folder, write_jsonl([paper_record(n) for n in range(9)]), Broken())
    assert found(folder) == before


def test_indexing_again_finishes_what_a_failing_embedder_left(
    folder: Path, write_jsonl: WriteJsonl, monkeypatch: pytest.MonkeyPatch
) -> None:
    class BreaksOnce(FakeEmbedder):
        def encode(self, texts: Any, **options: Any) -> Any:
            if len(self.encoded) >= 20:
                raise MemoryError
            return super().encode(texts)

    monkeypatch.setattr("workbench.engines.embedded.encoding.BLOCK", 10)
    source = write_jsonl([paper_record(n) for n in range(50)])
    with pytest.raises(MemoryError):
        build(folder, source, BreaksOnce())
    rest = FakeEmbedder()
    build(folder, source, rest)
    assert len(rest.encoded) == 30


def test_an_unfinished_build_refuses_other_settings(folder: Path, write_jsonl: WriteJsonl) -> None:
    class Broken(FakeEmbedder):
        def encode(self, texts: Any, **options: Any) -> Any:
            raise MemoryError

    source = write_jsonl([paper_record(1)])
    with pytest.raises(MemoryError):
        build(folder, source, Broken())
    with pytest.raises(CorpusMismatch, match=r"unfinished build.*'fake-1'.*'fake-2'.*new folder"):
        build(folder, source, FakeEmbedder(fingerprint="fake-2"))


def test_passages_are_encoded_while_papers_are_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = Event()

    class Telling(FakeEmbedder):
        def encode(self, texts: Any, **options: Any) -> Any:
            began.set()
            return super().encode(texts)

    def papers() -> Iterator[Any]:
        yield from (paper_record(n) for n in range(20))
        assert began.wait(60), "nothing was encoded before the source ended"
        yield from (paper_record(n) for n in range(20, 35))

    monkeypatch.setattr("workbench.corpus.preparing.BATCH", 5)
    monkeypatch.setattr("workbench.engines.embedded.encoding.BLOCK", 10)
    embedder = Telling()
    report = build(folder, papers(), embedder)
    assert {"read", "cut", "analyse", "store", "encode", "waiting"} <= report.seconds.keys()
    once = FakeEmbedder()
    build(folder.with_name("once"), [paper_record(n) for n in range(35)], once)
    assert embedder.encoded == once.encoded
    for name in (STORE, VECTORS):
        assert _written(folder, name) == _written(folder.with_name("once"), name)


def _written(folder: Path, name: str) -> Any:
    if name == VECTORS:
        return (folder / VECTORS).read_bytes()
    with closing(Store(folder / STORE)) as store:
        rows = store.passage_count
        return [store.postings(field, 0, rows) for field in ("body", "title")], store.state("stamp")


def test_reading_ends_where_encoding_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = Event()

    class Broken(FakeEmbedder):
        def encode(self, texts: Any, **options: Any) -> Any:
            failed.set()
            raise MemoryError

    def papers() -> Iterator[Any]:
        yield from (paper_record(n) for n in range(20))
        assert failed.wait(60)
        yield from (paper_record(n) for n in range(20, 100_000))

    monkeypatch.setattr("workbench.corpus.preparing.BATCH", 5)
    monkeypatch.setattr("workbench.engines.embedded.encoding.BLOCK", 10)
    with pytest.raises(MemoryError):
        build(folder, papers(), Broken())
    rest = FakeEmbedder()
    assert build(folder, [paper_record(n) for n in range(20)], rest).papers == 20
    assert len(rest.encoded) < 100
