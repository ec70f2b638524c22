"""What happens while an answer is made. The events in order are its trace: an answer is made of
its trace alone, so a replayed one is the same to the byte, and a cut-off one is what was finished.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from workbench.errors import AnswerError
from workbench.qa.records import (
    Dropped,
    Outline,
    PaperFacts,
    Plan,
    Quote,
    Sentence,
    Source,
    Usage,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`elapsed_ms` since the question; `remaining_ms` by the median of earlier answers, None at
    the first."""

    elapsed_ms: float = 0.0
    remaining_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Event):
    """The question and what it is answered with."""

    question: str
    profile: str
    writer: str
    words: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Event):
    """The passages, best first, and the papers that they are of. `notes` are the search's."""

    sources: tuple[Source, ...]
    papers: tuple[PaperFacts, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted(Event):
    """Passages were read: the sentence of each that is nearest to the question."""

    quotes: tuple[Quote, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlined(Event):
    """The quotes are chosen and in sections. `note` says where they are thin."""

    outline: Outline
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrote(Event):
    """A sentence of a section, by the section's number from 0."""

    section: int
    sentence: Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed(Event):
    """A section is whole: who wrote it, what was dropped of it, what it took."""

    section: int
    writer: str
    note: str = ""
    dropped: tuple[Dropped, ...] = ()
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined(Event):
    """There is no answer: the reason, and the nearest that was found."""

    reason: str
    nearest: tuple[Quote, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed(Event):
    """A person's verdicts on the quotes, by id. The events after it write anew the sections that
    lost a quote; it stands once in a trace, after `Done`, and has all verdicts."""

    accepted: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(Event):
    """The end. `timings_ms` by stage. Interrupted: what was finished is the answer."""

    timings_ms: Mapping[str, float]
    interrupted: bool = False


KINDS: dict[str, type[Event]] = {
    "asked": Asked,
    "found": Found,
    "quoted": Quoted,
    "outlined": Outlined,
    "wrote": Wrote,
    "closed": Closed,
    "declined": Declined,
    "done": Done,
    "reviewed": Reviewed,
}
_NAMES = {kind: name for name, kind in KINDS.items()}


def event_to_dict(event: Event) -> dict[str, Any]:
    """Plain values with the event's `kind`, for JSON."""
    return {"kind": _NAMES[type(event)], **_plain(asdict(event))}


def event_from_dict(values: Mapping[str, Any]) -> Event:
    """The event that `event_to_dict` gave; raises AnswerError for what is none."""
    try:
        kind = KINDS[values["kind"]]
        known = {f.name for f in fields(kind)}
        given = {name: value for name, value in values.items() if name in known}
        return kind(**{n: _READ[n](v) if n in _READ else v for n, v in given.items()})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AnswerError(f"{str(values)[:80]!r} is no event of an answer ({error!r})") from error


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


def _outline(value: Mapping[str, Any]) -> Outline:
    plans = tuple(Plan(p["title"], _quotes(p["quotes"])) for p in value["plans"])
    return Outline(_quotes(value["tldr"]), plans)


def _quotes(values: Any) -> tuple[Quote, ...]:
    return tuple(Quote(**value) for value in values)


def _papers(values: Any) -> tuple[PaperFacts, ...]:
    return tuple(PaperFacts(**{**v, "authors": tuple(v.get("authors", ()))}) for v in values)


def _sentence(value: Mapping[str, Any]) -> Sentence:
    return Sentence(**{**value, "citations": tuple(value["citations"])})


_READ: dict[str, Callable[[Any], Any]] = {
    "sources": lambda values: tuple(Source(**v) for v in values),
    "papers": _papers,
    "notes": tuple,
    "accepted": tuple,
    "rejected": tuple,
    "quotes": _quotes,
    "nearest": _quotes,
    "outline": _outline,
    "sentence": _sentence,
    "dropped": lambda values: tuple(Dropped(**v) for v in values),
    "usage": lambda value: Usage(**value),
}
