"""Vectors of passage rows, block by block, in a thread beside the one that reads papers.

A block is encoded as soon as its passages are committed, so the encoder waits for nobody but the
first papers, and blocks begin at the same rows however fast either side is. Each block is final:
a kill costs the one at hand.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from threading import Condition, Thread

import numpy as np
from numpy.typing import NDArray

from workbench.corpus import chunking
from workbench.corpus.faults import damaged
from workbench.corpus.manifest import VECTORS
from workbench.corpus.notices import notice
from workbench.corpus.vectors import (
    Runs,
    append_vectors,
    checksum,
    checksums,
    rewrite_vectors,
    whole_rows,
    with_run,
)
from workbench.corpus.writer import AnalysedPaper, StoreWriter, nothing
from workbench.models.embedders.base import Embedder
from workbench.models.embedders.runtimes import runtime_name
from workbench.system.deadline import Deadline, limited
from workbench.system.progress import Progress, progress_bar
from workbench.system.stages import Stages

BLOCK = 256
"""Passages encoded between two commits."""

READY = 2**24
"""Characters of passages, and bytes of their tokens, that wait in memory to be encoded; what is
beyond is read again."""

GPU_BLOCK = 4096
"""The same on a GPU, which sorts them by length and works ahead."""

_Text = tuple[str, str, bytes]
"""Title, passage, and the ids of both, int32, where they are known; then the title is cut."""


class PassageEncoder:
    """Encodes what a store has passages of and the vectors file no rows yet.

    `made` is the fingerprint of the runtime that the index was begun with. Add papers inside of
    `running`, then `finish` there.
    """

    def __init__(
        self, store: StoreWriter, folder: Path, embedder: Embedder, made: str, stages: Stages
    ) -> None:
        self._store = store
        self._folder = folder
        self._path = folder / VECTORS
        self._embedder = embedder
        self._made = made
        self._stages = stages
        on_gpu = getattr(embedder, "device", "cpu") != "cpu"
        self._block = GPU_BLOCK if on_gpu else BLOCK
        self._rows = 0
        self._texts: dict[int, _Text] = {}  # by row, not yet encoded
        self._size = 0
        self._total: int | None = None
        self._changed = Condition()
        self._failure: BaseException | None = None
        self._deadline = Deadline(float("inf"))
        self._began = time.perf_counter()
        self._since: float | None = None  # it waits for papers

    @contextmanager
    def running(self) -> Iterator[None]:
        """Encode blocks as they become full, while papers are added in the block of this `with`.
        What the thread raises is raised there; where the block raises, encoding stops at once."""
        self._rows = self._checked()
        self._began = time.perf_counter()
        thread = Thread(target=self._run, name="encoding", daemon=True)
        thread.start()
        self._store.added = self._look
        try:
            yield
        finally:
            self._store.added = nothing
            with self._changed:
                self._deadline.cancel()
                self._changed.notify_all()
            thread.join()

    def finish(self, progress: Progress) -> None:
        """Encode all that is left, and come back when it is on the disk."""
        done, total = self._rows, self._store.passage_count
        self._total = total
        with progress_bar(progress, "Encoding", "passages", total, done) as advance:
            while done < total:
                with self._changed:
                    self._changed.notify_all()
                    while self._rows == done and self._failure is None:
                        self._changed.wait()
                    now = self._rows
                self._raise()
                advance(now - done)
                done = now

    def waits(self) -> bool:
        """Whether it has waited for papers for more than half of the time, so far."""
        now, since = time.perf_counter(), self._since
        waited = self._stages.seconds.get("waiting", 0.0) + (0.0 if since is None else now - since)
        return 2 * waited > now - self._began

    def _look(self, row: int, papers: Sequence[AnalysedPaper]) -> None:
        """Papers were committed, their passages from a row on."""
        with self._changed:
            for one in papers:
                title, text = one.paper.title, one.paper.text
                ids: Iterable[bytes] = repeat(b"")
                if one.tokens is not None:
                    title, ids = title[: one.tokens.title], one.tokens.ids
                for (start, stop, _), own in zip(one.passages, ids, strict=False):
                    if self._size < READY:
                        self._texts[row] = title, text[start:stop], own
                        self._size += stop - start + len(own)
                    row += 1
            self._changed.notify_all()
        self._raise()

    def _raise(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    # In the thread

    def _run(self) -> None:
        try:
            with limited(self._deadline):
                while self._wait():
                    self._encode_block()
        except BaseException as error:
            if self._deadline.left:  # else it was asked to stop
                with self._changed:
                    self._failure = error
                    self._changed.notify_all()

    def _wait(self) -> bool:
        """Until there is a block to encode; False where no more is wanted."""
        self._since = time.perf_counter()
        with self._stages("waiting"), self._changed:
            while self._deadline.left:
                if self._store.passage_count >= self._rows + self._block:
                    return True
                if self._total is not None:
                    return self._rows < self._total
                self._changed.wait()
        return False

    def _encode_block(self) -> None:
        first, self._since = self._rows, None
        vectors = self._encoded(first, min(first + self._block, self._store.passage_count))
        with self._stages("vectors"):
            rows = append_vectors(self._path, first, vectors)
            blocks = [
                (first + start, len(part), checksum(part))
                for start in range(0, len(vectors), BLOCK)
                if len(part := vectors[start : start + BLOCK])
            ]
            self._store.set_vector_blocks(blocks, rows)
        with self._changed:
            self._rows = rows
            self._changed.notify_all()

    def _encoded(self, start: int, stop: int) -> NDArray[np.float32]:
        """Vectors of rows, in this embedder's runtime, which is noted where others are `made` in
        another: before they are written, so that a kill leaves no row unnoted."""
        before, own = runs_of(self._store), self._embedder.fingerprint
        runs = with_run(before, self._made, start, stop, own)
        if runs != before:
            self._store.set_state("runtimes", runs)
            if own not in {self._made, *(name for _, name in before)}:
                notice(
                    f"{self._folder}: made with {runtime_name(self._made)}; what is new is encoded "
                    f"with {runtime_name(own)}, and counted"
                )
        with self._stages("texts"):
            rows = self._ready(start, stop)
            titles, known = [title for title, _, _ in rows], all(ids for _, _, ids in rows)
            if not known:
                titles = chunking.short_titles(titles, self._embedder)
            texts = [
                chunking.embedding_text(title, passage)
                for title, (_, passage, _) in zip(titles, rows, strict=True)
            ]
        with self._stages("encode"):
            if not known:
                return self._embedder.encode(texts)
            encode: Callable[..., NDArray[np.float32]] = self._embedder.encode
            return encode(texts, ids=[np.frombuffer(ids, np.int32) for _, _, ids in rows])

    def _ready(self, start: int, stop: int) -> list[_Text]:
        """Rows as they were added, or where some are not here any more, as they are stored."""
        with self._changed:
            found = [self._texts.pop(row, None) for row in range(start, stop)]
            self._size -= sum(len(one[1]) + len(one[2]) for one in found if one)
        whole = [one for one in found if one]
        if len(whole) == len(found):
            return whole
        return [(title, text, b"") for title, text in self._store.passage_texts(start, stop)]

    def _checked(self) -> int:
        """How many rows of the vectors file are right; encodes anew the blocks that changed since
        they were written. Rows of version 0.1, without checksums, are taken as they are."""
        path, dimension, store = self._path, self._embedder.dimension, self._store
        written = int(store.state("vectors", 0))
        done = min(written, whole_rows(path, dimension))
        blocks = store.vector_blocks()
        done = next((first for first, rows, _ in blocks if first < done < first + rows), done)
        if done < written:
            notice(
                f"{path}: {written - done:,} of {written:,} rows are missing; encoded anew from "
                "the stored papers"
            )
        known = [block for block in blocks if block[0] + block[1] <= done]
        covered = known[-1][0] + known[-1][1] if known else 0
        fresh = [(row, min(BLOCK, done - row)) for row in range(covered, done, BLOCK)]
        blocks = list(checksums(path, fresh, dimension))
        now = checksums(path, [block[:2] for block in known], dimension)
        for block, current in zip(known, now, strict=True):
            if block != current:
                first, rows, _ = block
                notice(
                    f"{path}: rows {first:,} to {first + rows - 1:,} are not what was written; "
                    "encoded anew from the stored papers"
                )
                vectors = self._encoded(first, first + rows)
                rewrite_vectors(path, first, vectors)
                blocks.append((first, rows, checksum(vectors)))
        store.set_vector_blocks(blocks, done)
        return done


def runs_of(store: StoreWriter) -> Runs:
    """Which rows another runtime made than the one that the index was begun with."""
    found = store.state("runtimes", [])
    try:
        return [(int(first), str(name)) for first, name in found]
    except (TypeError, ValueError) as error:
        raise damaged(store.path, f"state 'runtimes': {error}") from error
