"""The models of a pool: under which key each goes, and who leases it. No policy of its own."""

from __future__ import annotations

import threading
import time
import weakref
from collections import Counter, deque
from dataclasses import dataclass, field

from workbench.models.memory.lazy_model import LazyModel


@dataclass(eq=False)
class Member:
    """A model of the pool. `kept` is set where the pool itself keeps it alive."""

    key: str
    device: str
    reference: weakref.ref[LazyModel]
    kept: LazyModel | None = None
    leases: Counter[int] = field(default_factory=Counter)
    used: float = 0.0
    leaving: bool = False

    @property
    def model(self) -> LazyModel | None:
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


class Members:
    """All models of a pool. The pool's lock guards every call."""

    def __init__(self) -> None:
        self._all: list[Member] = []
        self._gone: deque[Member] = deque()

    def all(self) -> list[Member]:
        """Least recently used first."""
        return sorted(self._all, key=lambda member: member.used)

    def find(self, model: LazyModel | str) -> Member | None:
        """The member of that key, or of that model."""
        for member in self._all:
            if member.key == model or member.model is model:
                return member
        return None

    def join(self, model: LazyModel) -> Member:
        """The model's member, made if absent; a second model of the same name is "name #2"."""
        found = self.find(model)
        if found is None:
            taken = {member.key for member in self._all}
            numbered = (f"{model.name} #{n}" for n in range(2, len(taken) + 3))
            key = next(k for k in (model.name, *numbered) if k not in taken)
            model.key = key
            found = Member(key, model.device, weakref.ref(model))
            # A finaliser may run inside any lock, so it only writes down who is gone.
            weakref.finalize(model, self._gone.append, found).atexit = False
            self._all.append(found)
        return found

    def only(self, thread: int) -> None:
        """Every other thread is gone, and its leases with it."""
        for member in self._all:
            member.leases = Counter({thread: member.leases[thread]} if member.leases else {})
            member.leases += Counter()  # drops what is 0

    def forget_gone(self) -> list[Member]:
        """Drop the members whose models nobody refers to any more, and return them."""
        gone = []
        while self._gone:
            member = self._gone.popleft()
            self._all.remove(member)
            gone.append(member)
        return gone
