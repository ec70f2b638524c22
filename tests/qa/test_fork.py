"""After a fork, whatever another thread held: a child asks, and owes nothing for its parent."""

from __future__ import annotations

import subprocess
import sys

import pytest

from workbench.session import Workbench

CHILD = """
import os, signal, sys, threading
import workbench as wb
from workbench.qa.writers.limits import Limits

bench = wb.open(sys.argv[1], progress=False)
expected = bench.ask(sys.argv[2]).fingerprint
answers, limits = bench._answers, Limits(None, 1.0)
limits.reserve(0.9)
locks = [answers._lock, answers._vectors._lock, answers._known._lock, answers.drafts._lock]
held, over = threading.Event(), threading.Event()

def hold(some):
    if some:
        with some[0]:
            hold(some[1:])
    else:
        held.set()
        over.wait()

thread = threading.Thread(target=hold, args=([*locks, limits._lock],))
thread.start()
held.wait()
child = os.fork()
if not child:
    signal.alarm(120)  # a child that hangs ends by it, and the exit status tells
    limits.reserve(0.9)
    same = bench.ask(sys.argv[2]).fingerprint == expected
    new = bench.ask("How can ranked lists be merged?", words=30).quotes
    sys.exit(0 if same and new else 3)
status = os.waitpid(child, 0)[1]
over.set()
thread.join()
print(status)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_a_forked_child_asks(landmarks: Workbench) -> None:
    question = "How do late-interaction models keep their index small?"
    command = [sys.executable, "-W", "ignore", "-c", CHILD, str(landmarks.folder), question]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("0", 0), done.stderr
