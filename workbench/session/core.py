"""One corpus, opened: searching it and changing it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from workbench.corpus.analysis import Analyser
from workbench.corpus.ingest import IngestReport
from workbench.corpus.manifest import Manifest
from workbench.engines.filters import Texts, Years, make_filters
from workbench.engines.keeper import FolderKeeper, Keeper
from workbench.errors import CorpusError, CorpusMismatch
from workbench.models.embedders.onnx_embedder import Embedder, OnnxEmbedder
from workbench.profiles import Profile, as_profile
from workbench.ranking.editing import QueryEdits
from workbench.ranking.fusion import complete_weights, weight_vector
from workbench.ranking.late_interaction import TokenCacheReport
from workbench.ranking.ranking import Ranking, check_k
from workbench.ranking.retriever import Retriever


class Session:
    """What searches and changes a corpus. Holds engine, model and profile; no logic of its own."""

    def __init__(
        self,
        folder: Path,
        *,
        profile: Profile | str | None = None,
        embedder: Embedder | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        self.folder = folder
        self.profile = as_profile(profile)
        self._analyser = Analyser()
        self._keeper: Keeper = keeper or FolderKeeper(folder)
        self.engine = self._keeper.open()
        manifest = self.engine.manifest
        self._embedder = embedder or OnnxEmbedder(manifest.model)
        self._check_model(manifest)
        self._retriever = Retriever(self.engine, self._embedder, self._analyser)

    @property
    def manifest(self) -> Manifest:
        """What the open generation was made from."""
        return self.engine.manifest

    def search(
        self,
        query: str,
        k: int = 10,
        *,
        weights: Mapping[str, float] | None = None,
        profile: Profile | str | None = None,
        year: Years = None,
        venue: Texts = None,
        author: Texts = None,
        field: Texts = None,
        ids: Texts = None,
        edits: QueryEdits | None = None,
    ) -> Ranking:
        """The best `k` papers for a query.

        `weights` by signal; those left out share what is missing to 1 in the profile's proportions,
        so {"dense": 0.7} leaves 0.3 to the others. Filters are described at `Filters`; `year` is
        one year or an inclusive (first, last), either None for open. `edits` mute, boost, require
        or add terms.

        Raises QueryError (empty, over 100,000 characters, or nothing searchable under these
        weights), WeightError, FilterError, ProfileError. A query of stop words only, or in a
        script that the papers do not use, is answered by the dense signal and says so in `notes`.
        """
        check_k(k)
        profile = self._profile(profile, weights)
        filters = make_filters(year=year, venue=venue, author=author, field=field, ids=ids)
        retrieved = self._retriever.retrieve(query, profile, filters, edits=edits, read=k)
        return Ranking(retrieved, profile, self.engine, k)

    def add(
        self,
        source: Any,
        *,
        strict: bool = False,
        columns: Mapping[str, str] | None = None,
        progress: bool = True,
    ) -> IngestReport:
        """Add or replace papers from anything `wb.index` takes; this session sees them at once.

        Nothing already stored is read, analysed or embedded again.
        """
        report = self._keeper.add(
            source, self._embedder, strict=strict, columns=columns, progress=progress
        )
        self._reopen()
        return report

    def cache_token_vectors(self, *, progress: bool = True) -> TokenCacheReport:
        """Encode and keep every passage's token vectors (int8, some 60 kB each), so that
        `reranker="late-interaction"` is fast from the first query. Run it again to continue."""
        return self._retriever.cache_token_vectors(self.profile, progress=progress)

    def delete(self, ids: str | Iterable[str]) -> int:
        """Remove papers by id; returns how many there were."""
        names = [ids] if isinstance(ids, str) else list(ids)
        count = self._keeper.delete(names, self._embedder)
        self._reopen()
        return count

    def info(self) -> dict[str, Any]:
        """What this corpus holds and from what it was made."""
        manifest = self.manifest
        return {
            "folder": str(self.folder),
            "papers": manifest.papers,
            "passages": manifest.passages,
            "terms": manifest.terms,
            **self._keeper.facts(),
            "model": manifest.model,
            "dimension": manifest.dimension,
            "analyser": manifest.analyser,
            "chunking": manifest.chunking,
            "bm25": {"k1": manifest.k1, "b": manifest.b},
            "generation": manifest.generation,
            "fingerprint": manifest.fingerprint,
            "versions": manifest.versions,
        }

    def close(self) -> None:
        """Let go of the files."""
        self._retriever.close()
        self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> str:
        raise CorpusError(
            f"{self!r} holds open files and cannot be sent to another process; send the path and "
            f"open it there, once a process: wb.open({str(self.folder)!r})"
        )

    def __repr__(self) -> str:
        return f"Workbench({self._keeper.name!r}, {self.manifest.papers:,} papers)"

    def _profile(
        self, profile: Profile | str | None, weights: Mapping[str, float] | None
    ) -> Profile:
        """The profile asked for, or the session's, with the weights asked for."""
        profile = self.profile if profile is None else as_profile(profile)
        signals = self._retriever.signals(profile)
        if weights is not None:
            full = complete_weights(weights, profile.weights, signals)
            profile = profile.replace(weights=full)
        weight_vector(profile.weights, signals)
        return profile

    def _reopen(self) -> None:
        self.engine.close()
        self.engine = self._keeper.open()
        self._retriever = self._retriever.over(self.engine)

    def _check_model(self, manifest: Manifest) -> None:
        for name in ("dimension", "fingerprint"):
            own = getattr(self._embedder, name)
            key = "model_fingerprint" if name == "fingerprint" else name
            made = getattr(manifest, key)
            if made and own != made:  # an attached index does not say with which model it was made
                raise CorpusMismatch(
                    f"{self._keeper.name}: made with model {manifest.model!r} ({name} {made}), but "
                    f"{self._embedder.name!r} has {name} {own}; use the model it was made with, "
                    "or index the source into a new folder"
                )
