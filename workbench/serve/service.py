"""What every route needs: the corpus, threads, caches, numbers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from workbench.errors import ClusterBusy, ClusterUnavailable, WorkbenchError, first_line
from workbench.profiles import Profile
from workbench.serve.caching.memory import Kept
from workbench.serve.caching.redis import RedisCache
from workbench.serve.corpus_files import CorpusFiles
from workbench.serve.faults import GONE, refusal
from workbench.serve.metrics import Meters
from workbench.serve.options import ServeOptions
from workbench.serve.pages import OpenSearches
from workbench.serve.running import Runner
from workbench.serve.serving import Opened, Serving, digest

ANSWERS = 4096
ANSWER_BYTES = 32 << 20
"""Answers that are kept in memory."""

AWAY = "The search cluster cannot be reached; it is asked again."
Value = TypeVar("Value")
_log = logging.getLogger("workbench.serve")


class Service:
    """One worker's. Answers are bytes; equal requests share one computation."""

    def __init__(
        self,
        options: ServeOptions,
        meters: Meters,
        folder: Path | None = None,
        files: CorpusFiles | None = None,
    ) -> None:
        self.options = options
        self.meters = meters
        redis = RedisCache(options.cache, options.api_key) if options.cache else None
        self.redis = redis
        self.serving = Serving(options, redis, meters.cached, files)
        self.runner = Runner(options.many, options.seconds, meters.shared)
        self.pages = None if folder is None else OpenSearches(folder / "pages.sqlite")
        self.away = ""
        """Why the corpus cannot be searched now; health says so."""
        self._answers: Kept[bytes] = Kept(ANSWERS, ANSWER_BYTES, len)

    @property
    def profile(self) -> Profile:
        """The settings that are served."""
        return self.serving.profile

    async def answer(
        self, key: Hashable, work: Callable[[Opened], bytes], *, kept: bool = True
    ) -> bytes:
        """The bytes that `work` makes of the corpus. With `kept` they are taken from a cache where
        they are known for this key and this state of the corpus."""
        known = self.serving.known
        if kept and known is not None:
            answer = self._answers.get((known.fingerprint, key))
            self.meters.cached("answers", answer is not None)
            if answer is not None:
                return answer
        found: bytes = await self.runner.run(key, partial(self._computed, key, work, kept))
        return found

    async def compute(self, key: Hashable, work: Callable[[Opened], Any]) -> Any:
        """What `work` makes of the corpus, in a thread, under the deadline."""
        return await self.runner.run(key, partial(self._of_corpus, work))

    def preload(self) -> None:
        """Open the corpus, load the models and map the index, as a first search does."""

        def search(state: Opened) -> None:
            if state.engine.manifest.papers:
                state.bench.search("preload", 1, profile=self.profile)

        self.serving.with_corpus(search)

    def look(self) -> bool:
        """See whether the corpus can be searched, which health says; whether another state of it is
        live on its cluster. What was gone is opened anew and tried."""
        try:
            if self.away == GONE:
                self.serving.renew()
                self.preload()
            changed = self.serving.changed()
        except Exception as error:
            self.fail(error)
            return False
        self.away = ""
        return changed

    def fail(self, error: Exception) -> None:
        """Keep in mind why the corpus cannot be searched; the log says it once."""
        passing = isinstance(error, ClusterUnavailable | ClusterBusy)
        away = AWAY if passing else GONE
        if away != self.away:
            _log.error("not ready: %s", first_line(error))
        self.away = away

    def close(self) -> None:
        """Stop what is under way and let go of the corpus."""
        self.runner.close()
        self.serving.close()
        if self.pages is not None:
            self.pages.close()

    def _computed(self, key: Hashable, work: Callable[[Opened], bytes], kept: bool) -> bytes:
        return self._of_corpus(partial(self._from_state, key, work, kept))

    def _of_corpus(self, work: Callable[[Opened], Value]) -> Value:
        try:
            return self.serving.with_corpus(work)
        except WorkbenchError as error:
            if refusal(error).status == 503:
                self.fail(error)
            raise

    def _from_state(
        self, key: Hashable, work: Callable[[Opened], bytes], kept: bool, state: Opened
    ) -> bytes:
        self.meters.gauge("open", 1)
        if not kept:
            return work(state)
        of = state.fingerprint  # before the work: what is written meanwhile is another state
        name = f"answer:{digest(of, self.profile.fingerprint, key)}"
        found = self.redis.get(name) if self.redis is not None else None
        if self.redis is not None:
            self.meters.cached("redis", found is not None)
        if found is None:
            found = work(state)
            if self.redis is not None:
                self.redis.put(name, found)
        self._answers.put((of, key), found)
        return found
