"""The embedder that an index was made with, or that is asked for; and whether the two agree."""

from __future__ import annotations

from typing import Any

from workbench.corpus.manifest import Manifest
from workbench.errors import CorpusMismatch, ModelError, shown
from workbench.models.embedders.base import Embedder, LazyEmbedder
from workbench.models.embedders.make import make_embedder, settings_of
from workbench.models.weights.find import DEFAULT_MODEL


def embedder_for(
    manifest: Manifest | None,
    model: str | None = None,
    runtime: str | None = None,
    *,
    new: str | None = None,
) -> LazyEmbedder:
    """The model and runtime asked for, else those of the index, else the default, in the runtime
    `new`. Raises what `make_embedder` raises."""
    for name, value in (("model", model), ("runtime", runtime)):
        if value is not None and not isinstance(value, str):
            raise ModelError(f"{name} is {shown(value)}; give a text, or leave it out")
    settings: dict[str, Any] = {"runtime": runtime} if runtime else {}
    if manifest is not None:
        model = model or manifest.model
        settings = settings or settings_of(manifest.model_fingerprint)
    elif new and not settings:
        settings = {"runtime": new}
    return make_embedder(model or DEFAULT_MODEL, **settings)


def check_model(manifest: Manifest, embedder: Embedder, where: str) -> None:
    """Raises CorpusMismatch for a model that did not make an index's vectors; an attached index
    does not say which one did."""
    for name, made, own in (
        ("dimension", manifest.dimension, embedder.dimension),
        ("fingerprint", manifest.model_fingerprint, embedder.fingerprint),
    ):
        if made and own != made:
            raise CorpusMismatch(
                f"{where}: made with model {manifest.model!r} ({name} {made}), but "
                f"{embedder.name!r} has {name} {own}; use the model it was made with, or index "
                "the source into a new folder"
            )
