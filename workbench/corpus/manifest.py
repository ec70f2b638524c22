"""The manifest: which generation of an index is current, and from what it was made."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from workbench.corpus.faults import disk_faults, exists, is_file
from workbench.errors import CorpusDamaged, CorpusMismatch, CorpusNotFound

FORMAT = 1
NAME = "manifest.json"
STORE = "corpus.sqlite"
VECTORS = "vectors.f32"
LIBRARY = "sources.sqlite"
"""The files of a corpus folder, beside the folder of its generation."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that decides what a search in this index returns.

    `fingerprint` is equal for equal papers and settings; `versions` are for information.
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

    @property
    def folder(self) -> str:
        """Name of the folder with this generation's arrays."""
        return f"generation-{self.generation:06d}"


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
    write_atomically(folder / NAME, json.dumps(asdict(manifest), indent=2).encode())


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that, whatever happens, its old or its new content is there."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with disk_faults(path):
        try:
            with open(partial, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def check_settings(found: Manifest, expected: Manifest, folder: Path) -> None:
    """Raises CorpusMismatch that names the first setting in which the two differ."""
    for name in ("analyser", "chunking", "model_fingerprint", "dimension", "k1", "b"):
        have, want = getattr(found, name), getattr(expected, name)
        if have != want:
            detail = f" (models {found.model!r} and {expected.model!r})" if "model" in name else ""
            raise CorpusMismatch(
                f"{folder}: made with {name} {have!r}, but {want!r} is asked for{detail}; use the "
                "same settings, or index the source into a new folder"
            )
