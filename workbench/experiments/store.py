"""The experiments of one folder: kept, listed, annotated, and checked when they are read."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import orjson

from workbench.errors import ExperimentError, shown
from workbench.experiments.blobs import keep_table, read_table
from workbench.experiments.database import FORMAT, NAME, ExperimentDatabase, newer

FOLDER = "experiments"
"""Beside the papers of a corpus."""

MEASURED = ("evaluate", "tune", "answers")
KINDS = (*MEASURED, "block", "comparison", "notebook")
_ADD = (
    "INSERT INTO experiments (id, key, parent, summary, document, sha256) VALUES (?, ?, ?, ?, ?, ?)"
)


class Summary(NamedTuple):
    """What a table shows of an experiment, read without its document. A tuple: they are read by
    the ten thousand, and three times as fast."""

    id: str
    kind: str
    name: str
    parent: str
    started: float
    seconds: float
    metrics: Mapping[str, float]
    queries: int
    error: str = ""
    tags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def measured(self) -> bool:
        """Whether it is a measurement, and not what one or several are part of."""
        return self.kind in MEASURED and not self.error

    @property
    def when(self) -> datetime:
        """When it began, UTC."""
        return datetime.fromtimestamp(self.started, UTC)


_SHOWN = set(Summary._fields)


@dataclass(slots=True)
class _Said:
    tags: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class ExperimentStore:
    """Safe to share between threads and processes. Raises ExperimentError, DiskFull, CorpusLocked,
    and CorpusError where the folder may not be written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._database = ExperimentDatabase(folder)

    def __repr__(self) -> str:
        return f"ExperimentStore({str(self.folder)!r})"

    def keep(self, document: Mapping[str, Any], summary: Mapping[str, Any], key: str = "") -> str:
        """Add a record; returns its id. `document` holds all of it in plain values, `summary` what
        tables show, `key` is equal for measurements of equal things."""
        name = str(document["id"])
        text = json.dumps({**document, "format": FORMAT}, ensure_ascii=False)
        short = json.dumps(summary, ensure_ascii=False)
        digest = sha256((short + text).encode("utf-8", "surrogatepass")).hexdigest()
        self._database.add(_ADD, (name, key, str(document.get("parent", "")), short, text, digest))
        return name

    def document(self, name: str) -> dict[str, Any]:
        """The whole record of an id, or of what an id begins with. Raises ExperimentError for one
        that is not here, was written by a newer version, or changed after it was written."""
        found = self._database.rows(
            "SELECT id, summary, document, sha256 FROM experiments WHERE id = ?", (name,)
        ) or self._database.rows(
            "SELECT id, summary, document, sha256 FROM experiments WHERE substr(id, 1, ?) = ? "
            "LIMIT 2",
            (len(name), name),
        )
        if len(found) != 1 or not name:
            raise ExperimentError(
                f"{self.folder / NAME}: {'several experiments begin' if found else 'no experiment'}"
                f"{' with' if found else ''} {shown(name)}; `workbench experiments` lists them"
            )
        [(known, short, text, digest)] = found
        if sha256((short + text).encode("utf-8", "surrogatepass")).hexdigest() != digest:
            raise ExperimentError(
                f"{self.folder / NAME}: experiment {known} was changed after it was written (its "
                "sha256 does not fit); restore the file from a copy. The others can be read"
            )
        values: dict[str, Any] = json.loads(text)
        if values["format"] > FORMAT:
            raise newer(f"experiment {known}", values["format"])
        return values

    def find(self, key: str) -> str:
        """The id of the last experiment with this key that did not fail; "" where there is none."""
        rows = self._database.rows(
            "SELECT id FROM experiments WHERE key = ? AND key <> '' ORDER BY no DESC LIMIT 1",
            (key,),
        )
        return str(rows[0][0]) if rows else ""

    def children(self, parent: str) -> list[str]:
        """Ids of the experiments made inside of another, in order."""
        rows = self._database.rows(
            "SELECT id FROM experiments WHERE parent = ? AND parent <> '' ORDER BY no", (parent,)
        )
        return [str(name) for (name,) in rows]

    def summaries(self) -> list[Summary]:
        """All experiments in the order in which they were written."""
        said = self._annotations()
        nothing = _Said()
        # One text for all rows: a call of the parser for each costs more than the rest together.
        rows = self._database.rows("SELECT summary FROM experiments ORDER BY no")
        found = []
        for told in _parsed(f"[{','.join(text for (text,) in rows)}]"):
            # A newer version says more of it.
            more = not told.keys() <= _SHOWN
            values = {n: v for n, v in told.items() if n in _SHOWN} if more else told
            about = said.get(values["id"], nothing)
            found.append(Summary(**values, tags=tuple(about.tags), notes=tuple(about.notes)))
        return found

    def annotate(self, name: str, kind: str, text: str) -> None:
        """Add a "tag" or a "note", or take a tag away ("untag")."""
        if not isinstance(text, str) or not text.strip():
            raise ExperimentError(f"the {kind} is {shown(text)}; give a text")
        self._database.add(
            "INSERT INTO annotations (experiment, moment, kind, text) VALUES (?, ?, ?, ?)",
            (name, time.time(), kind, text.strip()),
        )

    def tags(self, name: str) -> tuple[str, ...]:
        """The tags of an experiment."""
        return tuple(self._annotations(name).get(name, _Said()).tags)

    def notes(self, name: str) -> tuple[str, ...]:
        """The notes of an experiment, oldest first."""
        return tuple(self._annotations(name).get(name, _Said()).notes)

    def keep_table(self, columns: Mapping[str, Any]) -> str:
        """Keep a table; its name is its content."""
        return keep_table(self.folder, columns)

    def table(self, name: str) -> dict[str, Any]:
        """A table by its name."""
        return read_table(self.folder, name)

    def _annotations(self, name: str | None = None) -> dict[str, _Said]:
        where, values = ("WHERE experiment = ?", (name,)) if name else ("", ())
        rows: Iterable[tuple[str, str, str]] = self._database.rows(
            f"SELECT experiment, kind, text FROM annotations {where} ORDER BY no", values
        )
        said: dict[str, _Said] = {}
        for experiment, kind, text in rows:
            about = said.setdefault(experiment, _Said())
            if kind == "note":
                about.notes.append(text)
            elif kind == "tag" and text not in about.tags:
                about.tags.append(text)
            elif kind == "untag" and text in about.tags:
                about.tags.remove(text)
        return said


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:  # a mean that is NaN, which is Python's JSON only
        return json.loads(text)


def new_id() -> str:
    """A name for an experiment: when it began, and enough chance to be the only one."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid4().hex[:8]}"
