"""A killed test run leaves neither processes nor folders."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT
from tests.servers.watcher import Watcher

RUN = """
import subprocess, sys
from pathlib import Path
from tests.servers.watcher import Watcher
server = ["sh", "-c", "%s tail -f /dev/null"]  # nothing but a signal ends it
watcher = Watcher(Path(sys.argv[1]))
process = subprocess.Popen(server, stdout=subprocess.DEVNULL, start_new_session=True)
watcher.follow(process.pid)
print(watcher.pid, process.pid, flush=True)
input()
"""


@pytest.mark.parametrize("stubborn", ["", "trap '' TERM;"])
def test_what_was_started_ends_with_a_killed_run(tmp_path: Path, stubborn: str) -> None:
    folder = tmp_path / "data's"
    folder.mkdir()
    (folder / "x").touch()
    command = [sys.executable, "-c", RUN % stubborn, str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as run:
        assert run.stdout is not None
        watcher, server = (psutil.Process(int(pid)) for pid in run.stdout.readline().split())
        assert server.is_running()
        run.kill()
    psutil.wait_procs([server, watcher])
    assert not server.is_running()
    assert not folder.exists()


def test_a_dismissed_watcher_touches_nothing(tmp_path: Path) -> None:
    watcher = Watcher(tmp_path)
    with subprocess.Popen(["sh", "-c", "read _"], stdin=subprocess.PIPE) as server:
        watcher.follow(server.pid)
        watcher.dismiss()
        assert server.poll() is None
        server.communicate(b"\n")
    assert tmp_path.is_dir()
