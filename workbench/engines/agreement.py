"""An index made in another runtime than this machine's: the same model, and how alike the two are.

Nothing is refused for its arithmetic. What it changes is measured once on the index itself, kept
in the cache, and said.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.corpus import chunking
from workbench.corpus.manifest import Manifest
from workbench.corpus.notices import notice
from workbench.engines.base import Engine
from workbench.errors import CorpusError, CorpusMismatch
from workbench.models.embedders.base import Embedder
from workbench.models.embedders.runtimes import runtime_name, same_model
from workbench.present.view import Shown, View
from workbench.profiles import cache_folder
from workbench.records import Query
from workbench.system.files import replacing

SAMPLE = 64
"""Passages that are encoded again: half a second on two cores."""

BEST = 10
"""Passages whose overlap is measured."""

LEAST = 0.9
"""Mean cosine below which two runtimes do not compute the same model."""


@dataclass(frozen=True, slots=True)
class Agreement(Shown):
    """How alike the vectors of an index, `made` in one runtime, and those are that the runtime
    `here` gives for the same texts.

    `cosine` is the mean over `passages` of them, `lowest` the least; `overlap` the mean share of
    the 10 nearest passages that both find. With no passages nothing was measured.
    """

    made: str
    here: str
    passages: int = 0
    cosine: float = 1.0
    lowest: float = 1.0
    overlap: float = 1.0

    def view(self) -> View:
        """One line."""
        measured = "not measured, the index lists no passages"
        if self.passages:
            measured = (
                f"cosine {self.cosine:.4f} (lowest {self.lowest:.4f}), overlap@{BEST} "
                f"{self.overlap:.3f} on {self.passages} passages"
            )
        return View(f"vectors made with {self.made}, queries encoded with {self.here}: {measured}")


def check_model(manifest: Manifest, embedder: Embedder, where: str) -> None:
    """Raises CorpusMismatch for another model than the one that made an index's vectors; an
    attached index does not say which one did."""
    made, own = manifest.model_fingerprint, embedder.fingerprint
    wrong: tuple[str, object, object] | None = None
    if manifest.dimension and embedder.dimension != manifest.dimension:
        wrong = "dimension", manifest.dimension, embedder.dimension
    elif made and not same_model(made, own):
        wrong = "fingerprint", made, own
    if wrong:
        name, found, given = wrong
        raise CorpusMismatch(
            f"{where}: made with model {manifest.model!r} ({name} {found}), but "
            f"{embedder.name!r} has {name} {given}; use the model it was made with, or index "
            "the source into a new folder"
        )


def agreement(engine: Engine, embedder: Embedder, where: str) -> Agreement | None:
    """How alike an engine's vectors are to those of an embedder of the same model in another
    runtime; None where the runtime is the same. Measured on the first call for an index as it is,
    later from the cache. Raises CorpusMismatch where the two are not one model after all."""
    made, own = engine.manifest.model_fingerprint, embedder.fingerprint
    if not made or made == own:
        return None
    names = runtime_name(made), runtime_name(own)
    # By both: another index may come to the same place, and equal papers may have other vectors.
    indexed = where, engine.manifest.fingerprint
    kept = cache_folder() / "agreement" / f"{_digest(*indexed, made, own)}.json"
    with suppress(OSError, ValueError, TypeError):
        return Agreement(*names, **json.loads(kept.read_text("utf-8")))
    passages, cosine, lowest, overlap = _measured(engine, embedder)
    found = Agreement(*names, passages, cosine, lowest, overlap)
    if not found.passages:
        return found
    if found.cosine < LEAST:
        raise CorpusMismatch(
            f"{where}: {found}. At least {LEAST} is asked for: one of the two does not compute "
            f"{embedder.name!r} as it should; open it with another runtime, or index the source "
            "into a new folder"
        )
    values = {name: value for name, value in asdict(found).items() if name not in ("made", "here")}
    with suppress(OSError), replacing(kept) as stream:  # without a cache it is measured again
        json.dump(values, stream)
    notice(f"{where}: {found}")
    return found


def runtimes_of(manifest: Manifest, found: Agreement | None) -> dict[str, Any]:
    """For `Workbench.info`: the runtime that made the vectors, passages by runtime where several
    did (None where those are not counted), and the agreement with the one that encodes queries,
    where that is another."""
    if not manifest.model_fingerprint:
        return {}
    facts: dict[str, Any] = {"runtime": runtime_name(manifest.model_fingerprint)}
    if manifest.runtimes:
        facts["runtimes"] = {runtime_name(made): n or None for made, n in manifest.runtimes.items()}
    if found is not None:
        facts["agreement"] = asdict(found)
    return facts


def _digest(*parts: str) -> str:
    return sha256(repr(parts).encode()).hexdigest()[:32]


def _measured(engine: Engine, embedder: Embedder) -> tuple[int, float, float, float]:
    """`passages`, `cosine`, `lowest` and `overlap` over a sample, the same in each run."""
    try:
        keys = engine.sample(SAMPLE)
    except CorpusError:  # an engine that cannot list its passages
        keys = []
    if not keys:
        return 0, 1.0, 1.0, 1.0
    papers = engine.papers([paper_id for paper_id, _ in keys])
    titles = chunking.short_titles([paper.title for paper in papers], embedder)
    texts = [
        chunking.embedding_text(title, passage.text)
        for title, passage in zip(titles, engine.passages(keys), strict=True)
    ]
    made, here = engine.vectors(keys), embedder.encode(texts)
    cosines = np.einsum("ij,ij->i", made, here)
    shared = [
        len(a & b) / max(len(a), 1)
        for a, b in zip(_nearest(engine, made), _nearest(engine, here), strict=True)
    ]
    return len(keys), float(cosines.mean()), float(cosines.min()), float(np.mean(shared))


def _nearest(engine: Engine, vectors: NDArray[np.float32]) -> Sequence[set[tuple[str, int]]]:
    """(paper id, number) of the passages nearest to each vector."""
    every = []
    for vector in vectors:
        found = engine.candidates(Query(text="", terms={}, vector=vector), BEST)
        best = np.argsort(-found.column("dense"), kind="stable")[:BEST]
        every.append({(str(found.paper_ids[row]), int(found.numbers[row])) for row in best})
    return every
