"""A real HTTP server that speaks the OpenAI protocol and misbehaves as it is told."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]


class Call(BaseHTTPRequestHandler):
    """One request, answered by the server's `behave`."""

    protocol_version = "HTTP/1.1"
    server: Chat

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        body = json.loads(self.rfile.read(length))
        with self.server.lock:
            self.server.bodies.append(body)
            number = len(self.server.bodies)
        self.server.asked.put(number)
        try:
            self.server.behave(self, body, number)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
            self.server.left.put(number)

    def say(self, content: Any, *, finish: str = "stop", **more: Any) -> None:
        """A completion."""
        choice = {"index": 0, "message": {"role": "assistant", "content": content}}
        usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
        self.send(
            200,
            {
                "id": "x",
                "object": "chat.completion",
                "created": 1,
                "model": "m",
                "choices": [{**choice, "finish_reason": finish}],
                "usage": usage,
                **more,
            },
        )

    def send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        """Any answer."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *args: Any) -> None:
        """Tests print nothing."""


class Chat(ThreadingHTTPServer):
    """The server. `bodies` are the requests so far, `asked` has their numbers, `left` those of whom
    a behaviour saw go; `over` is set when it closes."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, behave: Callable[[Call, Body, int], None]) -> None:
        super().__init__(("127.0.0.1", 0), Call)
        self.behave = behave
        self.bodies: list[Body] = []
        self.asked: queue.Queue[int] = queue.Queue()
        self.left: queue.Queue[int] = queue.Queue()
        self.lock = threading.Lock()
        self.over = threading.Event()

    @property
    def url(self) -> str:
        """What a client takes as base_url."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


@contextmanager
def chat_server(behave: Callable[[Call, Body, int], None]) -> Iterator[Chat]:
    """A server on this machine while the block runs."""
    server = Chat(behave)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
