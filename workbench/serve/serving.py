"""The corpus that a worker serves: opened on first use, in one state, with what it found last."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

from workbench.errors import CorpusDamaged, CorpusMismatch, CorpusNotFound, WorkbenchError
from workbench.opening import open_searching
from workbench.profiles import Profile, cache_folder
from workbench.ranking.ranking import Ranking
from workbench.records import Filters, Paper
from workbench.searching import Searching
from workbench.serve.caching.memory import Kept
from workbench.serve.caching.packed import pack, unpack
from workbench.serve.caching.redis import RedisCache
from workbench.serve.corpus_files import CorpusFiles
from workbench.serve.faults import Refused
from workbench.serve.graph.catalogue import Catalogue, open_catalogue
from workbench.serve.graph.filters import Wanted, with_ids
from workbench.serve.options import ServeOptions
from workbench.serve.pages import Begun

RANKINGS = 1000
RANKING_BYTES = 64 << 20
"""Searches whose candidates are kept, some 50 kB each."""

Value = TypeVar("Value")
Cached = Callable[[str, bool], None]
"""Told the name of a cache, and whether it had what was asked for."""


class Opened:
    """One state of the corpus: all of an answer comes from one of these. Safe between threads."""

    def __init__(self, bench: Searching, redis: RedisCache | None, cached: Cached) -> None:
        self._cached = cached
        self.bench = bench
        self.engine = bench.engine
        self._redis = redis
        self._lock = threading.Lock()
        self._catalogue: Catalogue | None = None
        self.rankings: Kept[Ranking] = Kept(RANKINGS, RANKING_BYTES, _weight)

    @property
    def fingerprint(self) -> str:
        """Of what can be found now; another once what others wrote to their index was noticed."""
        return self.engine.fingerprint

    @property
    def catalogue(self) -> Catalogue:
        """The look-ups, made now where they are not there yet. Raises Refused (400) where the
        engine cannot list its papers."""
        with self._lock:
            if self._catalogue is None:
                self._catalogue = open_catalogue(self.engine, catalogue_folder())
            return self._catalogue

    def ranking(self, query: str, filters: Filters, profile: Profile) -> Ranking:
        """What the session finds for a query, its candidates from a cache where they are known."""
        name = digest(self.fingerprint, profile.fingerprint, filters, query)
        known = self.rankings.get(name)
        self._cached("candidates", known is not None)
        if known is None and self._redis is not None:
            packed = self._redis.get(f"candidates:{name}")
            self._cached("redis", packed is not None)
            retrieved = None if packed is None else unpack(packed)
            if retrieved is not None:
                known = Ranking(retrieved, profile, self.engine, 1)
        if known is None:
            known = self.bench.search(query, 1, filters=filters, profile=profile)
            if self._redis is not None:
                self._redis.put(f"candidates:{name}", pack(known))
        self.rankings.put(name, known)
        return known

    def filters(self, wanted: Wanted) -> Filters | None:
        """The filters of a search; None where no paper can pass them."""
        if wanted.nothing:
            return None
        sets: list[set[str]] = []
        if wanted.open_access:
            sets.append(set(self.catalogue.open_access()))
        if wanted.paper_ids:
            found = self.find(wanted.paper_ids)
            sets.append({paper_id for paper_id in found if paper_id is not None})
        if wanted.authors:
            sets.append(set(self.catalogue.by_authors(wanted.authors)))
        if not sets:
            return wanted.filters
        ids = tuple(sorted(set.intersection(*sets)))
        return with_ids(wanted.filters, ids) if ids else None

    def find(self, texts: Sequence[str]) -> list[str | None]:
        """The corpus's id of each paper that a client names, None where there is none."""
        try:
            return self.catalogue.find(texts)
        except Refused:  # without a catalogue, a paper is known by its own id
            known = self.engine.known(texts)
            return [text if text in known else None for text in texts]

    def titled(self, title: str) -> list[str]:
        """Ids of papers with this title; none where the engine cannot list its papers."""
        try:
            return self.catalogue.titled(title)
        except Refused:
            return []

    def papers_of(self, begun: Begun, ids: Sequence[str]) -> list[Paper]:
        """Papers of a list as they were when its search began; where that state is gone, those that
        are left, as they are now."""
        if begun.fingerprint == self.fingerprint:
            return self.engine.papers(list(ids))
        try:
            found = self.engine.papers_at(begun.version, ids)
        except CorpusNotFound:
            known = self.engine.known(ids)
            return self.engine.papers([name for name in ids if name in known])
        return [paper for paper in found if paper is not None]

    def close(self) -> None:
        """Let go of the files."""
        if self._catalogue is not None:
            self._catalogue.close()
        self.bench.close()


