"""After a fork, with other threads at work: models answer, release and end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHILDREN = """
import os, signal, sys, threading
from workbench.models.embedders.make import make_embedder
runtime, folder = sys.argv[1:]
device = {} if runtime.startswith("onnx") else {"device": "cpu"}
model = make_embedder(folder, runtime=runtime, **device)
texts = [f"text {n} of many words about search" for n in range(16)]
expected = model.encode(texts)
stop = threading.Event()
def work(name):
    n = 0
    while not stop.is_set():
        n += 1
        model.encode_query(f"{name} {n}"), model.encode(texts), model.token_starts(texts)
threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
for thread in threads: thread.start()
failed = []
for n in range(3):
    child = os.fork()
    if not child:
        signal.alarm(120)  # a child that hangs ends by it, and the exit status tells
        close = abs(model.encode(texts) - expected).max() < 1e-5
        model.encode_query(f"child {n}")
        model.release()
        again = not model.loaded and model.encode_query("again").shape == (32,)
        sys.exit(0 if close and again else 3)
    failed += [status for status in [os.waitpid(child, 0)[1]] if status]
stop.set()
for thread in threads: thread.join()
print(failed)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
@pytest.mark.parametrize("runtime", ["onnx-int8", "torch"])
def test_a_forked_child_opens_models_anew(
    runtime: str, tiny_folder: Path, tiny_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tiny_cache))
    command = [sys.executable, "-W", "ignore", "-c", CHILDREN, runtime, str(tiny_folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
