"""A service that runs beside a notebook or script, in its own processes."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from typing import IO, Any

from workbench.errors import ServiceError
from workbench.present.view import Shown, View
from workbench.serve.options import ServeOptions
from workbench.system.children import start_module

START = 120.0
"""Seconds that it may take until it can be asked."""


class RunningService(Shown):
    """A service in the background. `stop()`, the end of a `with` block or of this process ends it.

    `url` is where it is; in a notebook it shows with a button that stops it.
    """

    def __init__(self, options: ServeOptions) -> None:
        self._process = start_module("workbench.serve")
        self._tail: list[str] = []
        said: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, args=(said,), daemon=True).start()
        assert self._process.stdin is not None
        self._process.stdin.write(options.to_json() + "\n")
        self._process.stdin.flush()
        try:
            self.url = said.get(timeout=START)
        except queue.Empty:
            self.url = ""
        if not self.url:
            self.stop()
            raise ServiceError(f"the service did not start: {''.join(self._tail[-5:]).strip()}")

    @property
    def running(self) -> bool:
        """Whether it still serves."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End it; requests under way are answered. Does nothing where it has ended."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()  # its end is what the service waits for
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def health(self) -> dict[str, Any]:
        """What /health/ready says. Raises ServiceError where it does not answer."""
        from urllib.request import urlopen

        try:
            with urlopen(f"{self.url}/health/ready", timeout=10) as answer:  # noqa: S310, its own
                found: dict[str, Any] = json.load(answer)
                return found
        except OSError as error:
            raise ServiceError(f"{self.url} does not answer ({error})") from error

    def __enter__(self) -> RunningService:
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"RunningService({self.url!r}, {'running' if self.running else 'stopped'})"

    def view(self) -> View:
        """The URL, and how a client of the API is pointed at it."""
        state = "Serving" if self.running else "Stopped:"
        lines = (f'SemanticScholar(api_url="{self.url}")', f"API: {self.url}/openapi.json")
        return View(f"{state} {self.url}", lines)

    def _ipython_display_(self) -> None:
        from importlib import import_module

        import_module("workbench.widgets.service").show(self)

    def _read(self, said: queue.Queue[str]) -> None:
        stream: IO[str] | None = self._process.stderr
        assert stream is not None
        with stream:
            for line in stream:
                if line.startswith("Serving "):
                    said.put(line.split()[1])
                else:
                    self._tail = [*self._tail[-20:], line]
        said.put("")
