"""What goes wrong in a request, as the status and the body that clients of the API understand."""

from __future__ import annotations

from typing import Any

from workbench.errors import (
    ClusterBusy,
    ClusterError,
    ClusterTimeout,
    ClusterUnavailable,
    CorpusError,
    CorpusLocked,
    CorpusUnavailable,
    DeadlineExceeded,
    DiskFull,
    FilterError,
    ModelError,
    OutOfMemory,
    ProfileError,
    QueryError,
    WeightError,
    WorkbenchError,
    first_line,
)


class Refused(Exception):
    """A request that is answered with a status other than 200. `message` is told to the caller."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


BUSY = "Too Many Requests. The service has as much to do as it can; try again in a moment."
GONE = (
    "Service Unavailable. The index, or what it needs, is gone or damaged; the log says what. Put "
    "it back, or make it with `workbench index`: it is taken up by itself."
)
FULL = "Service Unavailable. The disk that the service writes to is full; make room there."
BROKEN = "Internal Server Error. The log has more under this request's id."


def body(status: int, message: str) -> dict[str, Any]:
    """The body of an answer other than 200, in the shape that the API has for its status."""
    if status == 429:
        return {"message": message, "code": "429"}
    if status in (403, 500, 503, 504):
        return {"message": message}
    return {"error": message}


_ANSWERS: tuple[tuple[tuple[type[WorkbenchError], ...], int, str], ...] = (
    ((QueryError, FilterError, WeightError), 400, ""),
    ((DeadlineExceeded,), 504, ""),
    ((ClusterTimeout,), 504, "The search cluster did not answer in time."),
    # Elasticsearch rejects with 429 where a queue is full, and with 503 where shards are.
    ((ClusterBusy, ClusterUnavailable, CorpusUnavailable, CorpusLocked, OutOfMemory), 429, BUSY),
    ((DiskFull,), 503, FULL),
    ((CorpusError, ModelError, ClusterError, ProfileError), 503, GONE),
)
"""The first of which an error is, its status, and what is said; "" for what the error says."""


def refusal(error: BaseException) -> Refused:
    """The answer to an exception; what is not the caller's fault says nothing of its cause."""
    if isinstance(error, Refused):
        return error
    for kinds, status, message in _ANSWERS:
        if isinstance(error, kinds):
            return Refused(status, message or first_line(error))
    return Refused(500, BROKEN)


def as_the_api(refused: Refused) -> Refused:
    """For a path of the API, whose clients take 503 for "no papers": 429, which they try again."""
    return Refused(429, refused.message) if refused.status == 503 else refused
