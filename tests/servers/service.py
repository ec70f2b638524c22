"""A real `workbench serve` in its own process, on a free port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

ROOT = Path(__file__).parents[2]


class Service:
    """The process, its URL, and the lines that it logs."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        command = [sys.executable, "-m", "workbench", "serve", *arguments, "--port", "0"]
        own = {name: text for name, text in os.environ.items() if name != "WORKBENCH_SERVE_KEY"}
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, cwd=ROOT, env={**own, **environment}
        )
        self.lines: list[str] = []
        announced: Queue[str] = Queue()

        def read() -> None:
            assert self.process.stderr is not None
            for line in self.process.stderr:
                self.lines.append(line)
                if line.startswith("Serving "):
                    announced.put(line.split()[1])
            announced.put("")

        self._reader = threading.Thread(target=read, daemon=True)
        self._reader.start()
        self.url = announced.get(timeout=120)
        if not self.url:
            self.close()
            raise RuntimeError("the service ended: " + "".join(self.lines))

    @property
    def workers(self) -> list[int]:
        """Process ids of its workers, in order of age."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def signal(self, number: int) -> None:
        """Tell the supervisor."""
        self.process.send_signal(number)

    def close(self) -> int:
        """End it; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(60)
        finally:
            self.process.kill()
        self._reader.join(10)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


@contextmanager
def serving(*arguments: str, **environment: str) -> Iterator[Service]:
    """A service that ends with the block."""
    service = Service(*arguments, **environment)
    try:
        yield service
    finally:
        service.close()
