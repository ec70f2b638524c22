"""What a new generation takes over from the one before is what it would make anew."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import paper_record
from tests.corpus.fakes import FakeEmbedder, analysed_paper, found
from tests.engines.embedded.projected import small_is_large
from workbench.corpus.manifest import STORE, read_manifest
from workbench.corpus.store import Store
from workbench.corpus.writer import StoreWriter
from workbench.engines.embedded import generation, lexical_update
from workbench.engines.embedded.engine import EmbeddedEngine
from workbench.engines.embedded.indexing import Indexer
from workbench.engines.embedded.lexical import build_field
from workbench.engines.embedded.lexical_update import update_field
from workbench.records import Paper

WriteJsonl = Callable[..., Path]
DOCUMENTS = st.lists(
    st.dictionaries(st.sampled_from([f"t{n}" for n in range(9)]), st.integers(1, 70_000)),
    max_size=8,
)


def add(store: StoreWriter, documents: Sequence[dict[str, int]]) -> None:
    first = store.paper_count
    store.add(
        [
            analysed_paper(Paper(str(n), "T"), ((0, 1, counts),), counts)
            for n, counts in enumerate(documents, start=first)
        ]
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(old=DOCUMENTS, new=DOCUMENTS, chunk=st.integers(1, 30), data=st.data())
def test_an_updated_field_has_the_bytes_of_one_made_anew(
    tmp_path_factory: pytest.TempPathFactory,
    old: list[dict[str, int]],
    new: list[dict[str, int]],
    chunk: int,
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("u")
    with closing(StoreWriter(folder / "x.sqlite")) as store, pytest.MonkeyPatch.context() as patch:
        patch.setattr(lexical_update, "CHUNK", chunk)
        add(store, old)
        gone = data.draw(st.sets(st.integers(0, max(len(old) - 1, 0))))
        store.delete([str(n) for n in gone if n % 3 == 0])
        build_field(store, "body", store.paper_count, folder / "old", 0.9, 0.4)
        add(store, new)
        store.delete([str(n) for n in gone])
        alive = np.array([bool(living) for _, _, _, living in store.paper_rows()], dtype=bool)
        update_field(store, "body", alive, folder / "updated", 0.9, 0.4, folder / "old")
        build_field(store, "body", store.paper_count, folder / "anew", 0.9, 0.4)
    assert contents(folder / "updated") == contents(folder / "anew")


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.lists(st.tuples(st.text("abé", min_size=1, max_size=5), st.booleans()), max_size=6),
        min_size=2,
        max_size=4,
    )
)
def test_rows_that_are_taken_over_have_the_bytes_of_all_read_anew(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[tuple[str, bool]]]
) -> None:
    folder, before = tmp_path_factory.mktemp("rows"), None
    with closing(StoreWriter(folder / "x.sqlite")) as store:
        for number, step in enumerate(steps):
            papers = {name: Paper(name, "T", year=2000 + number) for name, _ in step}
            passages = [((n, n + 1, {"t": 1}) for n in range(1 + number)) for _ in papers]
            store.add(
                [
                    analysed_paper(paper, tuple(spans), {"t": 1})
                    for paper, spans in zip(papers.values(), passages, strict=True)
                ]
            )
            store.delete([name for name, gone in step if gone])
            (grown := folder / f"grown-{number}").mkdir()
            (anew := folder / f"anew-{number}").mkdir()
            generation._write_rows(store, grown, before)
            generation._write_rows(store, anew, None)
            assert contents(grown) == contents(anew)
            before = grown


@pytest.fixture
def updates(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The fields that were updated, in order."""
    seen: list[str] = []

    def update(store: Store, field: str, *rest: Any) -> None:
        seen.append(field)
        update_field(store, field, *rest)

    monkeypatch.setattr(generation, "update_field", update)
    return seen


@pytest.fixture
def folder(tmp_path: Path, write_jsonl: WriteJsonl) -> Path:
    Indexer(tmp_path / "c", FakeEmbedder()).add(write_jsonl([paper_record(n) for n in range(30)]))
    return tmp_path / "c"


def add_some(folder: Path, write_jsonl: WriteJsonl, start: int = 25) -> None:
    records = [paper_record(n) for n in range(start, start + 12)]
    records[1]["abstract"] = "Wholly other words: zebra, giraffe, okapi."
    Indexer(folder, FakeEmbedder()).add(write_jsonl(records))


def made_anew(folder: Path, tmp_path: Path) -> dict[str, bytes]:
    manifest = read_manifest(folder)
    with closing(Store(folder / STORE)) as store:
        build_field(store, "body", manifest.passage_rows, tmp_path / "anew", 0.9, 0.4)
    return contents(tmp_path / "anew")


def body(folder: Path) -> dict[str, bytes]:
    return contents(folder / read_manifest(folder).folder / "body")


def test_adding_and_deleting_take_over_what_was_there(
    folder: Path, write_jsonl: WriteJsonl, updates: list[str], tmp_path: Path
) -> None:
    add_some(folder, write_jsonl)
    Indexer(folder, FakeEmbedder()).delete(["p003", "p030"])
    assert updates == ["body", "title"] * 2
    assert body(folder) == made_anew(folder, tmp_path)


@pytest.mark.parametrize("name", ["body/counts.npy", "title/data.csc.index.npy", "dense/codes.npy"])
def test_nothing_damaged_is_taken_over(
    folder: Path, write_jsonl: WriteJsonl, updates: list[str], tmp_path: Path, name: str
) -> None:
    damaged = folder / read_manifest(folder).folder / name
    before = damaged.stat()
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)

    os.utime(damaged, ns=(before.st_atime_ns, before.st_mtime_ns))
    add_some(folder, write_jsonl)
    assert updates == []
    assert body(folder) == made_anew(folder, tmp_path)


def test_a_generation_without_counts_is_made_anew_once(
    folder: Path, write_jsonl: WriteJsonl, updates: list[str], tmp_path: Path
) -> None:
    for counts in folder.glob("generation-*/*/counts.npy"):
        counts.unlink()
    add_some(folder, write_jsonl)
    assert updates == []
    add_some(folder, write_jsonl, 60)
    assert updates == ["body", "title"]
    assert body(folder) == made_anew(folder, tmp_path)


def test_a_projection_is_kept_until_a_fifth_is_new(
    folder: Path, write_jsonl: WriteJsonl, tmp_path: Path
) -> None:
    digests = []
    with small_is_large():
        add_some(folder, write_jsonl, 100)
        digests.append(EmbeddedEngine(folder).fingerprint)
        Indexer(folder, FakeEmbedder()).add(write_jsonl([paper_record(200)]))
        digests.append(EmbeddedEngine(folder).fingerprint)
        add_some(folder, write_jsonl, 300)
        digests.append(EmbeddedEngine(folder).fingerprint)
    first, second, third = (digest.partition("+")[2] for digest in digests)
    assert first == second != third
    assert {hit[0] for hit in found(folder)} >= {"p200", "p301"}
