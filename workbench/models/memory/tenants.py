"""The models of a pool: under which key each goes, and who leases it. No policy of its own."""

from __future__ import annotations

import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from workbench.errors import ModelError, shown
from workbench.models.memory.ledger import Usage


@runtime_checkable
class Loadable(Protocol):
    """What a pool knows of a model; `LazyModel` says what each means."""

    name: str
    device: str
    key: str

    @property
    def loaded(self) -> bool:
        """Whether the weights are in memory."""
        ...

    def need(self) -> Usage:
        """Bytes that it will take."""
        ...

    def held(self) -> Usage:
        """Bytes that it takes now."""
        ...

    def alternatives(self) -> Sequence[tuple[str, int]]:
        """Smaller ways to run it, each with its bytes."""
        ...

    def open(self) -> None:
        """Load."""
        ...

    def close(self) -> None:
        """Free what `open` took."""
        ...


@dataclass(eq=False)
class Tenant:
    """A model of the pool. `kept` is set where the pool itself keeps it alive."""

    key: str
    device: str
    reference: weakref.ref[Loadable]
    kept: Loadable | None = None
    leases: Counter[int] = field(default_factory=Counter)
    used: float = 0.0
    leaving: bool = False

    @property
    def model(self) -> Loadable | None:
        """The model, unless nobody refers to it any more."""
        return self.reference()

    @property
    def loaded(self) -> bool:
        """Whether its weights are in memory."""
        model = self.model
        return model is not None and model.loaded

    def enter(self) -> None:
        """One more lease of this thread."""
        self.leases[threading.get_ident()] += 1
        self.used = time.monotonic()

    def leave(self) -> None:
        """One lease of this thread less."""
        me = threading.get_ident()
        self.leases[me] -= 1
        if not self.leases[me]:
            del self.leases[me]
        self.used = time.monotonic()


class Tenants:
    """All models of a pool. The pool's lock guards every call."""

    def __init__(self) -> None:
        self._all: list[Tenant] = []
        self._gone: deque[Tenant] = deque()

    def all(self) -> list[Tenant]:
        """Least recently used first."""
        return sorted(self._all, key=lambda tenant: tenant.used)

    def find(self, model: Loadable | str) -> Tenant | None:
        """The tenant of that key, or of that model."""
        for tenant in self._all:
            if tenant.key == model or tenant.model is model:
                return tenant
        return None

    def join(self, model: Loadable) -> Tenant:
        """The model's tenant, made if absent; a second model of the same name is "name #2".
        Raises ModelError for what is no model."""
        found = self.find(model)
        if found is None:
            if not isinstance(model, Loadable):
                raise ModelError(f"{shown(model)} is no model that a pool can load")
            taken = {tenant.key for tenant in self._all}
            numbered = (f"{model.name} #{n}" for n in range(2, len(taken) + 3))
            key = next(k for k in (model.name, *numbered) if k not in taken)
            model.key = key
            found = Tenant(key, model.device, weakref.ref(model))
            # A finaliser may run inside any lock, so it only writes down who is gone.
            weakref.finalize(model, self._gone.append, found).atexit = False
            self._all.append(found)
        return found

    def only(self, thread: int) -> None:
        """Every other thread is gone, and its leases with it."""
        for tenant in self._all:
            tenant.leases = Counter({thread: tenant.leases[thread]} if tenant.leases else {})
            tenant.leases += Counter()  # drops what is 0

    def forget_gone(self) -> list[Tenant]:
        """Drop the tenants whose models nobody refers to any more, and return them."""
        gone = []
        while self._gone:
            tenant = self._gone.popleft()
            self._all.remove(tenant)
            gone.append(tenant)
        return gone
