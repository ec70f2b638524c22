"""Files that a person keeps survive what goes wrong while they are written again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench as wb
from workbench.errors import EvaluationError, ProfileError, RecordingError
from workbench.evaluation.judgments.entry import Entry
from workbench.evaluation.judgments.exchange import read_csv, write_csv
from workbench.monitor.recording import Recorder
from workbench.system.files import replacing

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_a_block_that_fails_leaves_the_earlier_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "kept.txt"
    path.write_text("earlier")
    with pytest.raises(TypeError), replacing(path) as stream:
        stream.writelines(["half", 1])
    assert (path.read_text(), os.listdir(tmp_path)) == ("earlier", ["kept.txt"])


def test_links_are_followed_and_permissions_stay(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("earlier")
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with replacing(tmp_path / "link") as stream:
        stream.write("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o640


def test_a_device_is_written_to_as_it_is() -> None:
    code = (
        "from workbench.system.files import replacing\n"
        "with replacing('/dev/stdout') as stream: stream.write('shown')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "shown"


def export_csv(path: Path) -> None:
    judgments = wb.Judgments(path.parent / "judgments.jsonl", who="ann")
    judgments.add("q", "p" * 9000, 1)
    judgments.export_csv(path)


def export_qrels(path: Path) -> None:
    judgments = wb.Judgments(path.parent / "judgments.jsonl", who="ann")
    judgments.add("q", "p" * 9000, 1)
    judgments.export_qrels(path)


WRITERS: dict[str, Callable[[Path], object]] = {
    "csv": export_csv,
    "qrels": export_qrels,
    "recording": lambda path: Recorder(path, {"x": "y" * 9000}, replace=True).close(),
}  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size")
@pytest.mark.parametrize("kind", WRITERS)
def test_a_full_disk_keeps_the_earlier_export(tmp_path: Path, kind: str) -> None:
    """RLIMIT_FSIZE fails a write half-way, as a full disk does."""
    import resource
    import signal

    path = tmp_path / "export"
    WRITERS[kind](path)
    before = path.read_bytes()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises((EvaluationError, RecordingError, OSError)):
            WRITERS[kind](path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    assert path.read_bytes() == before
    assert not list(tmp_path.glob(".*.part"))


texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\n\0"), min_size=1)


@given(st.sampled_from(["", "=", "+", "@", "'", "''=", "\t"]), texts, texts)
def test_csv_holds_no_formula_and_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, start: str, ids: str, note: str
) -> None:
    path = tmp_path_factory.mktemp("csv") / "export.csv"
    made = Entry("judge", start + ids, start + ids, 1, "ann", NOW, note=start + note, id="1")
    write_csv(path, [made])
    import csv

    with path.open(encoding="utf-8", newline="") as stream:
        cells = list(csv.reader(stream))[1]
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "@", "\t")]
    (found,) = read_csv(path, "ann", NOW)
    assert (found.query_id, found.paper_id, found.note) == (made.query_id, made.paper_id, made.note)


@pytest.mark.parametrize(
    "url",
    [
        "me:s3cret@host:9200", "//me:s3cret@host", "http://me:s3c,ret@host", "me:s3cret",
        "http://me:s3#cret@host", "http://[me:s3cret@host", "http://host:s3cret",
        "http://host/?key=s3cret", "http://host/#s3cret", "https:me:s3cret@host",
    ],
)  # fmt: skip
def test_a_url_with_a_secret_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ProfileError) as caught:
        wb.Elasticsearch(url)
    assert "cret" not in str(caught.value)
