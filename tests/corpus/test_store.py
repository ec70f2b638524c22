"""The store on disk: what it gives back, to whom, and what it says when it is damaged."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import need, paper_record
from tests.corpus.fakes import analysed_paper
from workbench.corpus.manifest import STORE, VECTORS
from workbench.corpus.store import Store
from workbench.corpus.vectors import append_vectors, map_vectors
from workbench.corpus.writer import AnalysedPaper, StoreWriter, digest
from workbench.engines.embedded.engine import EmbeddedEngine
from workbench.errors import CorpusMismatch
from workbench.records import Filters, Paper

from .fakes import FakeEmbedder, build, found

WriteJsonl = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path, write_jsonl: WriteJsonl) -> Path:
    """An index of ten papers."""
    build(tmp_path / "index", write_jsonl([paper_record(n) for n in range(10)]))
    return tmp_path / "index"


@pytest.fixture
def store(tmp_path: Path) -> StoreWriter:
    return StoreWriter(tmp_path / "x.sqlite")


def analysed(paper_id: str, title: str = "T") -> AnalysedPaper:
    return analysed_paper(Paper(paper_id, title), ((0, len(title), {"t": 2}),), {"t": 1})


def test_rows_are_numbered_from_zero_without_gaps(store: StoreWriter) -> None:
    store.add([analysed("a"), analysed("b")])
    store.add([analysed("a", "New"), analysed("c")])
    assert [row[:2] for row in store.paper_rows()] == [(0, "a"), (1, "b"), (2, "a"), (3, "c")]
    assert list(store.passage_places()) == [(0, 0), (1, 0), (2, 0), (3, 0)]


def test_a_replaced_paper_is_read_as_of_its_generation(store: StoreWriter) -> None:
    store.add([analysed("a", "Old")])
    store.add([analysed("a", "New")])
    assert store.paper("a", before=1) == (0, Paper("a", "Old"))
    assert store.paper("a", before=2) == (1, Paper("a", "New"))


def test_delete_counts_the_living(store: StoreWriter) -> None:
    store.add([analysed("a"), analysed("b")])
    assert store.delete(["a", "a", "nobody"]) == 1
    assert store.delete(["a"]) == 0
    assert list(store.living_ids()) == ["b"]


def test_a_deleted_paper_can_be_added_again(store: StoreWriter) -> None:
    store.add([analysed("a")])
    store.delete(["a"])
    store.add([analysed("a")])
    assert list(store.living_ids()) == ["a"]


def test_a_failing_transaction_leaves_nothing(store: StoreWriter) -> None:
    broken = analysed_paper(Paper("b", "T"), (("no", "numbers", None),), {})
    with pytest.raises(Exception, match="NoneType"):
        store.add([analysed("a"), broken])
    assert store.paper_count == 0


def test_a_term_after_a_failing_transaction_gets_its_number(store: StoreWriter) -> None:
    broken = analysed_paper(Paper("b", "T"), ((0, 1, {"lost": 1}), (1, 2, None)), {})
    with pytest.raises(Exception, match="NoneType"):
        store.add([broken])
    store.add([analysed_paper(Paper("a", "T"), ((0, 1, {"kept": 1, "lost": 1}),), {})])
    assert sorted(store.term_numbers(["kept", "lost"]).values()) == [0, 1]


def test_many_terms_are_looked_up(store: StoreWriter) -> None:
    counts = {f"t{n}": 1 for n in range(1500)}
    store.add([analysed_paper(Paper("a", "T"), ((0, 1, counts),), {})])
    assert len(store.term_numbers([*counts, "unknown"])) == 1500


def test_state_is_kept(store: StoreWriter) -> None:
    store.set_state("key", [1, "two"])
    assert Store(store.path).state("key") == [1, "two"]
    assert store.state("other", "default") == "default"


@pytest.mark.parametrize("field", ["title", "abstract", "body", "venue", "doi", "year", "authors"])
def test_digest_changes_with_each_field(field: str) -> None:
    value = {"year": 2001, "authors": ("Ada",)}.get(field, "other")
    paper = Paper("a", "T")
    changed = Paper(**{"id": "a", "title": "T", field: value})
    assert digest(paper) == digest(Paper("a", "T")) != digest(changed)


@pytest.mark.parametrize("damage", ["missing", "empty", "text"])
def test_a_damaged_store_is_a_mismatch_with_a_remedy(folder: Path, damage: str) -> None:
    path = folder / STORE
    path.unlink()
    if damage != "missing":
        path.write_text("" if damage == "empty" else "no database " * 1000)
    with pytest.raises(CorpusMismatch, match=rf"{STORE}.*index` with a new folder"):
        found(folder)


def test_indexing_into_a_damaged_store_is_a_mismatch(folder: Path, write_jsonl: WriteJsonl) -> None:
    (folder / STORE).write_text("no database " * 1000)
    with pytest.raises(CorpusMismatch, match=rf"{STORE}.*index` with a new folder"):
        build(folder, write_jsonl([paper_record(1)]))


@pytest.mark.parametrize("name", ["with space", "per%20cent", "question?mark", "hash#", "Ümlaut"])
def test_any_folder_name(tmp_path: Path, write_jsonl: WriteJsonl, name: str) -> None:
    build(tmp_path / name, write_jsonl([paper_record(1)]))
    assert len(found(tmp_path / name)) == 1


def test_a_copied_folder_searches_the_same(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert found(copy) == found(folder)


def _without_root_rights(*command: str) -> list[str]:
    """As root, permissions bind only a process that gave up the right to override them."""
    if os.geteuid() != 0:
        return list(command)
    need(shutil.which("setpriv") is not None, "setpriv", "install util-linux")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]


def _run(code: str, folder: Path) -> str:
    command = _without_root_rights(sys.executable, "-c", code, str(folder))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    return done.stdout.strip() or done.stderr


@pytest.fixture
def read_only(folder: Path) -> Path:
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    return folder


def test_a_read_only_folder_can_be_searched(read_only: Path) -> None:
    code = "import sys, pathlib, fakes; print(fakes.found(pathlib.Path(sys.argv[1])))"
    assert _run(code, read_only) == str(found(read_only))


def test_indexing_into_a_read_only_folder_says_so(read_only: Path, write_jsonl: WriteJsonl) -> None:
    source = write_jsonl([paper_record(1)])
    code = f"import sys, pathlib, fakes; fakes.build(pathlib.Path(sys.argv[1]), {str(source)!r})"
    assert f"CorpusReadOnly: {read_only}: cannot write here" in _run(code, read_only)


def test_truncated_vectors_are_a_mismatch_with_a_remedy(folder: Path) -> None:
    os.truncate(folder / VECTORS, 100)
    with pytest.raises(CorpusMismatch, match=rf"{VECTORS} has 100 bytes.*`workbench index` again"):
        found(folder)


def test_missing_vectors_are_a_mismatch_with_a_remedy(folder: Path) -> None:
    (folder / VECTORS).unlink()
    with pytest.raises(CorpusMismatch, match=rf"{VECTORS} is missing.*`workbench index` again"):
        found(folder)


def test_adding_after_truncated_vectors_leaves_no_row_without_its_vector(
    folder: Path, write_jsonl: WriteJsonl
) -> None:
    os.truncate(folder / VECTORS, 100)
    try:
        build(folder, write_jsonl([paper_record(n) for n in range(12)]))
    except CorpusMismatch:
        return
    rows = map_vectors(folder / VECTORS, 12, FakeEmbedder().dimension)
    assert (rows**2).sum(axis=1) == pytest.approx(1)


def test_appended_vectors_replace_an_interrupted_append(tmp_path: Path) -> None:
    path = tmp_path / "v"
    first, second = (FakeEmbedder().encode([text]) for text in ("first", "second"))
    append_vectors(path, 0, first)
    path.write_bytes(path.read_bytes() + b"half a row")
    assert append_vectors(path, 1, second) == 2
    assert path.read_bytes() == first.tobytes() + second.tobytes()


def test_an_open_engine_reads_the_old_text_of_a_replaced_paper(
    folder: Path, write_jsonl: WriteJsonl
) -> None:
    engine = EmbeddedEngine(folder)
    build(folder, write_jsonl([paper_record(3, abstract="New text.")]))
    (old,), (new,) = engine.papers(["p003"]), EmbeddedEngine(folder).papers(["p003"])
    assert old.abstract == paper_record(3)["abstract"]
    assert new.abstract == "New text."
    assert engine.passages([("p003", 0)])[0].text == old.text


def test_an_open_engine_still_searches_as_before(folder: Path, write_jsonl: WriteJsonl) -> None:
    query, embedder = "dense vectors in experiment", FakeEmbedder()
    from workbench.session import Workbench

    with Workbench(folder, embedder=embedder) as bench:
        build(folder, write_jsonl([paper_record(n) for n in range(5, 40)]))
        late = [(hit.paper.id, hit.score) for hit in bench.search(query, 20)]
    build(folder.with_name("fresh"), write_jsonl([paper_record(n) for n in range(10)]))
    assert late == [hit[:2] for hit in found(folder.with_name("fresh"), query)]


def test_filters_of_an_open_engine_pass_over_later_papers(
    folder: Path, write_jsonl: WriteJsonl
) -> None:
    from workbench.records import Query

    engine = EmbeddedEngine(folder)
    build(folder, write_jsonl([paper_record(n) for n in range(30)]))
    query = Query("x", {}, FakeEmbedder().encode_query("dense"))
    candidates = engine.candidates(query, 100, Filters(author=("ada lovelace",)))
    assert set(candidates.paper_ids) == {f"p{n:03d}" for n in range(10)}
