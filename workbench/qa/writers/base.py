"""What every writer is."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from workbench.errors import QueryError, shown
from workbench.profiles import Profile
from workbench.qa.records import Draft, Plan
from workbench.records import Paper

LONGEST = 1e9
"""Seconds that stand for any longer time."""


def check_seconds(seconds: float) -> float:
    """The time that writing may take; raises QueryError for none."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise QueryError(f"seconds is {shown(seconds)}; give a number above 0")
    return float(min(seconds, LONGEST))


@dataclass(frozen=True, slots=True)
class Task:
    """What a writer is given for one section.

    `deadline` is a time of `time.monotonic()` by which it must be done; `max_tokens` and
    `temperature` are the profile's; `mark` keeps sentences without support, marked, instead of
    dropping them. `stop` is set when nobody waits any more.
    """

    question: str
    plan: Plan
    papers: Mapping[str, Paper]
    deadline: float
    max_tokens: int = 2048
    temperature: float = 0.2
    mark: bool = False
    stop: threading.Event = field(default_factory=threading.Event)

    @staticmethod
    def of(
        question: str,
        papers: Mapping[str, Paper],
        profile: Profile,
        seconds: float,
        *,
        mark: bool = False,
        stop: threading.Event | None = None,
    ) -> Task:
        """A task without its plan, with a profile's limits and `seconds` from now. Raises
        QueryError for a time that is none."""
        return Task(
            question=question,
            plan=Plan("", ()),
            papers=papers,
            deadline=time.monotonic() + check_seconds(seconds),
            max_tokens=profile.max_tokens,
            temperature=profile.temperature,
            mark=mark,
            stop=stop or threading.Event(),
        )

    @property
    def seconds_left(self) -> float:
        """Until the deadline, 0 or more."""
        return max(0.0, self.deadline - time.monotonic())


class Writer(Protocol):
    """Writes sections. Safe to share between threads."""

    @property
    def name(self) -> str:
        """What a person calls it."""
        ...

    @property
    def fingerprint(self) -> str:
        """Equal for two writers that write the same."""
        ...

    def write(self, task: Task) -> Draft:
        """The section for a plan; each sentence is then checked against the quotes that it names,
        so `support` may be anything. Raises WriterError where it cannot."""
        ...
