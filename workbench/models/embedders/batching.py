"""Batches by tokens: longest texts first, halved where memory runs out, in order at the end."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from workbench.models.memory.shortage import DeviceFull
from workbench.present.words import count
from workbench.system.deadline import check_deadline

Result = TypeVar("Result")
TokenIds = Sequence[NDArray[np.int32]]
"""Of each text its tokens."""

CHUNK_TEXTS, CHUNK_CHARACTERS = 1024, 4_000_000
"""Texts that are turned into tokens at a time, at most; the first chunks are smaller, so that
the device has something to do sooner."""

FIRST_CHUNK = 128

AHEAD = 3
"""Chunks of tokens, and batches, that wait for their turn."""

RECOVER = 8
"""Batches that must succeed before a shrunken budget is doubled."""


@dataclass(frozen=True, slots=True)
class Row:
    """One text: its place among the texts, and its tokens' ids, int32."""

    index: int
    ids: NDArray[np.int32]


def note_of(batch: Sequence[Row]) -> str:
    """What the ledger says of a batch."""
    return f"{count(len(batch), 'text')}, {sum(len(row.ids) for row in batch):,} tokens"


class TokenBudget:
    """Tokens that a batch may have: all of `full`, half after a failure, doubled as it goes well.

    With `padded`, a batch counts as many tokens as its padded grid has. `limit` is asked before
    each batch: others may have taken room, or given it back.
    """

    def __init__(
        self, full: int, padded: bool = False, limit: Callable[[], int] | None = None
    ) -> None:
        self.full = self.tokens = max(1, full)
        self.padded = padded
        self._limit = limit
        self._well = 0

    def cost(self, rows: Sequence[Row]) -> int:
        """Tokens that a batch counts."""
        lengths = [len(row.ids) for row in rows]
        return max(lengths) * len(lengths) if self.padded else sum(lengths)

    def failed(self, rows: Sequence[Row]) -> None:
        """A batch did not fit."""
        self.tokens = max(1, min(self.tokens, self.cost(rows) // 2))
        self._well = 0

    def succeeded(self) -> None:
        """A batch fitted."""
        self._well += 1
        if self._well >= RECOVER and self.tokens < self.full:
            self.tokens = min(self.full, self.tokens * 2)
            self._well = 0

    def batch(self, rows: deque[Row]) -> list[Row]:
        """Take as many rows from the left as fit, one at least."""
        taken: list[Row] = []
        most = self.tokens if self._limit is None else min(self.tokens, self._limit())
        longest = total = 0
        while rows:
            size = len(rows[0].ids)
            longest, total = max(longest, size), total + size
            cost = longest * (len(taken) + 1) if self.padded else total
            if taken and cost > most:
                break
            taken.append(rows.popleft())
        return taken


def run_batches(
    rows: Iterable[list[Row]],
    budget: TokenBudget,
    submit: Callable[[list[Row]], Future[Result]],
    done: Callable[[list[Row], Result], None],
    full: Callable[[list[Row], int], None],
) -> None:
    """Every row once through `submit`, some batches ahead; `done` gets each result.

    A batch that raises DeviceFull shrinks the budget and is tried again in halves, after
    `full(batch, failures)`, which may make room, wait, or raise to give up.
    """
    supply = _Supply(rows, budget)
    pending: deque[tuple[list[Row], Future[Result]]] = deque()
    again: deque[list[Row]] = deque()
    failures: Counter[int] = Counter()
    try:
        while True:
            while len(pending) < AHEAD and (batch := again.popleft() if again else supply.take()):
                pending.append((batch, submit(batch)))
            if not pending:
                return
            check_deadline()
            batch, future = pending.popleft()
            try:
                result = future.result()
            except DeviceFull:
                budget.failed(batch)
                failures[batch[0].index] += 1
                full(batch, failures[batch[0].index])
                half = (len(batch) + 1) // 2
                again.extendleft(part for part in (batch[half:], batch[:half]) if part)
                continue
            budget.succeeded()
            done(batch, result)
    finally:
        for _, future in pending:
            future.cancel()


class _Supply:
    """Rows that come in chunks, taken by budget."""

    def __init__(self, chunks: Iterable[list[Row]], budget: TokenBudget) -> None:
        self._chunks = iter(chunks)
        self._budget = budget
        self._rows: deque[Row] = deque()
        self._more = True

    def take(self) -> list[Row]:
        """The next batch; empty at the end."""
        while self._more and self._short():
            chunk = next(self._chunks, None)
            self._more = chunk is not None
            self._rows.extend(chunk or ())
        return self._budget.batch(self._rows)

    def _short(self) -> bool:
        total = 0
        for row in self._rows:
            total += len(row.ids)
            if total >= self._budget.tokens:
                return False
        return True


def token_rows(
    texts: Sequence[str],
    ids_of: Callable[[list[str]], TokenIds],
    known: TokenIds | None = None,
) -> Iterator[list[Row]]:
    """Texts to rows of ids, longest first, chunk by chunk; other threads work ahead meanwhile.
    With `known`, the ids of each text, the rows are the same and nothing is tokenised."""
    order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
    chunks = _chunks(order, texts)

    def tokenise(chunk: list[int]) -> list[Row]:
        found = [known[i] for i in chunk] if known else ids_of([texts[i] for i in chunk])
        rows = [Row(i, ids) for i, ids in zip(chunk, found, strict=True)]
        return sorted(rows, key=lambda row: -len(row.ids))

    with ThreadPoolExecutor(2, thread_name_prefix="tokens") as pool:
        ahead = deque(pool.submit(tokenise, chunk) for chunk in islice(chunks, AHEAD))
        while ahead:
            rows = ahead.popleft().result()
            if (chunk := next(chunks, None)) is not None:
                ahead.append(pool.submit(tokenise, chunk))
            yield rows


def _chunks(order: list[int], texts: Sequence[str]) -> Iterator[list[int]]:
    chunk: list[int] = []
    size, most = 0, FIRST_CHUNK
    for index in order:
        chunk.append(index)
        size += len(texts[index])
        if len(chunk) == most or size >= CHUNK_CHARACTERS:
            yield chunk
            chunk, size, most = [], 0, min(2 * most, CHUNK_TEXTS)
    if chunk:
        yield chunk
