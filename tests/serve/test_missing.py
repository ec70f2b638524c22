"""Files of a corpus that vanish or are damaged while it is served: no wrong answer, no 5xx but a
503 that says so, and all is well again when they are back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serve.test_gate import asked, made, run_loop
from tests.servers.service import Service, serving
from tests.waiting import HANG
from workbench.corpus.manifest import STORE, VECTORS
from workbench.opening import open_corpus
from workbench.serve.faults import GONE
from workbench.serve.graph import papers
from workbench.session import Workbench

pytestmark = pytest.mark.usefixtures("one_model")

OWN = "/search?query=late+interaction&k=5"
GRAPH = "/graph/v1/paper/search?query=late+interaction&limit=5"
PATHS = (OWN, GRAPH, "/graph/v1/paper/santhanam2022plaid", "/graph/v1/snippet/search?query=bm25")


@pytest.fixture(scope="module")
def right(landmarks: Workbench) -> list[Any]:
    """What is answered while all files are there."""
    gate, service = made(landmarks)
    answers = run_loop(asked(gate, *PATHS))
    service.close()
    return [told(answer) for answer in answers]


def told(answer: httpx.Response) -> Any:
    """What an answer says, but for how long it took."""
    return {name: value for name, value in answer.json().items() if name != "timings_ms"}


@pytest.fixture(scope="module")
def whole(landmarks: Workbench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """A copy of the index whose files may be taken away, if they are put back."""
    place = tmp_path_factory.mktemp("missing") / "corpus"
    shutil.copytree(landmarks.folder, place)
    with open_corpus(place, progress=False) as bench:
        yield bench


def gone(path: Path) -> None:
    path.unlink()


def other(path: Path) -> None:
    """Something else stands there, in a file of its own: what is mapped stays as it is."""
    path.unlink()
    path.write_bytes(b"none of it" * 50)


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])


def empty(path: Path) -> None:
    path.unlink()
    path.touch()


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def files_of(index: Path) -> list[str]:
    """The files of an index, those of SQLite's own left out."""
    every = (path.relative_to(index) for path in index.rglob("*") if path.is_file())
    return sorted(str(path) for path in every if not path.name.endswith(("-wal", "-shm", ".lock")))


@given(data=st.data(), opened=st.booleans())
@settings(max_examples=30)
def test_any_file_may_go_and_come_back(
    whole: Workbench, right: list[Any], data: st.DataObject, opened: bool
) -> None:
    index = whole.folder
    path = index / data.draw(st.sampled_from(files_of(index)), label="file")
    deed = data.draw(st.sampled_from((gone, other, cut, empty, folder)), label="deed")
    gate, service = made(whole)
    if opened:
        run_loop(asked(gate, "/search?query=bm25"))
    kept = index.with_name("kept")
    shutil.copy2(path, kept)
    try:
        deed(path)
        found = run_loop(asked(gate, *PATHS))
        service.look()
        [ready] = run_loop(asked(gate, "/health/ready"))
    finally:
        if path.is_dir():
            path.rmdir()
        os.replace(kept, path)
    for name, answer, expected in zip(PATHS, found, right, strict=True):
        if answer.status_code == 200:
            assert told(answer) == expected
        else:
            assert answer.status_code == (503 if name == OWN else 429)
            assert answer.json()["message"] == GONE
            assert ready.status_code == 503
    assert (ready.status_code == 200) == (ready.json()["status"] == "ready")
    service.look()
    again = run_loop(asked(gate, *PATHS, "/health/ready"))
    assert [answer.status_code for answer in again] == [200] * 5
    assert [told(answer) for answer in again[:4]] == right
    service.close()


@pytest.mark.parametrize("name", ["manifest.json", STORE, VECTORS])
def test_health_says_what_an_idle_worker_could_not_open(whole: Workbench, name: str) -> None:
    gate, service = made(whole)
    path = whole.folder / name
    aside = path.rename(whole.folder.with_name("aside"))
    try:
        service.look()
        [ready] = run_loop(asked(gate, "/health/ready"))
    finally:
        aside.rename(path)
    assert (ready.status_code, ready.json()["status"]) == (503, GONE)
    assert ready.json()["corpus"] == {"open": False}
    service.look()
    [ready] = run_loop(asked(gate, "/health/ready"))
    assert ready.status_code == 200
    service.close()


def test_a_start_repairs_what_derives_from_papers_and_nothing_else(
    landmarks: Workbench, tmp_path: Path
) -> None:
    index = Path(shutil.copytree(landmarks.folder, tmp_path / "corpus"))
    [title] = index.glob("generation-*/title")
    shutil.rmtree(title)
    with serving(str(index), "--no-log") as service:
        assert httpx.get(service.url + OWN, timeout=HANG).status_code == 200
    (index / STORE).unlink()
    with pytest.raises(RuntimeError, match=rf"Error: .*{STORE}"):
        Service(str(index), "--preload")


@pytest.fixture
def look_ups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process keeps its look-ups, for one test."""
    monkeypatch.setattr(papers, "catalogue_folder", lambda: tmp_path)
    monkeypatch.setattr("workbench.serve.serving.catalogue_folder", lambda: tmp_path)
    return tmp_path


@pytest.mark.parametrize("deed", [gone, other, cut, empty])
def test_damaged_look_ups_are_made_anew(
    landmarks: Workbench, look_ups: Path, deed: Callable[[Path], None]
) -> None:
    paths = "/graph/v1/paper/ARXIV:2205.09707", "/graph/v1/paper/search/bulk?query=colbert"
    gate, service = made(landmarks)
    right = [answer.content for answer in run_loop(asked(gate, *paths))]
    service.close()
    files = list(look_ups.glob("*.sqlite"))
    assert len(files) == 2
    for path in files:
        deed(path)
    gate, service = made(landmarks)
    answers = run_loop(asked(gate, *paths))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.content for answer in answers] == right
    service.close()


def test_lists_that_cannot_be_kept_fail_no_request(landmarks: Workbench, tmp_path: Path) -> None:
    """What cleans /tmp takes the service's folder away; a new worker makes it again."""
    page = "/graph/v1/paper/search?query=compression&limit=5&offset="
    for _ in range(2):
        gate, service = made(landmarks, own=tmp_path / "service")
        assert run_loop(asked(gate, page + "0"))[0].status_code == 200
        shutil.rmtree(tmp_path / "service")
        later = run_loop(asked(gate, page + "5", page.replace("compression", "sparse") + "0"))
        assert [answer.status_code for answer in later] == [200, 200]
        service.close()


def test_a_profile_that_is_damaged_is_nobody_elses(
    landmarks: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_PROFILES", str(tmp_path))
    (tmp_path / "torn.toml").write_text("name = [")
    gate, service = made(landmarks)
    listed, named = run_loop(asked(gate, "/profiles", f"{OWN}&profile=torn"))
    assert "torn" not in listed.json()["profiles"]
    assert named.status_code == 400
    assert str(tmp_path) not in named.text
    assert service.away == ""
    service.close()
