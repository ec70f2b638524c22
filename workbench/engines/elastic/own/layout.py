"""What an index on a cluster says of itself, as the manifest does of a corpus folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from hashlib import blake2b
from typing import Any

from workbench.corpus.manifest import SETTINGS, Manifest

FORMAT = 1
"""Of the mapping; written into the index, so that an older package does not misread a newer."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What an index says of itself: the settings that decide its candidates. `runtimes` are the
    fingerprints of all embedders that made vectors, where others of the same model did too."""

    analyser: str
    chunking: str
    model: str
    model_fingerprint: str
    dimension: int
    k1: float
    b: float
    vectors: str
    format: int = FORMAT
    runtimes: tuple[str, ...] = field(default=(), compare=False)

    def to_meta(self, build: str) -> dict[str, Any]:
        """For the mapping's `_meta`; `build` tells unfinished builds of other sources apart."""
        return {"workbench": {**asdict(self), "build": build}}


def fingerprint(count: int, sums: Iterable[int], layout: Layout) -> str:
    """16 hex digits, equal for equal papers and settings, in whatever order they came."""
    settings = asdict(layout)
    if not layout.runtimes:
        del settings["runtimes"]  # which indexes of version 0.4 do not have
    content = repr((count, tuple(sums), tuple(settings.items())))
    return blake2b(content.encode(), digest_size=8).hexdigest()


def layout_of(manifest: Manifest, vectors: str) -> Layout:
    """The layout of an index with the settings of a corpus folder and `vectors` of this type."""
    settings = {name: getattr(manifest, name) for name in SETTINGS}
    return Layout(**settings, vectors=vectors, runtimes=tuple(sorted(manifest.runtimes)))


def manifest_of(layout: Layout, **counts: Any) -> Manifest:
    """The manifest of an index with this layout; documents do not say which runtime made them."""
    settings = {name: getattr(layout, name) for name in SETTINGS}
    return Manifest(**settings, **counts, runtimes=dict.fromkeys(layout.runtimes, 0))


def read_layout(meta: dict[str, Any]) -> Layout:
    """The layout in a mapping's `_meta`. Raises KeyError for a setting that is not there."""
    runtimes = tuple(meta.get("runtimes", ()))
    settings = {f.name: meta[f.name] for f in fields(Layout) if f.name != "runtimes"}
    return Layout(**settings, runtimes=runtimes)
