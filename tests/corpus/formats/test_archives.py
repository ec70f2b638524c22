"""ZIP archives of papers: each file in them is read, and kept up with."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from tests.conftest import shared
from tests.corpus.fakes import FakeEmbedder, build
from workbench.corpus.formats import reading
from workbench.corpus.formats.reading import read_file
from workbench.engines.embedded.indexing import Indexer

FILES = {
    "lib/a.bib": "@article{a, title={Kelp forests}}",
    "b.ris": "TY  - JOUR\nTI  - Urchins graze\nER  - \n",
    "__MACOSX/b.ris": "nothing of ours",
    ".DS_Store": "nothing of ours",
    "read me.txt": "hello",
}


def archive(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in files.items():
            made.writestr(name, text)
    return path


def test_the_files_of_an_archive(tmp_path: Path) -> None:
    path = archive(tmp_path / "papers.zip", FILES)
    with zipfile.ZipFile(path, "a") as made:
        made.write(shared("data/exports/jabref/Keim2024.pdf"), "lib/paper.pdf")
        made.write(archive(tmp_path / "inner.zip", FILES), "inner.zip")
    entries = {entry.file.removeprefix(f"{path}/"): entry for entry in read_file(path)}
    assert set(entries) == {"lib/a.bib", "b.ris", "read me.txt", "lib/paper.pdf", "inner.zip"}
    assert (entries["lib/a.bib"].record or {})["title"] == "Kelp forests"
    assert "url" not in (entries["lib/paper.pdf"].record or {})
    assert "in another one" in entries["inner.zip"].problem
    assert "no format" in entries["read me.txt"].problem


def test_sync_reads_an_archive_that_changed_and_no_other(tmp_path: Path) -> None:
    path, folder = archive(tmp_path / "papers.zip", FILES), tmp_path / "index"
    assert build(folder, path).added == 2
    assert Indexer(folder, FakeEmbedder()).refresh().deleted == 0
    archive(path, {**FILES, "b.ris": FILES["b.ris"].replace("graze", "eat")})
    os.utime(path, ns=(1, 1))
    report = Indexer(folder, FakeEmbedder()).refresh()
    assert (report.added, report.unchanged) == (1, 1)


def test_what_would_fill_the_disk_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_UNPACKED", 10)
    entries = list(read_file(archive(tmp_path / "a.zip", FILES)))
    assert [entry.problem.split()[0] for entry in entries] == ["over", "over", "text"]


def test_a_damaged_archive_is_one_reject(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", FILES)
    path.write_bytes(path.read_bytes()[:-30])
    [entry] = read_file(path)
    assert "cut-off" in entry.problem
