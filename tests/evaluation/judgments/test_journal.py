"""The file of judgments under kills, torn lines, several processes, a full disk, foreign edits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from tests.evaluation.judgments.conftest import LINE
from workbench.errors import EvaluationError
from workbench.evaluation.judgments import journal
from workbench.evaluation.judgments.judgments import Judgments

ADD = """
import sys
from workbench.evaluation.judgments.judgments import Judgments
judgments = Judgments(sys.argv[1], who=sys.argv[2])
for number in range(int(sys.argv[3])):
    judgments.add("q", f"{sys.argv[2]}-{number}", number % 3)
    print(number, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "judgments.jsonl"


def adding(path: Path, who: str, count: int, code: str = ADD) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", code, str(path), who, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_killed_process_loses_nothing_that_it_acknowledged(path: Path) -> None:
    for round_, lines in enumerate((1, 40, 90)):
        process = adding(path, f"judge{round_}", 100_000)
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        acknowledged = lines + len(process.stdout.read().splitlines())
        process.communicate()
        judged = Judgments(path).current(f"judge{round_}")
        assert acknowledged <= len(judged) <= acknowledged + 1


def test_several_processes_add_at_once_and_see_each_other(path: Path) -> None:
    watching = Judgments(path)
    processes = [adding(path, f"judge{n}", 60) for n in range(4)]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    assert len(path.read_bytes().splitlines()) == 240
    assert len(watching) == 240
    assert watching.people == [f"judge{n}" for n in range(4)]


def test_several_threads_add_and_read_one_object(path: Path) -> None:
    judgments = Judgments(path)
    problems: list[BaseException] = []

    def work(who: str) -> None:
        try:
            for number in range(20):
                judgments.add("q", f"p{number}", 1, who=who)
                assert judgments.progress(["q"], 20, {"q": [f"p{number}"]}, who=who).judged == 1
                judgments.current(), judgments.conflicts()
        except BaseException as problem:
            problems.append(problem)

    threads = [Thread(target=work, args=(f"judge{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(judgments.entries()) == 80


def test_a_line_torn_at_any_byte_is_put_aside_and_the_rest_stands(path: Path) -> None:
    torn = LINE.replace('"1"', '"2"').replace('"p"', '"r"').encode()
    for end in range(1, len(torn) - 1):
        path.write_bytes(LINE.encode() + torn[:end])
        judgments = Judgments(path, who="ann")
        assert [(j.paper_id, j.grade) for j in judgments.current()] == [("p", 2)]
        assert path.read_bytes() == LINE.encode()
        aside = path.with_name("judgments.jsonl.torn")
        assert aside.read_bytes() == torn[:end] + b"\n"
        assert judgments.notes == (
            f"the last line was cut off ({end} bytes); it is in judgments.jsonl.torn now",
        )
        aside.unlink()


def test_a_whole_last_line_without_an_end_counts(path: Path) -> None:
    path.write_bytes(LINE.rstrip("\n").encode())
    judgments = Judgments(path, who="bob")
    assert len(judgments) == 1
    judgments.add("q", "r", 1)
    assert [j.paper_id for j in Judgments(path).current()] == ["p", "r"]
    assert judgments.notes == ()


def test_a_line_torn_by_another_process_is_put_aside_by_the_next_that_adds(path: Path) -> None:
    judgments = Judgments(path, who="ann")
    judgments.add("q", "a", 1)
    with path.open("ab") as stream:
        stream.write(b'{"id": "x", "who')
    assert len(judgments) == 1
    judgments.add("q", "b", 1)
    assert [j.paper_id for j in Judgments(path).current()] == ["a", "b"]


FULL = """
import resource, sys
from workbench.errors import EvaluationError
from workbench.evaluation.judgments.judgments import Judgments
judgments = Judgments(sys.argv[1], who="ann")
judgments.add("q", "first", 1)
resource.setrlimit(resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))
try:
    judgments.add("q", "second", 1, "long " * 100)
except EvaluationError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
judgments.add("q", "third", 1)
print([j.paper_id for j in judgments.current()])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limit to hit there")
def test_a_full_disk_adds_nothing_and_says_so(path: Path) -> None:
    process = adding(path, "ann", 0, FULL)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    message, stands = output.splitlines()
    assert "nothing was added" in message
    assert stands == "['first', 'third']"
    assert [j.paper_id for j in Judgments(path).current()] == ["first", "third"]


def test_a_process_that_holds_the_lock_too_long_is_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from filelock import FileLock

    monkeypatch.setattr(journal, "WAIT", 0.2)
    judgments = Judgments(path, who="ann")
    with (
        FileLock(f"{path}.lock"),
        pytest.raises(EvaluationError, match="another process has been writing"),
    ):
        judgments.add("q", "p", 1)
    judgments.add("q", "p", 1)
    assert len(judgments) == 1


def test_a_bad_line_that_another_program_adds_is_said_each_time(path: Path) -> None:
    path.write_text(LINE)
    judgments = Judgments(path, who="ann")
    whole = path.read_bytes()
    with path.open("a") as stream:
        stream.write(LINE.replace('"1"', '"2"') + "broken\n")
    for _ in range(2):
        with pytest.raises(EvaluationError, match="line 3: no JSON"):
            judgments.current()
    with pytest.raises(EvaluationError, match="line 3: no JSON"):
        judgments.add("q", "r", 1)
    os.truncate(path, len(whole))
    judgments.add("q", "r", 1)
    assert [entry.paper_id for entry in judgments.history()] == ["p", "r"]


@pytest.mark.skipif(os.name == "nt", reason="folders have no such permission there")
def test_a_file_that_cannot_be_written_is_read_to_its_last_whole_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    # A fake: tests may run as root, who may write anywhere.
    monkeypatch.setattr(journal.os, "open", refuse)
    monkeypatch.setattr(journal, "WAIT", 0.1)
    path.write_text(LINE.rstrip("\n"))
    judgments = Judgments(path, who="ann")
    assert len(judgments) == 1
    with pytest.raises(EvaluationError, match="cannot write here"):
        judgments.add("q", "r", 1)
    path.write_text(LINE + '{"id": "2", "wh')
    torn = Judgments(path, who="ann")
    assert len(torn) == 1
    assert "is left out" in torn.notes[0]


def test_lines_by_hand_and_by_other_editors_are_read(path: Path) -> None:
    record = json.loads(LINE)
    del record["note"]
    record |= {"at": "2026-01-02T03:04:05+02:00", "paper_id": "r", "id": "2"}
    path.write_bytes(b"\xef\xbb\xbf" + LINE.replace("\n", "\r\n").encode() + b"\r\n")
    with path.open("a") as stream:
        stream.write(json.dumps(record) + "\n")
    entries = Judgments(path).entries()
    assert [entry.paper_id for entry in entries] == ["p", "r"]
    assert entries[1].at.isoformat() == "2026-01-02T01:04:05+00:00"


def test_a_file_replaced_by_another_is_read_anew(path: Path, tmp_path: Path) -> None:
    judgments = Judgments(path, who="ann")
    judgments.add("q", "a", 1)
    other = Judgments(tmp_path / "other.jsonl", who="bob")
    other.add("q", "b", 1)
    os.replace(other.path, path)
    assert [j.paper_id for j in judgments.current()] == ["b"]
    judgments.add("q", "c", 1)
    assert [j.paper_id for j in Judgments(path).current()] == ["b", "c"]
    path.unlink()
    assert judgments.current() == []


def test_a_folder_and_a_file_in_the_way_are_typed_errors(path: Path, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="is a folder; name a file"):
        Judgments(tmp_path)
    path.write_text("")
    with pytest.raises(EvaluationError, match=r"cannot (be read|write here)"):
        Judgments(path / "inside.jsonl", who="ann").add("q", "p", 1)
