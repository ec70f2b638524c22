"""Batches by tokens: every text once, within the budget, in halves where memory is out."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import ProfileError
from workbench.models.embedders import batching
from workbench.models.embedders.base import read_tokenizer
from workbench.models.embedders.batching import (
    Row,
    TokenBudget,
    run_batches,
    token_rows,
)
from workbench.models.embedders.token_starts import TokenStarts
from workbench.models.memory.shortage import DeviceFull
from workbench.models.weights.find import find_model
from workbench.profiles import max_batch_tokens

LENGTHS = st.lists(st.integers(1, 60), max_size=80)


def rows_of(lengths: list[int]) -> list[Row]:
    return [Row(n, np.zeros(length, np.int32)) for n, length in enumerate(lengths)]


class Device:
    """Holds `most` tokens a batch."""

    def __init__(self, most: int, budget: TokenBudget) -> None:
        self.most, self.budget = most, budget
        self.batches: list[list[Row]] = []

    def submit(self, batch: list[Row]) -> Future[list[int]]:
        future: Future[list[int]] = Future()
        if self.budget.cost(batch) > self.most:
            future.set_exception(DeviceFull("full"))
        else:
            self.batches.append(batch)
            future.set_result([row.index for row in batch])
        return future


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 400), st.integers(60, 500), st.booleans())
def test_every_text_once_whatever_fits(
    lengths: list[int], full: int, most: int, padded: bool
) -> None:
    budget = TokenBudget(full, padded)
    device = Device(most, budget)
    seen: list[int] = []
    chunks = [rows_of(lengths)[start : start + 7] for start in range(0, len(lengths), 7)]
    run_batches(chunks, budget, device.submit, lambda _, found: seen.extend(found), _no_limit)
    assert sorted(seen) == list(range(len(lengths)))
    for batch in device.batches:
        assert len(batch) == 1 or budget.cost(batch) <= min(full, most)


def _no_limit(batch: list[Row], failures: int) -> None:
    assert len(batch) > 1 or failures < 50


@given(LENGTHS, st.integers(1, 200), st.booleans())
def test_a_batch_is_as_large_as_fits(lengths: list[int], tokens: int, padded: bool) -> None:
    budget = TokenBudget(tokens, padded)
    waiting = deque(rows_of(lengths))
    while waiting:
        batch = budget.batch(waiting)
        assert len(batch) == 1 or budget.cost(batch) <= tokens
        assert not waiting or budget.cost([*batch, waiting[0]]) > tokens


def test_a_budget_shrinks_at_once_and_recovers_slowly() -> None:
    budget = TokenBudget(1000)
    budget.failed(rows_of([500, 400]))
    assert budget.tokens == 450
    budget.failed(rows_of([500, 400]))  # one that was cut before the first failed
    assert budget.tokens == 450
    for _ in range(batching.RECOVER):
        budget.succeeded()
    assert budget.tokens == 900
    for _ in range(batching.RECOVER):
        budget.succeeded()
    assert budget.tokens == 1000


def test_a_limit_is_asked_before_each_batch() -> None:
    room = [30]
    budget = TokenBudget(100, limit=lambda: room[0])
    waiting = deque(rows_of([20] * 8))
    assert len(budget.batch(waiting)) == 1
    room[0] = 500
    assert len(budget.batch(waiting)) == 5


def test_an_error_that_is_not_memory_comes_through() -> None:
    def submit(batch: list[Row]) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(ValueError("shapes"))
        return future

    with pytest.raises(ValueError, match="shapes"):
        run_batches([rows_of([1, 2])], TokenBudget(9), submit, lambda *_: None, lambda *_: None)


def test_rows_are_all_texts_longest_first_within_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "FIRST_CHUNK", 4)
    monkeypatch.setattr(batching, "CHUNK_TEXTS", 8)
    texts = ["word " * (n * 7 % 23) for n in range(50)]
    tokenizer = read_tokenizer(find_model(), 256)
    chunks = list(token_rows(texts, TokenStarts(tokenizer).ids))
    assert [len(chunk) for chunk in chunks] == [4, 8, 8, 8, 8, 8, 6]
    for chunk in chunks:
        lengths = [len(row.ids) for row in chunk]
        assert lengths == sorted(lengths, reverse=True)
    for row in (row for chunk in chunks for row in chunk):
        assert row.ids.tolist() == tokenizer.encode(texts[row.index]).ids
    assert sorted(row.index for chunk in chunks for row in chunk) == list(range(50))


def test_rows_that_nobody_takes_are_no_threads_left() -> None:
    rows = token_rows(["text"] * 5000, TokenStarts(read_tokenizer(find_model(), 256)).ids)
    assert len(next(rows)) == batching.FIRST_CHUNK
    rows.close()


@pytest.mark.parametrize(("value", "expected"), [("", None), ("4096", 4096), (" 7 ", 7)])
def test_the_environment_sets_the_tokens_of_a_batch(
    monkeypatch: pytest.MonkeyPatch, value: str, expected: int | None
) -> None:
    monkeypatch.setenv("MAX_BATCH_TOKENS", value)
    assert max_batch_tokens() == expected


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_other_values_are_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("MAX_BATCH_TOKENS", value)
    with pytest.raises(ProfileError, match="MAX_BATCH_TOKENS is"):
        max_batch_tokens()
