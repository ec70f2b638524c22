"""What goes wrong in a request, as the status and the body that clients of the API understand."""

from __future__ import annotations

from typing import Any

from workbench.errors import (
    ClusterBusy,
    ClusterTimeout,
    ClusterUnavailable,
    CorpusUnavailable,
    DeadlineExceeded,
    FilterError,
    OutOfMemory,
    QueryError,
    WeightError,
    first_line,
)


class Refused(Exception):
    """A request that is answered with a status other than 200. `message` is told to the caller."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


BUSY = "Too Many Requests. The service has as much to do as it can; try again in a moment."
BROKEN = "Internal Server Error. The log has more under this request's id."


def body(status: int, message: str) -> dict[str, Any]:
    """The body of an answer other than 200, in the shape that the API has for its status."""
    if status == 429:
        return {"message": message, "code": "429"}
    if status in (403, 500, 504):
        return {"message": message}
    return {"error": message}


def refusal(error: BaseException) -> Refused:
    """The answer to an exception; what is not the caller's fault says nothing of its cause."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, QueryError | FilterError | WeightError):
        return Refused(400, first_line(error))
    if isinstance(error, DeadlineExceeded):
        return Refused(504, first_line(error))
    if isinstance(error, ClusterTimeout):
        return Refused(504, "The search cluster did not answer in time.")
    # Elasticsearch rejects with 429 where a queue is full, and with 503 where shards are.
    if isinstance(error, ClusterBusy | ClusterUnavailable | CorpusUnavailable | OutOfMemory):
        return Refused(429, BUSY)
    return Refused(500, BROKEN)
