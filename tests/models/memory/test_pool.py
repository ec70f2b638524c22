"""ModelPool: loads once, keeps the budget, evicts by age, never what is in use, and says why."""

from __future__ import annotations

import gc
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.waiting import wait_until
from workbench.errors import ModelError, ModelNotFound, OutOfMemory
from workbench.models.memory.budget import bytes_of
from workbench.models.memory.lazy_model import LazyModel
from workbench.models.memory.ledger import Ledger, Usage
from workbench.models.memory.pool import ModelPool, default_pool
from workbench.present.words import human_bytes

MIB = 2**20


class Block(LazyModel):
    """A model of zeros: as real as the pool needs it."""

    def __init__(
        self, name: str, size: int = MIB, pool: ModelPool | None = None, activations: int = 0
    ) -> None:
        super().__init__(name, "cpu", pool)
        self.size, self.activations = size, activations
        self.weights = bytearray()
        self.opened = self.closed = 0
        self.failure: Exception | None = None

    def need(self) -> Usage:
        return Usage(self.size, self.activations)

    def alternatives(self) -> list[tuple[str, int]]:
        return [("half", self.size // 2), ("tenth", self.size // 10)]

    def _open(self) -> None:
        for _ in range(20):
            time.sleep(0)  # gives the others their turn
        self.weights = bytearray(self.size)
        self.opened += 1
        if self.failure:
            raise self.failure

    def _close(self) -> None:
        self.weights = bytearray()
        self.closed += 1


def blocks(pool: ModelPool, count: int, size: int = MIB) -> list[Block]:
    return [Block(f"m{n}", size, pool) for n in range(count)]


def test_making_printing_and_adding_load_nothing() -> None:
    pool = ModelPool("4MiB")
    model = Block("m", pool=pool)
    pool.add(model)
    assert repr(model) == "Block('m', cpu, not loaded)"
    assert repr(pool) == "ModelPool(budget='4MiB', loaded: nothing)"
    assert (pool.models(), model.opened, pool.ledger.usage()) == ([model], 0, {})


def test_sixteen_threads_load_once() -> None:
    pool = ModelPool("4MiB")
    model = Block("m", pool=pool)
    gate = threading.Barrier(16)

    def use(_: int) -> int:
        gate.wait()
        with pool.lease(model) as leased:
            return len(leased.weights)

    with ThreadPoolExecutor(16) as threads:
        assert set(threads.map(use, range(16))) == {MIB}
    assert (model.opened, model.loaded) == (1, True)


def test_the_least_recently_used_leaves_first() -> None:
    pool = ModelPool("3MiB")
    first, second, third, fourth = blocks(pool, 4)
    for model in (first, second, third, first):
        model.load()
    fourth.load()
    assert [m.loaded for m in (first, second, third, fourth)] == [True, False, True, True]
    kinds = [(event.kind, event.model) for event in pool.ledger.events()]
    assert kinds[-2:] == [("evict", "m1"), ("load", "m3")]


def test_one_large_model_makes_several_leave() -> None:
    pool = ModelPool("3MiB")
    small = blocks(pool, 3)
    for model in small:
        model.load()
    Block("large", 2 * MIB, pool).load()
    assert [model.loaded for model in small] == [False, False, True]


def test_a_leased_model_stays_and_the_load_waits_for_it() -> None:
    pool = ModelPool("1MiB")
    first, second = blocks(pool, 2)
    waits, evict = threading.Event(), pool.evict_idle

    def seen(device: str) -> bool:
        """Whether room was found; it is looked for again and again while the lease lasts."""
        found = evict(device)
        if not found:
            waits.set()
        return found

    pool.evict_idle = seen
    with ThreadPoolExecutor(1) as threads:
        with pool.lease(first):
            loading = threads.submit(second.load)
            while not waits.is_set():
                assert not loading.done()
                waits.wait(0.01)
            assert (first.loaded, second.loaded) == (True, False)
        loading.result()
    assert (first.loaded, second.loaded) == (False, True)


def test_a_lease_within_a_lease_that_can_never_fit_is_an_error_not_a_deadlock() -> None:
    pool = ModelPool("1MiB")
    first, second = blocks(pool, 2)
    with pool.lease(first), pytest.raises(OutOfMemory, match="beside m0, whose users wait"):
        second.load()


def test_two_threads_that_wait_for_each_other_are_told() -> None:
    pool = ModelPool("2MiB")
    models = blocks(pool, 3)
    gate = threading.Barrier(2)

    def both(held: Block) -> str:
        with pool.lease(held):
            gate.wait()
            try:
                models[2].load()
            except OutOfMemory:
                return "told"
            return "loaded"

    with ThreadPoolExecutor(2) as threads:
        assert "told" in list(threads.map(both, models[:2]))


def test_a_lease_that_ends_while_room_is_made_is_no_error() -> None:
    pool = ModelPool("1MiB")
    first, second = blocks(pool, 2)
    held = pool.lease(first)
    held.__enter__()
    evict = pool.evict_idle

    def late(device: str) -> bool:
        """Nothing is idle; and then, before the pool looks who holds what, the lease ends."""
        found = evict(device)
        if not found:
            held.__exit__(None, None, None)
        return found

    pool.evict_idle = late
    second.load()
    assert (first.loaded, second.loaded) == (False, True)


def test_what_never_fits_names_need_budget_and_what_would() -> None:
    model = Block("big", 8 * MIB, ModelPool("2MiB"), activations=MIB)
    with pytest.raises(OutOfMemory) as caught:
        model.load()
    text = str(caught.value)
    for part in ("big needs 9 MiB", "8 MiB weights", "1 MiB activations", "budget is 2 MiB",
                 "tenth (819 KiB)"):  # fmt: skip
        assert part in text
    assert "half" not in text
    assert model.opened == 0


def test_a_load_that_fails_leaves_nothing_and_can_be_tried_again() -> None:
    pool = ModelPool("2MiB")
    model = Block("m", pool=pool)
    model.failure = ModelError("broken")
    with pytest.raises(ModelError, match="broken"):
        model.load()
    assert (model.loaded, len(model.weights), pool.ledger.usage()) == (False, 0, {})
    model.failure = None
    model.load()
    assert pool.ledger.usage() == {("m", "cpu"): Usage(MIB)}


def test_release_frees_now_or_when_the_last_lease_ends() -> None:
    pool = ModelPool("2MiB")
    model = Block("m", pool=pool)
    with pool.lease(model), pool.lease(model):
        assert pool.release(model) is False
        assert model.loaded
    assert not model.loaded
    assert pool.ledger.usage() == {}
    model.load()
    assert pool.release("m") is True
    assert (model.loaded, model.opened, model.closed) == (False, 2, 2)


def test_leasing_by_name_and_a_name_that_is_not_there() -> None:
    pool = ModelPool()
    pool.add(Block("m"))
    with pool.lease("m") as model:
        assert model.loaded
    with pytest.raises(ModelNotFound, match="no model 'x', it has 'm'"), pool.lease("x"):
        pass


def test_two_models_of_one_name_are_counted_apart() -> None:
    pool = ModelPool()
    one, other = Block("m", pool=pool), Block("m", 2 * MIB, pool)
    one.load()
    other.load()
    assert pool.ledger.usage() == {("m", "cpu"): Usage(MIB), ("m #2", "cpu"): Usage(2 * MIB)}


def test_a_model_that_nobody_refers_to_is_forgotten() -> None:
    pool = ModelPool("2MiB")
    model = Block("m", pool=pool)
    model.load()
    del model
    gc.collect()
    assert pool.models() == []
    assert pool.ledger.usage() == {}
    assert pool.ledger.events()[-1].note == "out of use"


def test_idle_models_leave() -> None:
    pool = ModelPool("4MiB", idle_seconds=0.05)
    model, busy = blocks(pool, 2)
    with pool.lease(busy):
        model.load()
        wait_until(lambda: not model.loaded)
        assert busy.loaded
    wait_until(lambda: not busy.loaded)
    assert pool.ledger.events()[-1].note == "idle for 0.05 s"


def test_activations_are_one_models_at_a_time_and_are_recorded() -> None:
    pool = ModelPool("8MiB")
    one, other = blocks(pool, 2)
    one.load()
    other.load()
    pool.note("batch", one, 3 * MIB, "64 texts")
    pool.note("batch", other, 2 * MIB, "64 texts")
    assert pool.ledger.usage() == {("m0", "cpu"): Usage(MIB), ("m1", "cpu"): Usage(MIB, 2 * MIB)}
    assert (pool.room("cpu"), pool.used("cpu")) == (6 * MIB, 4 * MIB)


def test_a_ledger_may_be_shared() -> None:
    ledger = Ledger()
    Block("m", pool=ModelPool("2MiB", ledger=ledger)).load()
    assert ledger.usage() == {("m", "cpu"): Usage(MIB)}
    assert ledger.budgets == {"cpu": 2 * MIB}


def test_the_processs_own_pool_is_one() -> None:
    assert Block("m").pool is default_pool() is Block("n").pool


def test_the_environment_sets_the_processs_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_BUDGET", "3GiB")
    default_pool.cache_clear()
    assert default_pool().budget("cpu") == 3 * 2**30
    monkeypatch.setenv("MODEL_BUDGET", "plenty")
    default_pool.cache_clear()
    with pytest.raises(ModelError, match="budget is 'plenty'"):
        default_pool()
    default_pool.cache_clear()


def test_a_budget_by_device() -> None:
    pool = ModelPool({"cpu": "3MiB"})
    assert pool.budget("cpu") == 3 * MIB


@pytest.mark.parametrize(
    ("budget", "expected"),
    [("80%", 800), ("100 %", 1000), (None, 1000), (123, 123), ("4GiB", 4 * 2**30),
     ("1.5 MiB", 3 * 2**19), ("2kb", 2000), ("7", 7), (".5MB", 500_000)],
)  # fmt: skip
def test_budgets_are_read(budget: str | int | None, expected: int) -> None:
    assert bytes_of(budget, 1000) == expected


@pytest.mark.parametrize(
    "budget", ["", "much", "-1GiB", "4 gigs", "0", 0, -5, True, "101%", "0%", 1.5, "1e9"]
)
def test_other_budgets_are_refused_by_value(budget: object) -> None:
    with pytest.raises(ModelError, match="budget is"):
        ModelPool(budget)


@pytest.mark.parametrize("junk", [0, -1, float("nan"), "5", True, 10**400])
def test_idle_seconds_that_cannot_be_meant(junk: Any) -> None:
    with pytest.raises(ModelError, match="idle_seconds is"):
        ModelPool(idle_seconds=junk)


def test_what_is_no_model_is_refused() -> None:
    pool = ModelPool()
    with pytest.raises(ModelError, match="3 is no model"):
        pool.add(3)
    with pytest.raises(ModelError, match="None is no model"), pool.lease(None):
        pass
    for device in ("gpu", "cuda", "cuda:", "cuda:-1", 0, None):
        with pytest.raises(ModelError, match="device is"):
            LazyModel.__init__(Block("m"), "m", device)


def test_an_unknown_device_is_refused() -> None:
    model = Block("m", pool=ModelPool())
    model.device = "gpu"
    with pytest.raises(ModelError, match="device is 'gpu'"):
        model.load()


def test_bytes_for_people() -> None:
    assert [human_bytes(n) for n in (5, 2048, 3 * MIB, 5 * 2**30)] == [
        "5 B", "2 KiB", "3 MiB", "5 GiB",
    ]  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(5, 9))
def test_the_budget_is_kept_and_the_last_used_are_there(uses: list[int], budget: int) -> None:
    pool = ModelPool(budget * MIB)
    models = [Block(f"m{n}", (n + 1) * MIB, pool) for n in range(5)]
    for use in uses:
        with pool.lease(models[use]) as model:
            assert model.loaded
        held = sum(m.size for m in models if m.loaded)
        assert held == pool.used("cpu") <= budget * MIB
    assert models[uses[-1]].loaded


def test_eight_threads_over_three_models_that_do_not_fit_together() -> None:
    pool = ModelPool("2MiB")
    models = blocks(pool, 3)
    wrong: list[str] = []

    def work(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(40):
            with pool.lease(dice.choice(models)) as model:
                if len(model.weights) != MIB:
                    wrong.append(model.name)
                if sum(len(m.weights) for m in models) > 2 * MIB:
                    wrong.append("over budget")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    assert wrong == []
    assert pool.used("cpu") <= 2 * MIB
