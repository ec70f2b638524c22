"""Which rerankers a profile means; each is made once and loads at its first passage."""

from __future__ import annotations

import threading
from collections.abc import Collection

from workbench.models.cross_encoder import CrossEncoder
from workbench.models.embedder import Embedder
from workbench.profiles import LATE_INTERACTION, Profile
from workbench.ranking.late_interaction import LateInteraction
from workbench.ranking.rerank import Reranker


class Rerankers:
    """Rerankers over one embedder. Safe to share between threads."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._lock = threading.Lock()
        self._made: dict[tuple[str, ...], Reranker] = {}

    def chosen(self, profile: Profile, asked: Collection[str] = ()) -> list[Reranker]:
        """The profile's reranker; LateInteraction too where its signal is asked for.

        Raises ModelNotFound or ModelRejected for a cross-encoder that is not there or not sound.
        """
        names = [profile.reranker] if profile.reranker else []
        if LateInteraction.signal in asked and LATE_INTERACTION not in names:
            names.append(LATE_INTERACTION)
        return [self._make(name, profile) for name in names]

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
