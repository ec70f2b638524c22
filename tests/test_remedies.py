"""Remedies in messages: whoever does what an error says gets further, and loses nothing.

A remedy that only asks for another argument ("give", "choose one of", "name") is tried by whoever
calls again. Those that touch files, processes or the machine are tried here, or where the table
says, or the table says why not.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import workbench as wb
from tests.conftest import ROOT, need, paper_record
from tests.corpus.fakes import FakeEmbedder, build, found
from workbench import errors
from workbench.corpus.collection import read_queries
from workbench.corpus.faults import disk_faults
from workbench.corpus.formats.reading import read_source
from workbench.corpus.readers import read_entries
from workbench.errors import (
    CorpusMismatch,
    CorpusNotFound,
    CorpusUnavailable,
    EvaluationError,
    ExperimentError,
    ModelRejected,
    RecordError,
    RecordingError,
    UnsupportedSource,
)
from workbench.experiments.store import ExperimentStore
from workbench.models.weights.find import find_model
from workbench.monitor import recording
from workbench.monitor.recording import Recorder, read_recording

ACTS = re.compile(
    r"\b(restore|delete|remove|copy|run|set|make|raise|close|change|free|wait|stop|update|reinstall"
    r"|install|fetch|convert|mend|unset|unpack|write (it|them) (again|to)|put|take .{1,12} out"
    r"|split|judge again|record again|open (it|the corpus) again|open that|check the (disk|driver)"
    r"|end|choose (a|another) (folder|place|file)|try again|bring|index (the|a|it)|start it"
    r"|ask again|retrieve more|rename)\b",
    re.IGNORECASE,
)

HERE, FAULTS, ELASTIC = (
    "tests/test_remedies.py",
    "tests/corpus/test_faults.py",
    "tests/engines/elastic",
)
TRIED = {
    "copy the whole folder to a place where it can": f"{HERE}::test_a_live_copy",
    "ulimit -n 4096": f"{FAULTS}::test_too_few_handles_are_a_passing_fault",
    "close other sessions, or look": f"{FAULTS}::test_too_few_handles_are_a_passing_fault",
    "make room and run the same": f"{FAULTS}::"
    "test_a_full_disk_is_an_error_with_a_remedy_and_no_signal",
    "restore the file from a copy, or run": f"{FAULTS}::test_the_remedies_for_a_lost_store_work",
    "check the disk or the connection": f"{HERE}::test_a_device_that_answers_again",
    "{}; try again": f"{HERE}::test_a_device_that_answers_again",
    "close it there and try again": f"{FAULTS}::test_a_foreign_lock_is_said_to_be_one",
    "all files in it writable": f"{HERE}::test_permissions",
    "change its permissions": f"{HERE}::test_permissions",
    "choose a folder that you may write to": f"{HERE}::test_permissions",
    "choose a file that you may write to": f"{HERE}::test_permissions",
    "set WORKBENCH_PROFILES": f"{HERE}::test_permissions",
    "set WORKBENCH_CACHE": f"{HERE}::test_permissions",
    "write it to a file first": f"{HERE}::test_a_pipe_written_to_a_file",
    "it is taken up by itself": "tests/serve/test_workers.py::"
    "test_an_index_that_is_gone_is_said_and_taken_up_again",
    "put papers into it": f"{HERE}::test_a_folder_that_gets_papers",
    "put one of": f"{HERE}::test_a_folder_that_gets_papers",
    "run `workbench index SOURCE": f"{HERE}::test_a_folder_that_is_indexed",
    "make a corpus of it with": f"{HERE}::test_a_folder_that_is_indexed",
    "wait for it to finish, or stop it": "tests/corpus/test_lock.py::test_the_lock_goes_at_the_end",
    "run `workbench index` again": "tests/corpus/test_manifest.py::"
    "test_the_remedy_for_a_missing_generation_works",
    "open the corpus again, what is missing": f"{FAULTS}::"
    "test_a_session_names_the_remedy_for_damage_and_it_works",
    "restore the folder, or make a new one": f"{FAULTS}::"
    "test_a_folder_removed_under_an_open_session_is_not_made_anew",
    "index the source into a new place": f"{HERE}::test_another_model_in_a_new_folder",
    "index into a new folder": f"{HERE}::test_another_model_in_a_new_folder",
    "use the model it was made with": f"{HERE}::test_another_model_in_a_new_folder",
    "open it with another runtime": "tests/models/embedders/test_runtimes.py::"
    "test_what_does_not_agree_is_refused",
    "iconv -f latin1 -t utf-8": f"{HERE}::test_latin_1_that_is_converted",
    "mend the line or take it out": f"{HERE}::test_a_judgment_line_taken_out",
    "copy the lines after the first": f"{HERE}::test_a_snapshot_copied_into_a_new_file",
    "stop it, or judge again when": "tests/evaluation/judgments/test_journal.py::"
    "test_a_process_that_holds_the_lock_too_long_is_an_error",
    "Free some space, then judge again": "tests/evaluation/judgments/test_journal.py::"
    "test_a_full_disk_adds_nothing_and_says_so",
    "remove that line, or record again": f"{HERE}::test_a_recording_without_its_bad_line",
    "keeping its first line in each part": f"{HERE}::test_a_recording_that_is_split",
    "convert it to {}": f"{HERE}::test_a_pickle_that_is_converted",
    "convert it to model.safetensors": f"{HERE}::test_a_pickle_that_is_converted",
    "restore it from a copy": f"{HERE}::test_experiments_restored_from_a_copy",
    "copy the whole folder {}": f"{HERE}::test_experiments_restored_from_a_copy",
    "delete the file, it is made again": "tests/models/onnx/test_cache.py::"
    "test_a_damaged_graph_is_noticed_and_made_anew",
    "end them, or use a smaller model": "tests/models/embedders/test_torch_embedder.py::"
    "test_a_text_that_never_fits_is_an_error_with_need_and_remedy",
    "then remove index.blocks": f"{ELASTIC}/wire/test_faults.py::"
    "test_a_read_only_cluster_says_so_and_continues_when_it_is_mended",
    "WORKBENCH_ES_USER and WORKBENCH_ES_PASSWORD": f"{ELASTIC}/wire/test_faults.py::"
    "test_wrong_credentials_are_refused_and_right_ones_are_never_shown",
    "bulk_bytes=...": f"{ELASTIC}/wire/test_refusals.py::"
    "test_a_request_that_is_too_large_is_split_and_the_next_are_smaller",
    "check the name, or make it with wb.open": f"{ELASTIC}/wire/test_faults.py::"
    "test_an_index_that_goes_missing_is_named",
    "send fewer at once, or wait": f"{ELASTIC}/wire/test_faults.py::"
    "test_a_cluster_that_stays_busy_ends_the_patience",
    "until it is yellow or green": f"{ELASTIC}/wire/test_faults.py::"
    "test_a_server_is_killed_and_restarted",
    ", then ask again": f"{ELASTIC}/wire/test_faults.py::test_a_server_is_killed_and_restarted",
    "the cluster may be overloaded: ask again": f"{ELASTIC}/wire/test_faults.py::"
    "test_a_server_that_hangs_is_a_timeout_and_answers_afterwards",
    "WORKBENCH_ES_CA_CERTS": f"{ELASTIC}/wire/test_refusals.py::"
    "test_a_file_of_certificates_is_checked_when_it_is_named",
    "wb.open(folder, engine=...) first": f"{ELASTIC}/test_parity.py",
}
"""A part of the message -> the test that does what it says."""

ARGUMENT = "asks for another call, with what the user has"
AGAIN = "the file is somebody else's: what is fetched or written again is read like any other"
UNTRIED = {
    "fetch the model again": AGAIN,
    "fetch the file again": AGAIN,
    "fetch it again": AGAIN,
    "write or fetch it again": AGAIN,
    "reinstall the package": AGAIN,
    "or record again": AGAIN,
    "no complete line in it; record again": AGAIN,
    "Give the path of a folder with": "tests/models/weights/test_hub.py tries each place",
    "pip install": "each name is compared with pyproject.toml below",
    "update the package": "no newer version can be had",
    "update the workbench": "no newer version can be had",
    "choose a folder on another": "needs a file system without locks",
    "install a CUDA build of PyTorch": "needs a GPU",
    'multiprocessing\'s "spawn"': "needs a GPU",
    "check the driver and CUDA": "needs a GPU",
    "end other processes that use it": "needs a GPU that others fill",
    "close other programs and try again": "memory that is really exhausted ends other tests too",
    "convert them to safetensors": "of several files; of one it is tried above",
    "restore the file from a copy. The others": "a record is restored with its file, as above",
    "try again in a moment": "a busy service answers later as before",
    "make room there": "a full disk, as above",
    "cannot be listened on": ARGUMENT,
    "set WORKBENCH_SERVE_KEY": ARGUMENT,
    "is no experiment; take one": ARGUMENT,
    "copy it here and give its path": ARGUMENT,
    "take another model": ARGUMENT,
    "is not inside the folder; take it out": "a hostile modules.json; nothing is lost with it",
    "change it where it is made": "somebody else's index",
    "let one process write at a time": "takes twenty writers that overtake each other",
    "do not add up to the corpus": "takes another process that writes to the same version",
    "nothing is live; index a source first": ARGUMENT,
    "index the source anew": "an index whose mapping lost its settings",
    "set WORKBENCH_ES_URL or": ARGUMENT,
    "or unset it": ARGUMENT,
    "ask for less, or change the setting": "whatever the cluster gives as its reason",
    "index into a folder, and open that": ARGUMENT,
    "put the earlier one first": ARGUMENT,
    "or take it out": ARGUMENT,
    "take one out": ARGUMENT,
    "take them out": ARGUMENT,
    "remove one": ARGUMENT,
    "rename one": ARGUMENT,
    "in the run twice": ARGUMENT,
    "or make its index with flat vectors": ARGUMENT,
    "retrieve more (n_retrieval": ARGUMENT,
    "raise k for more": ARGUMENT,
    "set it to": ARGUMENT,
    "raise most_cost": ARGUMENT,
    "raise requests_a_minute": ARGUMENT,
    "WORKBENCH_LLM_": ARGUMENT,
    "choose another place": ARGUMENT,
    "open it again": "an engine over a generation that a later one replaced",
}
"""A part of the message -> why no test does what it says."""


def messages() -> Iterator[str]:
    """The texts of all errors that the package raises, {} for values."""
    kinds = {*errors.__all__, "error"}
    for path in (ROOT / "workbench").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                name = getattr(node.func, "id", "")
                if name in kinds:
                    yield _text(node.args[0])
            if isinstance(node, ast.Assign | ast.AnnAssign) and path.name == "faults.py":
                parts = ast.walk(node.value) if node.value else ()
                yield from (_text(part) for part in parts if isinstance(part, ast.Constant))


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "{}" for v in node.values)
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_every_remedy_that_acts_is_tried_or_listed() -> None:
    every = list(messages())
    assert len(every) > 300
    acting = [text for text in every if ACTS.search(text.rpartition(";")[2])]
    known = [*TRIED, *UNTRIED]
    assert [text for text in acting if not any(part in text for part in known)] == []
    assert [part for part in known if not any(part in text for text in every)] == []


def test_the_tests_of_the_table_are_there() -> None:
    for place in set(TRIED.values()):
        file, _, name = place.partition("::")
        assert f"def {name}" in (ROOT / file).read_text("utf-8"), place


def test_what_is_to_be_installed_is_in_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    ours = {re.split(r"[\[<>=!~; ]", item)[0].lower() for items in lists for item in items}
    ours |= {project["name"], "onnxruntime-gpu", "ir_datasets"}  # in the place of another; no part
    asked = {
        m[1].lower() for text in messages() for m in re.finditer(r"pip install '?([\w-]+)", text)
    }
    assert asked - ours == set()
    assert len(asked) > 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build(tmp_path / "index", [paper_record(n) for n in range(5)])
    return tmp_path / "index"


def test_a_live_copy(folder: Path, tmp_path: Path) -> None:
    """Changes in a WAL, copied to a read-only place without its shared memory."""
    code = """
