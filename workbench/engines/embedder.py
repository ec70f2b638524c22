"""The embedder that an index was made with, or that is asked for; and what it decides."""

from __future__ import annotations

from typing import Any

from workbench.corpus import chunking
from workbench.corpus.analysis import Analyser
from workbench.corpus.manifest import Manifest
from workbench.engines.bm25 import K1, B
from workbench.errors import ModelError, shown
from workbench.models.embedders.base import Embedder, LazyEmbedder
from workbench.models.embedders.make import make_embedder
from workbench.models.embedders.runtimes import runtime_here, same_model
from workbench.models.weights.find import DEFAULT_MODEL


def embedder_for(
    manifest: Manifest | None,
    model: str | None = None,
    runtime: str | None = None,
    *,
    new: str | None = None,
) -> LazyEmbedder:
    """The model and runtime asked for, else those of the index (in a runtime that this machine
    has), else the default, in the runtime `new`. Raises what `make_embedder` raises."""
    for name, value in (("model", model), ("runtime", runtime)):
        if value is not None and not isinstance(value, str):
            raise ModelError(f"{name} is {shown(value)}; give a text, or leave it out")
    settings: dict[str, Any] = {"runtime": runtime} if runtime else {}
    if manifest is not None:
        model = model or manifest.model
        settings = settings or runtime_here(manifest.model_fingerprint)
    elif new and not settings:
        settings = {"runtime": new}
    return make_embedder(model or DEFAULT_MODEL, **settings)


def made_with(embedder: Embedder, begun: str = "") -> Manifest:
    """The settings of an index that is made with an embedder. One that was `begun` in another
    runtime of the same model (its fingerprint) keeps that one's name."""
    own = embedder.fingerprint
    return Manifest(
        analyser=Analyser().fingerprint,
        chunking=chunking.fingerprint(embedder.window),
        model=embedder.name,
        model_fingerprint=begun if same_model(begun, own) else own,
        dimension=embedder.dimension,
        k1=K1,
        b=B,
    )
