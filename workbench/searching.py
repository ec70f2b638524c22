"""Searching and asking one corpus: what a session is made upon, and all that a service needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self, Unpack, overload

from workbench.corpus.analysis import Analyser
from workbench.corpus.manifest import Manifest
from workbench.engines.agreement import agreement, check_model, runtimes_of
from workbench.engines.embedded.keeper import FolderKeeper
from workbench.engines.embedder import embedder_for
from workbench.engines.filters import Texts, Years, make_filters
from workbench.engines.keeper import Keeper
from workbench.errors import CorpusError
from workbench.models.embedders.base import Embedder
from workbench.profiles import Profile, as_profile
from workbench.qa.answer import Answer
from workbench.qa.asking import Asking, AskOptions, Request, Stages
from workbench.qa.stream import AnswerStream
from workbench.qa.writers.base import Writer
from workbench.qa.writers.make import make_writer
from workbench.ranking.editing import QueryEdits
from workbench.ranking.fusion import weight_vector
from workbench.ranking.ranking import Ranking
from workbench.ranking.retriever import Retriever
from workbench.ranking.weights import Weights, check_k, complete_weights
from workbench.records import Filters


class Searching:
    """One corpus, opened to be searched and asked. Safe between threads; use `with` or `close()`.
    It knows nothing of judgments, so that opening it loads a fifth less than a `Workbench`."""

    def __init__(
        self,
        folder: Path,
        *,
        profile: Profile | str | None = None,
        embedder: Embedder | None = None,
        keeper: Keeper | None = None,
        progress: bool = False,
    ) -> None:
        self.folder = folder
        self._keeper: Keeper = keeper or FolderKeeper(folder)
        self._progress = progress
        self.engine = self._keeper.open(progress=progress)
        self._embedder = embedder or embedder_for(self.manifest)
        check_model(self.manifest, self._embedder, self._keeper.name)
        self._agreement = agreement(self.engine, self._embedder, self._keeper.name)
        note = str(self._agreement or "")
        self._retriever = Retriever(self.engine, self._embedder, Analyser(), note=note)
        self._profile = as_profile(profile)
        self._answers = Asking(self._embedder)

    @property
    def manifest(self) -> Manifest:
        """What the open generation was made from."""
        return self.engine.manifest

    @property
    def embedder(self) -> Embedder:
        """What encodes queries."""
        return self._embedder

    @property
    def profile(self) -> Profile:
        """The settings of every search that is given none. Set it to a Profile or the name of one;
        raises ProfileError, WeightError or ModelNotFound for what cannot be searched with here."""
        return self._profile

    @profile.setter
    def profile(self, profile: Profile | str) -> None:
        self._profile = self.chosen(as_profile(profile), None)

    def search(
        self,
        query: str,
        k: int = 10,
        *,
        weights: Weights | None = None,
        profile: Profile | str | None = None,
        year: Years = None,
        venue: Texts = None,
        author: Texts = None,
        field: Texts = None,
        ids: Texts = None,
        filters: Filters | None = None,
        edits: QueryEdits | None = None,
    ) -> Ranking:
        """The best `k` papers for a query.

        `weights` by signal, or what has `weights`, like a Profile or `curve.best`; those left out
        share what is missing to 1 in the profile's proportions, so {"dense": 0.7} leaves 0.3 to the
        others. Filters are described at `Filters`, which `filters` takes ready-made; `year` is one
        year or an inclusive (first, last), either None for open. `edits` mute, boost, require or
        add terms.

        Raises QueryError (empty, over 100,000 characters, or nothing searchable under these
        weights), WeightError, FilterError, ProfileError. A query of stop words only, or in a
        script that the papers do not use, is answered by the dense signal and says so in `notes`.
        """
        check_k(k)
        profile = self.chosen(profile, weights)
        given = make_filters(filters, year=year, venue=venue, author=author, field=field, ids=ids)
        retrieved = self._retriever.retrieve(query, profile, given, edits=edits, read=k)
        return Ranking(retrieved, profile, self.engine, k)

    @overload
    def ask(
        self, question: str, *, stream: Literal[False] = False, **options: Unpack[AskOptions]
    ) -> Answer: ...
    @overload
    def ask(
        self, question: str, *, stream: Literal[True], **options: Unpack[AskOptions]
    ) -> AnswerStream: ...
    @overload
    def ask(
        self, question: str, *, stream: bool, **options: Unpack[AskOptions]
    ) -> Answer | AnswerStream: ...
    def ask(
        self, question: str, *, writer: Writer | str | None = None, words: int = 300,
        stream: bool = False, profile: Profile | str | None = None, weights: Weights | None = None,
        year: Years = None, venue: Texts = None, author: Texts = None, field: Texts = None,
        ids: Texts = None, filters: Filters | None = None,
        unsupported: Literal["drop", "mark"] = "drop", seconds: float = 120.0,
        insist: bool = False, stages: Stages = Stages(),
    ) -> Answer | AnswerStream:  # fmt: skip
        """An answer made of the corpus's own sentences, each with its place in its paper, or the
        reason why there is none (`answer.declined`).

        `words` is how much is quoted at most. `writer`: "extractive" (default, no model), "openai",
        "local" or a `Writer`; what it writes is checked against its quotes, and what they do not
        carry is dropped or, with `unsupported="mark"`, marked. Writing takes at most `seconds`.
        With `stream`, an iterator of events instead. `profile`, `weights` and filters as in
        `search`; the profile's `context_threshold` is the least relevance of a quoted passage.
        `insist` answers from thin evidence too. `stages` replaces stages. Ctrl-C gives what is
        finished. Raises QueryError, WriterError (an unknown writer) and what `search` raises.
        """
        chosen = self.chosen(profile, weights)
        given = make_filters(filters, year=year, venue=venue, author=author, field=field, ids=ids)
        request = Request(
            question=question, profile=chosen, writer=make_writer(writer),
            search=lambda: self.search(question, profile=chosen, filters=given),
            key=f"{self.engine.fingerprint} {given}", words=words, seconds=seconds,
            unsupported=unsupported, insist=insist, stages=stages,
        )  # fmt: skip
        self._retriever.prepare(question)  # a question that cannot be searched fails here
        answers = AnswerStream(self._answers, request)
        return answers if stream else answers.finish()

    def info(self) -> dict[str, Any]:
        """What this corpus holds and from what it was made."""
        place = {"folder": str(self.folder), **self._keeper.facts()}
        made = self.manifest.facts() | runtimes_of(self.manifest, self._agreement)
        return place | made | self.engine.facts()

    def loaded(self) -> dict[str, int]:
        """Bytes of each model that is in memory now, by "name on device"."""
        pool = self._pool
        usage = {} if pool is None else pool.ledger.usage()
        return {
            f"{key} on {device}": use.weights + use.activations
            for (key, device), use in usage.items()
        }

    @property
    def _pool(self) -> Any:
        return getattr(self._embedder, "pool", None)

    def close(self) -> None:
        """Let go of the files."""
        self._retriever.close()
        self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __reduce__(self) -> str:
        raise CorpusError(
            f"{self!r} holds open files and cannot be sent to another process; send the path and "
            f"open it there, once a process: wb.open({str(self.folder)!r})"
        )

    def __repr__(self) -> str:
        here = f", queries by {self._agreement.here}" if self._agreement else ""
        return (
            f"{type(self).__name__}({self._keeper.name!r}, {self.manifest.papers:,} papers{here})"
        )

    def chosen(self, profile: Profile | str | None, weights: Weights | None) -> Profile:
        """The profile of a search with these, checked. Raises what `search` raises of them."""
        profile = self.profile if profile is None else as_profile(profile)
        signals = self._retriever.signals(profile)
        if weights is not None:
            full = complete_weights(weights, profile.weights, signals)
            profile = profile.replace(weights=full)
        weight_vector(profile.weights, signals)
        return profile

    def reopen(self) -> None:
        """See the papers as they are now, whoever changed them; not while a search runs."""
        self.engine.close()
        self.engine = self._keeper.open(progress=self._progress)
        self._retriever = self._retriever.over(self.engine)