import os, pathlib, shutil, sys
from tests.corpus import fakes
from workbench.corpus.manifest import STORE
from workbench.corpus.store import Store
from workbench.corpus.writer import StoreWriter
from workbench.errors import CorpusUnavailable
folder, copy, free = map(pathlib.Path, sys.argv[1:])
before = fakes.found(folder)
reader = Store(folder / STORE)
reader.paper_count
writer = StoreWriter(folder / STORE)
writer.set_state("mark", "in the WAL")
assert (folder / f"{STORE}-wal").stat().st_size
shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*-shm"))
for path in [*copy.rglob("*"), copy]:
    path.chmod(0o555 if path.is_dir() else 0o444)
try:
    fakes.found(copy)
except CorpusUnavailable as error:
    print(error)
shutil.copytree(copy, free)
for path in [free, *free.rglob("*")]:
    path.chmod(0o755 if path.is_dir() else 0o644)
assert fakes.found(free) == before
assert Store(free / STORE).state("mark") == "in the WAL"
"""
    said = unprivileged(code, folder, tmp_path / "copy", tmp_path / "free")
    assert "copy the whole folder to a place where it can" in said


def unprivileged(code: str, *given: object) -> str:
    """Code in a process that permissions bind, also where tests run as root; what it prints."""
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, given)]
    if os.geteuid() == 0:
        need(shutil.which("setpriv") is not None, "setpriv", "install util-linux")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


PERMISSIONS = """
import os, pathlib, sys
import workbench as wb
from tests.conftest import paper_record
from tests.corpus import fakes
from workbench.corpus.readers import read_entries
from workbench.models.onnx.cache import made_graph
from workbench.models.weights.find import ModelFolder
base, model = map(pathlib.Path, sys.argv[1:])

