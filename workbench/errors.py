"""All exceptions of the package. Each message names the value, the limit and the remedy.

WorkbenchError
├── CorpusError
│   ├── CorpusNotFound      no corpus and no readable source at that path
│   ├── CorpusLocked        another process is writing
│   ├── CorpusReadOnly      a change where nothing may be written
│   ├── CorpusUnavailable   a passing fault: no handle, memory or device; nothing is damaged
│   ├── DiskFull            no space left; says how much is needed and free
│   ├── CorpusMismatch      index made with other settings, or by a newer version
│   │   └── CorpusDamaged   files missing, cut off or unreadable
│   ├── RecordError         a bad record, in strict mode or by the API
│   └── UnsupportedSource   no reader for this file
├── QueryError              empty, too long, or nothing in it can be searched
├── FilterError             a filter that cannot be meant
├── WeightError             NaN, negative, all zero, unknown signal
├── ProfileError            a setting out of range, an unknown key in TOML
├── EvaluationError         queries, judgments or metrics that cannot be evaluated
├── ExperimentError         an experiment that cannot be kept, opened, compared or rerun
├── RecordingError          memory that cannot be sampled, recorded or read back as asked
├── AnswerError             an answer that cannot be kept, opened or looked into
│   └── WriterError         a language model that cannot write a section
├── DeadlineExceeded        work was stopped because its time is over, or nobody waits for it
├── ServiceError            a service that cannot start or was not reached
├── ClusterError            an Elasticsearch cluster that does not do what was asked
│   ├── ClusterUnavailable  away, without a master, or shards missing (red)
│   │   └── ClusterTimeout  no answer in time
│   ├── ClusterDenied       credentials or certificate not accepted
│   ├── ClusterBusy         rejects requests (429), also after waiting
│   ├── ClusterReadOnly     a block on the index forbids writing
│   └── ClusterTooLarge     a request is larger than it takes (413)
└── ModelError
    ├── ModelNotFound       every place searched is listed
    ├── ModelRejected       pickle, wrong checksum, corrupt or unsupported weights
    ├── OutOfMemory         a model or one text that fits no budget, or no memory is left
    └── MissingDependency   names the package to install
"""

import operator
from typing import Any

__all__ = [
    "AnswerError",
    "ClusterBusy",
    "ClusterDenied",
    "ClusterError",
    "ClusterReadOnly",
    "ClusterTimeout",
    "ClusterTooLarge",
    "ClusterUnavailable",
    "CorpusDamaged",
    "CorpusError",
    "CorpusLocked",
    "CorpusMismatch",
    "CorpusNotFound",
    "CorpusReadOnly",
    "CorpusUnavailable",
    "DeadlineExceeded",
    "DiskFull",
    "EvaluationError",
    "ExperimentError",
    "FilterError",
    "MissingDependency",
    "ModelError",
    "ModelNotFound",
    "ModelRejected",
    "OutOfMemory",
    "ProfileError",
    "QueryError",
    "RecordError",
    "RecordingError",
    "ServiceError",
    "UnsupportedSource",
    "WeightError",
    "WorkbenchError",
    "WriterError",
]


class WorkbenchError(Exception):
    """Base of every error that the package raises on purpose."""

    def _render_traceback_(self) -> list[str]:
        # IPython asks for this: the message has the remedy, and hundreds of lines of ours would
        # bury it. `%debug` and `raise` have the whole.
        return [f"{type(self).__name__}: {self}"]


class CorpusError(WorkbenchError):
    """Something about a corpus folder or its source."""


class CorpusNotFound(CorpusError):
    """No corpus and no readable source at that path."""


class CorpusLocked(CorpusError):
    """Another process is writing to the corpus."""


class CorpusReadOnly(CorpusError):
    """A change to a corpus in a folder that may not be written to."""


class CorpusUnavailable(CorpusError):
    """A passing fault: too many open files, no memory, a device that does not answer."""


class DiskFull(CorpusError):
    """The disk has no space left, or a quota is reached."""


class CorpusMismatch(CorpusError):
    """The index on disk does not fit what was asked for."""


class CorpusDamaged(CorpusMismatch):
    """Files of the index are missing, cut off or unreadable."""


class RecordError(CorpusError):
    """A record that cannot be a paper."""


class UnsupportedSource(CorpusError):
    """No reader for this kind of source."""


class QueryError(WorkbenchError):
    """A query that cannot be searched."""


class FilterError(WorkbenchError):
    """A filter that cannot be meant."""


class WeightError(WorkbenchError):
    """Weights that do not define a ranking."""


class ProfileError(WorkbenchError):
    """A profile setting that is out of range or unknown."""


class EvaluationError(WorkbenchError):
    """Queries, judgments or metrics that cannot be evaluated."""


class ExperimentError(WorkbenchError):
    """A recorded experiment that cannot be kept, opened, compared or rerun."""


class RecordingError(WorkbenchError):
    """Memory that cannot be sampled as asked, or its recording not written or read."""


class AnswerError(WorkbenchError):
    """An answer that cannot be kept, opened or looked into."""


class WriterError(AnswerError):
    """A language model that cannot write a section."""


class DeadlineExceeded(WorkbenchError):
    """Work that was stopped because its time is over, or because nobody waits for it."""


class ServiceError(WorkbenchError):
    """A service that cannot start as asked, or that was not reached."""


class ClusterError(WorkbenchError):
    """An Elasticsearch cluster that does not do what was asked."""


class ClusterUnavailable(ClusterError):
    """The cluster is away, has no master, or misses shards of the index."""


class ClusterTimeout(ClusterUnavailable):
    """The cluster did not answer in time."""


class ClusterDenied(ClusterError):
    """Credentials or certificate were not accepted."""


class ClusterBusy(ClusterError):
    """The cluster rejects requests (429), also after waiting."""


class ClusterReadOnly(ClusterError):
    """A block on the index forbids writing."""


class ClusterTooLarge(ClusterError):
    """A request is larger than the cluster, or a proxy before it, takes (413)."""


class ModelError(WorkbenchError):
    """Something about a model."""


class ModelNotFound(ModelError):
    """The weights were found nowhere."""


class ModelRejected(ModelError):
    """Weights that are not safe or not sound to load."""


class OutOfMemory(ModelError):
    """What is needed is more than the budget, or than the device has left."""


class MissingDependency(ModelError):
    """A package that this feature needs is not installed."""


def shown(value: object, most: int = 80) -> str:
    """A value for a message: its repr, cut off; whole numbers too long to print by their size."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        size = f" of {value.bit_length():,} bits" if isinstance(value, int) else ""
        text = f"a {type(value).__name__}{size} that cannot be printed"
    return text if len(text) <= most else f"{text[: most - 3]}..."


def whole_number(name: str, value: Any, least: int, most: int, error: type[WorkbenchError]) -> int:
    """The value as an int, numpy's too. Raises `error` where it is none from `least` to `most`."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or not least <= number <= most:
        raise error(f"{name} is {shown(value)}; give a whole number from {least} to {most}")
    return number


def first_line(error: BaseException) -> str:
    """What an error says, shortened to one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
