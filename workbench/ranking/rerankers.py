"""Which rerankers a profile means; each is made once and loads at its first passage."""

from __future__ import annotations

from workbench.forking import Lock
from workbench.models.cross_encoder.cross_encoder import CrossEncoder
from workbench.models.embedders.onnx_embedder import Embedder
from workbench.profiles import LATE_INTERACTION, Profile
from workbench.ranking.late_interaction import LateInteraction
from workbench.ranking.rerank import Reranker


class Rerankers:
    """Rerankers over one embedder. Safe to share between threads."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._lock = Lock()
        self._made: dict[tuple[str, ...], Reranker] = {}

    def chosen(self, profile: Profile) -> Reranker | None:
        """The profile's reranker, None where it has none.

        Raises ModelNotFound or ModelRejected for a cross-encoder that is not there or not sound,
        ModelError for an embedder that cannot do late interaction.
        """
        return self._make(profile.reranker, profile) if profile.reranker else None

    def late_interaction(self, profile: Profile) -> LateInteraction:
        """The one that the profile would use. Raises ModelError for an embedder without tokens."""
        made = self._make(LATE_INTERACTION, profile)
        assert isinstance(made, LateInteraction)
        return made

    def close(self) -> None:
        """Let go of files and weights; what is used again is opened again."""
        with self._lock:
            made, self._made = list(self._made.values()), {}
        for reranker in made:
            if isinstance(reranker, CrossEncoder):
                reranker.release()
            elif isinstance(reranker, LateInteraction):
                reranker.close()

    def _make(self, name: str, profile: Profile) -> Reranker:
        late = name == LATE_INTERACTION
        key = (name,) if late else (name, profile.device, str(profile.workers))
        key = (*key, str(profile.batch_size))
        with self._lock:
            if key not in self._made:
                self._made[key] = (
                    LateInteraction(self._embedder, batch_size=profile.batch_size)
                    if late
                    else CrossEncoder(
                        name,
                        device=profile.device,
                        workers=profile.workers,
                        batch_size=profile.batch_size,
                    )
                )
            return self._made[key]