def tried(use, shut, remedy, mode=0o555, mend=None):
    before = shut.stat().st_mode
    shut.chmod(mode)
    try:
        use()
    except wb.WorkbenchError as error:
        assert remedy in str(error), error
    else:
        raise AssertionError(f"{shut} was no obstacle")
    (mend or (lambda: shut.chmod(before)))()
    use()
    shut.chmod(before)

def source():
    return list(read_entries(base / "papers.jsonl"))

(base / "papers.jsonl").write_text('{"id": "a", "title": "T"}\\n')
tried(source, base / "papers.jsonl", "change its permissions", 0)

corpus = base / "corpus"
fakes.build(corpus, [paper_record(n) for n in range(3)])
def more():
    return fakes.build(corpus, [paper_record(9)])
(corpus / "write.lock").unlink(missing_ok=True)
tried(more, corpus, "choose a folder that you may write to")

store = corpus / "corpus.sqlite"
def less():
    fakes.Indexer(corpus, fakes.FakeEmbedder()).delete(["p001"])
def writable():  # SQLite gives the files beside the store the permissions that it has
    for path in corpus.iterdir():
        path.chmod(path.stat().st_mode | 0o200)
tried(less, store, "make the folder and all files in it writable", 0o444, writable)

judged = base / "judged"
judged.mkdir()
def judge():
    wb.Judgments(judged / "j.jsonl", who="ann").add("q", "p", 1)
