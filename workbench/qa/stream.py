"""An answer as it comes: iterate for its events; `answer` is what is there so far."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from typing import Any

from workbench.qa.answer import Answer
from workbench.qa.asking import Asking, Request
from workbench.qa.assembling import assemble
from workbench.qa.events import Done, Event


class AnswerStream(Iterator[Event]):
    """The events of one answer, made as they are asked for. Not to be shared between threads."""

    def __init__(self, asking: Asking, request: Request) -> None:
        self._stop = threading.Event()
        self._values: dict[str, Any] = {}
        self._events: Generator[Event, None, None] = asking.events(
            request, self._values, self._stop
        )
        self._trace: list[Event] = []

    def __iter__(self) -> AnswerStream:
        return self

    def __next__(self) -> Event:
        if self._stop.is_set():
            raise StopIteration
        event = next(self._events)
        self._trace.append(event)
        return event

    def stop(self) -> None:
        """No further events; what is finished is the answer."""
        self._stop.set()

    @property
    def answer(self) -> Answer:
        """What the events so far make, whole after the last one. Raises AnswerError before the
        first."""
        return assemble(self._trace, self._values)

    def finish(self) -> Answer:
        """The answer after all events; after `stop` or Ctrl-C what was finished, with a note."""
        try:
            for _ in self:
                pass
        except KeyboardInterrupt:
            if not self._trace:
                raise
            self.stop()
        if self._trace and not isinstance(self._trace[-1], Done):
            self._events.close()
            elapsed = self._trace[-1].elapsed_ms
            end = Done(timings_ms={"total": elapsed}, interrupted=True, elapsed_ms=elapsed)
            self._trace.append(end)
        return self.answer
