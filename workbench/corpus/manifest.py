"""The manifest: which generation of an index is current, and from what it was made."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from workbench.corpus.faults import disk_faults, exists, is_file
from workbench.errors import CorpusDamaged, CorpusMismatch, CorpusNotFound
from workbench.system.files import replacing

FORMAT = 1
NAME = "manifest.json"
STORE = "corpus.sqlite"
VECTORS = "vectors.f32"
LIBRARY = "sources.sqlite"
"""The files of a corpus folder, beside the folder of its generation."""

SETTINGS = ("analyser", "chunking", "model", "model_fingerprint", "dimension", "k1", "b")
"""What decides terms, passages, vectors and scores."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that decides what a search in this index returns.

    `fingerprint` is equal for equal papers and settings; `versions` are for information.
    `model_fingerprint` is of the embedder that the index was begun with; where others of the same
    model made vectors too, `runtimes` has the passage rows by the fingerprint of each.
    """

    analyser: str
    chunking: str
    model: str
    model_fingerprint: str
    dimension: int
    k1: float
    b: float
    format: int = FORMAT
    generation: int = 0
    papers: int = 0
    passages: int = 0
    paper_rows: int = 0
    passage_rows: int = 0
    terms: int = 0
    fingerprint: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)
    runtimes: dict[str, int] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """Name of the folder with this generation's arrays."""
        return f"generation-{self.generation:06d}"

    def facts(self) -> dict[str, Any]:
        """What a person may ask of an index, for `Workbench.info`."""
        names = ("papers", "passages", "terms", "model", "dimension", "analyser", "chunking")
        found = {name: getattr(self, name) for name in names}
        found["bm25"] = {"k1": self.k1, "b": self.b}
        return found | {n: getattr(self, n) for n in ("generation", "fingerprint", "versions")}


def read_manifest(folder: Path) -> Manifest:
    """Raises CorpusNotFound without one, CorpusDamaged, CorpusMismatch for a newer one."""
    path = folder / NAME
    if not exists(path):
        raise CorpusNotFound(f"{folder}: no index here; run `workbench index SOURCE`")
    if not is_file(path):
        raise _damaged(path, "not a file")
    try:
        with disk_faults(path):
            values = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, error) from error
    if not isinstance(values, dict) or type(values.get("format")) is not int:
        raise _damaged(path, "not a manifest")
    if values["format"] > FORMAT:
        raise CorpusMismatch(
            f"{path}: written by a newer version (format {values.get('format')}, this one reads "
            f"{FORMAT}); update the package"
        )
    known = {f.name: str(f.type) for f in fields(Manifest)}
    for name, kind in known.items():
        if name in values and not _fits(values[name], kind):
            raise _damaged(path, f"{name} is {str(values[name])[:80]!r}")
    try:
        return Manifest(**{name: value for name, value in values.items() if name in known})
    except TypeError:
        raise _damaged(path, "settings are missing") from None


def _fits(value: Any, kind: str) -> bool:
    """Whether a value read from JSON is of a field's type, and a number one that can be meant."""
    if kind == "int":
        return type(value) is int and 0 <= value < 2**31
    if kind == "float":
        return type(value) in (int, float) and 0 <= value < 1e9
    return isinstance(value, str if kind == "str" else dict)


def _damaged(path: Path, reason: object) -> CorpusDamaged:
    return CorpusDamaged(
        f"{path}: not readable ({reason}); run `workbench index` again, stored papers are kept"
    )


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest in one step: a reader sees the old one or the new one."""
    path = folder / NAME
    with disk_faults(path), replacing(path) as stream:
        json.dump(asdict(manifest), stream, indent=2)


def check_settings(found: Any, expected: Any, where: object, *more: str) -> None:
    """Raises CorpusMismatch that names the first of SETTINGS (or `more`) in which two manifests,
    or two layouts of a cluster's index, differ."""
    for name in (*SETTINGS, *more):
        have, want = getattr(found, name), getattr(expected, name)
        if have != want and name != "model":
            detail = f" (models {found.model!r} and {expected.model!r})" if "model" in name else ""
            raise CorpusMismatch(
                f"{where}: made with {name} {have!r}, but {want!r} is asked for{detail}; use the "
                "same settings, or index the source into a new place"
            )