tried(judge, judged, "choose a file that you may write to")

shut, other = base / "shut", base / "other"
shut.mkdir(), other.mkdir()
os.environ["WORKBENCH_PROFILES"] = str(shut)
def save():
    wb.Profile(name="mine", n_rerank=7).save()
def elsewhere():
    os.environ["WORKBENCH_PROFILES"] = str(other)
tried(save, shut, "set WORKBENCH_PROFILES", mend=elsewhere)

graphs = [shut / "onnx" / "g.onnx"]
def export():
    return made_graph(ModelFolder("m", model), graphs[-1], "tests.exporter_of_nothing", remedy="no")
try:
    shut.chmod(0o555)
    export()
except wb.ModelError as error:
    assert "set WORKBENCH_CACHE to a folder that you may write to" in str(error), error
graphs.append(other / "onnx" / "g.onnx")
try:
    export()
except wb.ModelError as error:
    assert "WORKBENCH_CACHE" not in str(error), error
print("tried")
"""


def test_permissions(tmp_path: Path) -> None:
    assert unprivileged(PERMISSIONS, tmp_path, find_model().path) == "tried\n"


def test_a_device_that_answers_again(tmp_path: Path) -> None:
    need(Path("/proc/self/mem").exists(), "/proc/self/mem", "run on Linux")
    place = tmp_path / "x.jsonl"
    place.symlink_to("/proc/self/mem")  # reading its first page gives EIO
    with pytest.raises(CorpusUnavailable, match=r"check the disk .*then try again"):
        list(read_entries(place))
    place.unlink()
    place.write_text('{"id": "a", "title": "T"}\n')
    assert [entry.record for entry in read_entries(place)] == [{"id": "a", "title": "T"}]
    with pytest.raises(CorpusUnavailable, match=r"try again"), disk_faults(place):
        raise OSError(9, "Bad file descriptor")  # of the kinds without a remedy of their own


def test_a_pipe_written_to_a_file(tmp_path: Path) -> None:
    need(hasattr(os, "mkfifo"), "named pipes", "run on a POSIX system")
    pipe, file = tmp_path / "pipe.jsonl", tmp_path / "file.jsonl"
    os.mkfifo(pipe)
    for read in (read_entries, read_source):
        with pytest.raises(UnsupportedSource, match="write it to a file first"):
            read(pipe)
    lines = '{"id": "a", "title": "T"}\n'
    writing = threading.Thread(target=pipe.write_text, args=(lines,))
    writing.start()
    with pipe.open() as stream:
        file.write_text(stream.read())
    writing.join()
    for read in (read_entries, read_source):
        assert [entry.line for entry in read(file)] == [1]


def test_pipes_and_devices_are_refused_where_they_would_be_waited_for(tmp_path: Path) -> None:
    need(hasattr(os, "mkfifo"), "named pipes", "run on a POSIX system")
    os.mkfifo(tmp_path / "pipe.jsonl")
    uses: list[Callable[[Path], object]] = [
        wb.Judgments,
        read_recording,
        wb.open_answer,
        wb.Profile.from_toml,
        lambda path: Recorder(path, {}, replace=True),
    ]
    for use in uses:
        for place in (tmp_path / "pipe.jsonl", Path("/dev/null"), tmp_path):
            with pytest.raises(wb.WorkbenchError, match=r"pipe or device|is a folder"):
                use(place)


def test_a_folder_that_gets_papers(tmp_path: Path) -> None:
    place = tmp_path / "papers"
    place.mkdir()
    with pytest.raises(CorpusNotFound, match="put papers into it"):
        read_source(place)
    with pytest.raises(CorpusNotFound, match=r"put one of papers\.jsonl"):
        read_entries(place)
    (place / "papers.jsonl").write_text('{"id": "a", "title": "T"}\n')
    assert len(list(read_source(place))) == len(list(read_entries(place))) == 1


def test_a_folder_that_is_indexed(tmp_path: Path) -> None:
    place = tmp_path / "corpus"
    with pytest.raises(CorpusNotFound, match=r"run `workbench index SOURCE --into DIR` first"):
        wb.open(place)
    with pytest.raises(CorpusNotFound, match="run `workbench index SOURCE`"):
        found(place)
    build(place, [paper_record(1)])
    assert found(place)
    file = tmp_path / "papers.jsonl"
    file.write_text(json.dumps(paper_record(2)) + "\n")
    with pytest.raises(CorpusNotFound, match=rf"make a corpus of it with `workbench index {file}"):
        wb.open(file)
    build(tmp_path / "made", file)
    assert found(tmp_path / "made")


def test_another_model_in_a_new_folder(folder: Path, tmp_path: Path) -> None:
    other = FakeEmbedder(fingerprint="fake-2")
    with pytest.raises(CorpusMismatch, match="use the same settings, or index the source into a"):
        build(folder, [paper_record(9)], other)
    with pytest.raises(CorpusMismatch, match="use the model it was made with, or index"):
        wb.Workbench(folder, embedder=other)
    build(tmp_path / "new", [paper_record(n) for n in range(5)], other)
    with wb.Workbench(tmp_path / "new", embedder=other) as bench:
        assert len(bench.search("dense retrieval", 9)) == 5
    (tmp_path / "new" / "manifest.json").unlink()
    with pytest.raises(CorpusMismatch, match="or index into a new folder"):
        build(tmp_path / "new", [paper_record(9)])
    assert build(tmp_path / "third", [paper_record(9)]).added == 1


def test_latin_1_that_is_converted(tmp_path: Path) -> None:
    need(shutil.which("iconv") is not None, "iconv", "install libc-bin")
    latin, utf = tmp_path / "latin.tsv", tmp_path / "utf.tsv"
    latin.write_bytes("q1\tÄrger im café\n".encode("latin-1"))
    with pytest.raises(RecordError, match="`iconv -f latin1 -t utf-8`"):
        read_queries(latin)
    command = ["iconv", "-f", "latin1", "-t", "utf-8", str(latin)]
    utf.write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
    assert [query.text for query in read_queries(utf)] == ["Ärger im café"]


def judged(path: Path) -> wb.Judgments:
    judgments = wb.Judgments(path, who="ann")
    for number in range(3):
        judgments.add("q", f"p{number}", number)
    return judgments


UNDONE = '{"id": "2", "at": "2026-01-02T00:00:00+00:00", "who": "a", "query_id": "q", '
UNDONE += '"paper_id": "p", "grade": 1, "kind": "undo"}'


@pytest.mark.parametrize("bad", ["{", UNDONE])
def test_a_judgment_line_taken_out(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "j.jsonl"
    judged(path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], bad, *lines[1:], ""]))
    with pytest.raises(EvaluationError, match=r"line 2.*mend the line or take it out"):
        wb.Judgments(path, who="ann")
    path.write_text("\n".join([*lines, ""]))
    assert len(wb.Judgments(path, who="ann")) == 3


def test_a_snapshot_copied_into_a_new_file(tmp_path: Path) -> None:
    kept, copy = judged(tmp_path / "j.jsonl").snapshot(), tmp_path / "copy.jsonl"
    with pytest.raises(EvaluationError, match="copy the lines after the first into a new one"):
        wb.Judgments(kept, who="ann").add("q", "p9", 1)
    copy.write_text("".join(kept.read_text().splitlines(keepends=True)[1:]))
    again = wb.Judgments(copy, who="ann")
    again.add("q", "p9", 1)
    assert len(again) == 4


def recorded(path: Path, count: int) -> list[str]:
    with Recorder(path, {"system": "x"}, replace=True) as recorder:
        for number in range(count):
            recorder.write(recording.Sample(float(number), "cpu", number, None, None, {}))
    return path.read_text().splitlines(keepends=True)


def test_a_recording_without_its_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    lines = recorded(path, 4)
    path.write_text("".join([*lines[:2], '{"type": "sample"}\n', *lines[2:]]))
    with pytest.raises(RecordingError, match=r"line 3: damaged.*remove that line"):
        read_recording(path)
    path.write_text("".join(lines))
    assert len(read_recording(path).samples) == 4


def test_a_recording_that_is_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.jsonl"
    lines = recorded(path, 10)
    monkeypatch.setattr(recording, "MAX_BYTES", sum(map(len, lines[:8])))
    with pytest.raises(RecordingError, match="keeping its first line in each part"):
        read_recording(path)
    counts = []
    for part in (lines[1:6], lines[6:]):
        path.write_text("".join([lines[0], *part]))
        counts.append(len(read_recording(path).samples))
    assert sum(counts) == 10


def test_experiments_restored_from_a_copy(tmp_path: Path) -> None:
    folder, copy = tmp_path / "experiments", tmp_path / "copy"
    store = ExperimentStore(folder)
    name = store.keep_table({"score": np.array([0.1, 0.2])})
    shutil.copytree(folder, copy)
    [table] = (folder / "tables").iterdir()
    table.write_bytes(table.read_bytes()[:-1] + b"x")
    with pytest.raises(ExperimentError, match="restore it from a copy"):
        store.table(name)
    shutil.copy(copy / "tables" / table.name, table)
    assert store.table(name)["score"].tolist() == [0.1, 0.2]
    shutil.rmtree(folder / "tables")
    with pytest.raises(ExperimentError, match="copy the whole folder experiments, its tables too"):
        store.table(name)
    shutil.copytree(copy, folder, dirs_exist_ok=True)
    assert ExperimentStore(folder).table(name)["score"].tolist() == [0.1, 0.2]


def test_a_pickle_that_is_converted(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    model, weights = tmp_path / "model", {"a": torch.arange(6.0).reshape(2, 3)}
    model.mkdir()
    torch.save(weights, model / "pytorch_model.bin")
    with pytest.raises(ModelRejected, match=r"convert it to model\.safetensors"):
        find_model(str(model))
    trusted = torch.load(model / "pytorch_model.bin", weights_only=True)  # it is our own
    save_file(trusted, model / "model.safetensors")
    assert find_model(str(model)).tensors.keys() == weights.keys()
    assert torch.equal(load_file(model / "model.safetensors")["a"], weights["a"])