class Serving:
    """Opens the corpus when the first request needs it, and again where its files were replaced
    before they were read."""

    def __init__(
        self,
        options: ServeOptions,
        redis: RedisCache | None = None,
        cached: Cached = lambda cache, hit: None,
        files: CorpusFiles | None = None,
    ) -> None:
        self._cached = cached
        self.options = options
        self.profile = options.read_profile()
        self.redis = redis
        self._lock = threading.Lock()
        self._opened: Opened | None = None
        self._files = files
        if files is None and options.folder is not None and options.engine is None:
            self._files = CorpusFiles(Path(options.folder))

    @property
    def known(self) -> Opened | None:
        """What is open now; None before the first request."""
        return self._opened

    def opened(self) -> Opened:
        """The corpus, opened now where it is not yet. Raises what `wb.open` raises."""
        with self._lock:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def renew(self) -> None:
        """Open the corpus anew, beside what is answered of the state before."""
        state = self._open()
        with self._lock:
            self._opened = state

    def changed(self) -> bool:
        """Whether another state is live on its cluster; files are the supervisor's to look at.
        Raises CorpusDamaged for files that could not be opened now, and what `opened` raises."""
        if self._files is None:
            engine = self.opened().engine
            engine.refresh()
            return engine.replaced()
        self._check_files()
        return False

    def with_corpus(self, work: Callable[[Opened], Value]) -> Value:
        """What `work` gives of one state of the corpus. Where another one took its place before its
        files were mapped, or its version is gone from the cluster, `work` begins again."""
        state = self.opened()
        try:
            return self._done(work, state)
        except (CorpusMismatch, CorpusNotFound) as error:
            if isinstance(error, CorpusDamaged):
                raise
            with self._lock:
                if self._opened is state:
                    self._opened = self._open()
            return self._done(work, self.opened())

    def explained(self, error: Exception) -> Exception:
        """The error, or CorpusDamaged for an unforeseen one that was met over changed files."""
        if not isinstance(error, Refused | WorkbenchError):
            try:
                self._check_files()
            except CorpusDamaged as damage:
                return damage
        return error

    def _done(self, work: Callable[[Opened], Value], state: Opened) -> Value:
        try:
            return work(state)
        except Exception as error:
            explained = self.explained(error)
            if explained is error:
                raise
            raise explained from error

    def _check_files(self) -> None:
        if self._files is not None and (problem := self._files.problem()):
            raise CorpusDamaged(f"{problem}; put it back, or run `workbench index` again")

    def close(self) -> None:
        """Let go of the corpus and the cache."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
            if self.redis is not None:
                self.redis.close()

    def _open(self) -> Opened:
        self._check_files()  # a service repairs nothing: that may take longer than a request may
        return Opened(self._searching(), self.redis, self._cached)

    def _searching(self) -> Searching:
        options = self.options
        engine = None
        if options.engine is not None:
            from workbench.engines.elastic.keepers import Elasticsearch

            engine = Elasticsearch(
                options.engine, index=options.index, vectors=options.vectors, **options.cluster
            )
        return open_searching(
            None if options.folder is None else Path(options.folder),
            engine=engine,
            profile=self.profile,
            model=options.model,
            runtime=options.runtime,
        )


def _weight(ranking: Ranking) -> int:
    """Bytes that a search's candidates take."""
    found = ranking.candidates
    arrays = (found.paper_ids, found.numbers, found.values, found.lower)
    return sum(array.nbytes for array in arrays)


def catalogue_folder() -> Path:
    """Where the look-ups are kept."""
    return cache_folder() / "serve"


def digest(*parts: object) -> str:
    """A short name for what decides an answer."""
    return blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
