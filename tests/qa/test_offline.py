"""Without network and keys everything works but the writer on a server."""

from __future__ import annotations

import subprocess
import sys

from workbench.session import Workbench

BLOCKED = """
import os, socket, sys
for name in [n for n in os.environ if n.startswith(("OPENAI", "WORKBENCH_LLM", "HF_"))]:
    del os.environ[name]

def refused(*given, **named):
    raise PermissionError("sockets are blocked")

class Blocked(socket.socket):
    def __init__(self, *given, **named):
        refused()

import _socket
_socket.socket = socket.socket = Blocked
for name in ("create_connection", "getaddrinfo", "gethostbyname", "socketpair", "fromfd"):
    setattr(socket, name, refused)
sys.addaudithook(lambda event, _: refused() if event in ("socket.connect", "socket.getaddrinfo",
                                                         "socket.bind", "socket.sendto") else None)
try:
    socket.create_connection(("127.0.0.1", 9))
except PermissionError:
    print("BLOCKED")

import workbench as wb
from workbench.errors import WriterError
print("IMPORTED", sorted({"openai", "torch", "transformers", "gguf", "http", "ipywidgets"}
                         & set(sys.modules)))
bench = wb.open(sys.argv[1], progress=False)
answer = bench.ask("How do late-interaction models keep their index small?")
assert answer.quotes and answer.check(bench.engine) == []
answer = bench.review(answer, reject=[answer.quotes[0].id])
answer.table(["method", "result"]).to_frame()
wb.open_answer(answer.save(sys.argv[2])).to_html()
list(bench.ask("Which recipe makes sourdough rise?", stream=True))
try:
    bench.ask("Late interaction?", writer="openai")
except WriterError as error:
    print("ASKED", "WORKBENCH_LLM_MODEL" in str(error))
print("DONE")
"""


def test_sockets_are_blocked_and_no_key_is_set(landmarks: Workbench, tmp_path: object) -> None:
    command = [sys.executable, "-c", BLOCKED, str(landmarks.folder), f"{tmp_path}/answer.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:-1] == ["BLOCKED", "IMPORTED []", "ASKED True", "DONE"]
