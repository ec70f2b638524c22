"""The manifest: what identifies an index, and what is said where it does not fit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import paper_record
from workbench.corpus.manifest import NAME, Manifest, read_manifest, write_manifest
from workbench.errors import CorpusMismatch, CorpusNotFound
from workbench.session import Workbench

from .fakes import FakeEmbedder, build, found

WriteJsonl = Callable[..., Path]
RECORDS = [paper_record(n) for n in range(5)]


@pytest.fixture
def folder(tmp_path: Path, write_jsonl: WriteJsonl) -> Path:
    """An index of five papers."""
    build(tmp_path / "index", write_jsonl(RECORDS))
    return tmp_path / "index"


def fingerprint(folder: Path, source: Path, embedder: FakeEmbedder | None = None) -> str:
    build(folder, source, embedder)
    return read_manifest(folder).fingerprint


def test_fingerprint_is_the_same_in_another_order(folder: Path, write_jsonl: WriteJsonl) -> None:
    other = fingerprint(folder.with_name("other"), write_jsonl(RECORDS[::-1]))
    assert read_manifest(folder).fingerprint == other


def test_fingerprint_is_the_same_in_two_steps(folder: Path, write_jsonl: WriteJsonl) -> None:
    other = folder.with_name("other")
    first = fingerprint(other, write_jsonl(RECORDS[:2]))
    assert first != fingerprint(other, write_jsonl(RECORDS)) == read_manifest(folder).fingerprint


def test_fingerprint_returns_with_the_contents(folder: Path, write_jsonl: WriteJsonl) -> None:
    before = read_manifest(folder)
    build(folder, write_jsonl([*RECORDS[1:], paper_record(0, venue="TOIS")]))
    assert read_manifest(folder).fingerprint != before.fingerprint
    build(folder, write_jsonl(RECORDS))
    assert read_manifest(folder).fingerprint == before.fingerprint


@pytest.mark.parametrize("change", [{"fingerprint": "fake-2"}, {"window": 32}])
def test_fingerprint_changes_with_the_settings(
    folder: Path, write_jsonl: WriteJsonl, change: dict[str, Any]
) -> None:
    other = fingerprint(folder.with_name("other"), write_jsonl(RECORDS), FakeEmbedder(**change))
    assert read_manifest(folder).fingerprint != other


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"fingerprint": "fake-2"}, "model_fingerprint 'fake-1', but 'fake-2'"),
        ({"window": 32}, "chunking"),
        ({"dimension": 16}, "dimension 32, but 16"),
    ],
)
def test_indexing_with_other_settings_is_refused(
    folder: Path, write_jsonl: WriteJsonl, change: dict[str, Any], named: str
) -> None:
    with pytest.raises(CorpusMismatch, match=rf"{named}.*into a new place"):
        build(folder, write_jsonl(RECORDS), FakeEmbedder(**change))


@pytest.mark.parametrize("change", [{"fingerprint": "fake-2"}, {"dimension": 16}])
def test_opening_with_another_model_is_refused(folder: Path, change: dict[str, Any]) -> None:
    with pytest.raises(CorpusMismatch, match="use the model it was made with"):
        Workbench(folder, embedder=FakeEmbedder(**change))


def test_a_newer_format_asks_for_an_update(folder: Path, write_jsonl: WriteJsonl) -> None:
    values = json.loads((folder / NAME).read_text())
    (folder / NAME).write_text(json.dumps({**values, "format": 99}))
    with pytest.raises(CorpusMismatch, match=r"format 99.*update the package"):
        found(folder)
    with pytest.raises(CorpusMismatch, match="update the package"):
        build(folder, write_jsonl(RECORDS))


def test_a_field_of_a_later_version_is_passed_over(folder: Path) -> None:
    values = json.loads((folder / NAME).read_text())
    (folder / NAME).write_text(json.dumps({**values, "later": 1}))
    assert len(found(folder)) == 5


DAMAGED = pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"format": "x"}', b"\xff\xfe"]
)


@DAMAGED
def test_a_damaged_manifest_is_a_mismatch_with_a_remedy(folder: Path, content: bytes) -> None:
    (folder / NAME).write_bytes(content)
    with pytest.raises(CorpusMismatch, match=rf"{NAME}.*workbench index"):
        found(folder)


@DAMAGED
def test_the_remedy_for_a_damaged_manifest_works(
    folder: Path, write_jsonl: WriteJsonl, content: bytes
) -> None:
    before = found(folder)
    (folder / NAME).write_bytes(content)
    embedder = FakeEmbedder()
    build(folder, write_jsonl(RECORDS), embedder)
    assert found(folder) == before
    assert embedder.encoded == []


def test_a_missing_manifest_is_no_index(tmp_path: Path) -> None:
    with pytest.raises(CorpusNotFound, match="workbench index"):
        read_manifest(tmp_path)


def test_a_missing_generation_is_a_mismatch_with_a_remedy(folder: Path) -> None:
    shutil.rmtree(folder / read_manifest(folder).folder)
    with pytest.raises(CorpusMismatch, match=r"generation-000001 is missing.*`workbench index`"):
        found(folder)


def test_the_remedy_for_a_missing_generation_works(folder: Path, write_jsonl: WriteJsonl) -> None:
    before = found(folder)
    shutil.rmtree(folder / read_manifest(folder).folder)
    embedder = FakeEmbedder()
    build(folder, write_jsonl(RECORDS), embedder)
    assert found(folder) == before
    assert embedder.encoded == []


@pytest.mark.parametrize("name", ["ids.npy", "alive.npy", "body/data.csc.index.npy"])
@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_damaged_array_is_a_mismatch(folder: Path, name: str, damage: str) -> None:
    path = folder / read_manifest(folder).folder / name
    content = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CorpusMismatch, match="workbench index"):
        found(folder)


def test_a_manifest_comes_back_as_written(tmp_path: Path) -> None:
    manifest = Manifest("a", "c", "m", "f", 3, 0.9, 0.4, papers=2, source={"size": 1})
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest


def test_writing_leaves_only_the_manifest(tmp_path: Path) -> None:
    write_manifest(tmp_path, Manifest("a", "c", "m", "f", 3, 0.9, 0.4))
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
