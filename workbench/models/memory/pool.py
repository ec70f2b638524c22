"""ModelPool: models share a budget of memory; who was used least recently makes room."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Literal, TypeVar, cast

from workbench.errors import ModelError, ModelNotFound, OutOfMemory, shown
from workbench.models.memory.budget import Budget, budget_on, bytes_of, check_budget
from workbench.models.memory.devices import device_of
from workbench.models.memory.ledger import Ledger, Usage
from workbench.models.memory.tenants import Loadable, Tenant, Tenants
from workbench.present.words import human_bytes
from workbench.profiles import model_budget
from workbench.profiles.settings import finite
from workbench.system.fork import renew_in_children

Model = TypeVar("Model", bound=Loadable)
RECHECK = 0.5
"""Seconds after which a load that waits for room looks again."""


class ModelPool:
    """Loads models when they are used and keeps their sum within a budget on each device.

    `budget` is "80%", "4GiB", bytes, None (all that the device has) or a table of these by device;
    `idle_seconds` releases what was not used for so long. The `ledger` says which model holds how
    many bytes. Safe to share between threads; a model that is leased is never evicted, and a load
    that must wait for one waits.
    """

    def __init__(
        self,
        budget: Budget | Mapping[str, Budget] = "80%",
        idle_seconds: float | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        check_budget(budget)
        if (
            idle_seconds is not None
            and not 0 < (finite(idle_seconds) or 0) <= threading.TIMEOUT_MAX
        ):
            raise ModelError(
                f"idle_seconds is {shown(idle_seconds)}; give seconds above 0, or None"
            )
        self.ledger = ledger or Ledger()
        self.idle_seconds = idle_seconds
        self._budget = budget
        self._changed = threading.Condition(threading.RLock())
        self._loading: set[str] = set()
        self._tenants = Tenants()
        self._waiting: dict[int, Loadable] = {}
        self._timer: threading.Timer | None = None
        renew_in_children(self)

    def __repr__(self) -> str:
        with self._changed:
            loaded = [tenant.key for tenant in self._tenants.all() if tenant.loaded]
        return f"ModelPool(budget={self._budget!r}, loaded: {', '.join(loaded) or 'nothing'})"

    def add(self, model: Loadable) -> None:
        """Keep a model, so that it can be leased by name; loads nothing. A model that is used
        without having been added joins for as long as somebody else refers to it."""
        with self._changed:
            self._tenants.join(model).kept = model

    def models(self) -> list[Loadable]:
        """Every model of the pool, loaded or not, least recently used first."""
        with self._changed:
            self._sweep()
            found = [tenant.model for tenant in self._tenants.all()]
        return [model for model in found if model is not None]

    def budget(self, device: str) -> int:
        """The budget in bytes on a device ("cpu", "cuda:0")."""
        if device not in self.ledger.budgets:
            wanted = budget_on(self._budget, device)
            self.ledger.budgets[device] = bytes_of(wanted, device_of(device).total)
        return self.ledger.budgets[device]

    def used(self, device: str) -> int:
        """Bytes on a device that the ledger knows of."""
        return _sum(self.ledger, device, "weights") + _sum(self.ledger, device, "activations")

    def room(self, device: str) -> int:
        """Bytes within the budget for one call's activations on a device."""
        return self.budget(device) - _sum(self.ledger, device, "weights")

    @contextmanager
    def lease(self, model: Model | str) -> Iterator[Model]:
        """The model, loaded, and safe from eviction until the block ends.

        Raises OutOfMemory where it can never fit (naming need, budget and what would), and what
        loading raises; ModelNotFound for a name that was not added.
        """
        tenant, chosen = self._enter(model)
        try:
            if not chosen.loaded:
                self._load(tenant, chosen)
            yield cast("Model", chosen)
        finally:
            self._leave(tenant)

    def release(self, model: Loadable | str) -> bool:
        """Free a model's memory. In use, it is freed when the last lease ends, and this returns
        False. One that is not loaded is left as it is."""
        with self._changed:
            tenant = self._tenants.find(model)
            if tenant is not None and tenant.leases:
                tenant.leaving = True
                return False
        if tenant is not None:
            self._close(tenant, "release", "asked for")
        return True

    def release_all(self) -> None:
        """Free every model that is not in use."""
        for model in self.models():
            self.release(model)

    def note(
        self, kind: Literal["batch", "oom_retry"], model: Loadable, activations: int, note: str
    ) -> None:
        """Record what a call took beside the weights. The bytes kept for activations on a device
        are one model's at a time: that of the last batch."""
        # Without the pool's lock: whoever holds it may be waiting for this very thread's device.
        self.drop_activations(model.device, but=model.key)
        usage = Usage(model.held().weights, activations)
        self.ledger.record(kind, model.key, model.device, usage, note)

    def settle(self, model: Loadable) -> None:
        """A call ended and its activations are given back (on the CPU they are at once)."""
        self.drop_activations(model.device)

    def refresh(self, device: str) -> None:
        """Write down what a device holds beside the models: context, libraries' workspaces."""
        for name, size in device_of(device).overheads().items():
            self.ledger.set(name, device, Usage(size))

    def evict_idle(self, device: str) -> bool:
        """Release the least recently used model that nobody uses; False where there is none."""
        with self._changed:
            loaded = self._loaded(device)
        return any(self._close(tenant, "evict", "least recently used") for tenant in loaded)

    def after_fork(self) -> None:
        """In a forked child: nothing is loaded, and no other thread is there."""
        self._changed = threading.Condition(threading.RLock())
        self._loading, self._waiting, self._timer = set(), {}, None
        self._tenants.only(threading.get_ident())

    # Leases

    def _enter(self, model: Loadable | str) -> tuple[Tenant, Loadable]:
        with self._changed:
            self._sweep()
            found = self._tenants.find(model) if isinstance(model, str) else None
            tenant = self._tenants.join(model) if not isinstance(model, str) else found
            chosen = tenant.model if tenant else None
            if tenant is None or chosen is None:
                names = ", ".join(repr(other.key) for other in self._tenants.all()) or "nothing"
                raise ModelNotFound(f"the pool has no model {model!r}, it has {names}; add() it")
            tenant.enter()
            return tenant, chosen

    def _leave(self, tenant: Tenant) -> None:
        with self._changed:
            tenant.leave()
            leaving = tenant.leaving and not tenant.leases
            self._changed.notify_all()
        if leaving:
            self._close(tenant, "release", "asked for while in use")
        elif self.idle_seconds is not None:
            self._watch(self.idle_seconds)

    def _close(self, tenant: Tenant, kind: Literal["release", "evict"], note: str) -> bool:
        """Free a model unless it was leased meanwhile; whether it was freed."""
        with self._changed:
            model = tenant.model
            if model is None or tenant.leases or not model.loaded:
                return False
            tenant.leaving = False
            model.close()
            self.ledger.record(kind, tenant.key, tenant.device, Usage(), note)
            self._changed.notify_all()
            return True

    def _sweep(self) -> None:
        """Models that nobody refers to any more are gone, and their memory with them."""
        for tenant in self._tenants.forget_gone():
            if (tenant.key, tenant.device) in self.ledger.usage():
                self.ledger.record("release", tenant.key, tenant.device, Usage(), "out of use")

    def _loaded(self, device: str) -> list[Tenant]:
        return [m for m in self._tenants.all() if m.device == device and m.loaded]

    def drop_activations(self, device: str, but: str = "") -> None:
        """Nothing is kept for batches on a device any more, of other models than `but`."""
        for (key, on), usage in self.ledger.usage().items():
            if on == device and key != but and usage.activations:
                self.ledger.set(key, on, Usage(usage.weights))

    # Loading and making room

    def _load(self, tenant: Tenant, model: Loadable) -> None:
        """One load at a time on a device: two would count on the same room."""
        me, device = threading.get_ident(), model.device
        with self._changed:
            self._waiting[me] = model
            while device in self._loading and not model.loaded:
                self._changed.wait(RECHECK)
            if model.loaded:
                del self._waiting[me]
                return
            self._loading.add(device)
        try:
            self._make_room(model)
            started = time.perf_counter()
            model.open()
            note = f"{time.perf_counter() - started:.2f} s"
            self.ledger.record("load", tenant.key, device, model.held(), note)
            self.refresh(device)
        finally:
            with self._changed:
                self._loading.discard(device)
                del self._waiting[me]
                self._changed.notify_all()

    def _make_room(self, model: Loadable) -> None:
        """Evict until the model fits; wait for leases of others; raise where neither helps."""
        device, need = model.device, model.need()
        budget = self.budget(device)
        self.refresh(device)
        own = sum(device_of(device).overheads().values())
        if need.weights + need.activations + own > budget:
            raise OutOfMemory(_never(model, need, budget, own))
        wanted = need.weights + need.activations
        while _sum(self.ledger, device, "weights") + wanted > budget:
            if self.evict_idle(device):
                continue
            with self._changed:
                self._sweep()
                loaded = self._loaded(device)
                held = [tenant for tenant in loaded if tenant.leases]
                if not loaded or (held and self._all_wait(held)):
                    raise OutOfMemory(_never(model, need, budget, own, held))
                if len(held) == len(loaded):  # else one became idle just now
                    self._changed.wait(RECHECK)
        # What was kept for batches is taken anew, from what is left.
        with self.ledger.moving():
            device_of(device).trim(lambda: self.drop_activations(device))

    def _all_wait(self, held: list[Tenant]) -> bool:
        """Whether every lease in the way belongs to a thread that waits itself: a deadlock."""
        waiting = {thread for thread, model in self._waiting.items() if not model.loaded}
        return all(thread in waiting for tenant in held for thread in tenant.leases)

    # Idle models

    def _watch(self, seconds: float) -> None:
        with self._changed:
            if self._timer is None:
                self._timer = threading.Timer(seconds, self._release_idle)
                self._timer.daemon = True
                self._timer.start()

    def _release_idle(self) -> None:
        limit = time.monotonic() - (self.idle_seconds or 0)
        with self._changed:
            self._timer = None
            tenants = [tenant for tenant in self._tenants.all() if tenant.loaded]
        for tenant in tenants:
            if tenant.used <= limit:
                self._close(tenant, "release", f"idle for {self.idle_seconds:g} s")
        rest = [tenant.used for tenant in tenants if tenant.loaded]
        if rest:
            self._watch(max(0.01, min(rest) - limit))


@cache
def default_pool() -> ModelPool:
    """The pool of this process, for models that were given no other: MODEL_BUDGET of each device,
    80 % where it is not set."""
    return ModelPool(model_budget())


def _sum(ledger: Ledger, device: str, part: Literal["weights", "activations"]) -> int:
    usage = ledger.usage().items()
    return sum(int(getattr(held, part)) for (_, on), held in usage if on == device)


def _never(model: Loadable, need: Usage, budget: int, own: int, held: Sequence[Tenant] = ()) -> str:
    """Need, budget and what would fit."""
    sizes = model.alternatives()
    fits = [f"{name} ({human_bytes(size)})" for name, size in sizes if size + own <= budget]
    names = ", ".join(tenant.key for tenant in held)
    return (
        f"{model.name} needs {human_bytes(need.weights + need.activations)} on {model.device} "
        f"({human_bytes(need.weights)} weights, {human_bytes(need.activations)} activations)"
        + (f" and the device {human_bytes(own)} of its own" if own else "")
        + f", and the budget is {human_bytes(budget)}"
        + (f" beside {names}, whose users wait for room themselves" if held else "")
        + "; give the pool a larger budget"
        + (f"; what would fit: {', '.join(fits)}" if fits else "")
    )
