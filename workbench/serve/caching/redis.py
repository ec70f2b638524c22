"""A Redis that all workers share. Whatever it does, a request goes on without it.

A question has one short time and no retry; after a failure it is left alone, and tried again once
a second. So a request waits in vain once at most. What it gives back is checked against its name,
so a value that was cut off, mixed up or made up is not used.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import blake2b
from hmac import compare_digest
from typing import Any

from workbench.errors import ServiceError, first_line
from workbench.system.breaker import Breaker

SECONDS = 0.02
"""That a socket is waited for."""

PATIENCE = 0.04
"""Seconds that a request waits for an answer in all, however slowly its bytes come."""

LAST = 0.5
"""Seconds at the end."""

THREADS = 2
WAITING = 64
"""Operations under way or waiting; further values are not put."""

LIVES = 3600
"""Seconds that a value is kept."""

MOST_BYTES = 4 << 20
"""Larger values are not sent."""

_DIGEST = 16
_log = logging.getLogger("workbench.serve")


class RedisCache:
    """Get and put bytes by name. Safe to share between threads; connects on first use."""

    def __init__(self, url: str, secret: str = "", breaker: Breaker | None = None) -> None:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self._breaker = breaker or Breaker(limit=1, pause=1.0)
        self._secret = blake2b(secret.encode(), digest_size=32).digest()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="redis")
        self._under_way = 0
        self.hits = 0
        self.misses = 0
        self.failures = 0
        try:
            self._redis = Redis.from_url(
                url,
                socket_timeout=SECONDS,
                socket_connect_timeout=SECONDS,
                retry=Retry(NoBackoff(), 0),
                retry_on_error=[],
                retry_on_timeout=False,
                health_check_interval=0,
                protocol=2,
                driver_info=None,
            )
        except ValueError as error:
            raise ServiceError(f"cache is no Redis URL ({error})") from error

    def get(self, name: str) -> bytes | None:
        """The bytes of a name; None where there are none, or no Redis, or not the ones put."""
        found = self._asked("GET", name)
        value = self._opened(name, found)
        with self._lock:
            self.hits += value is not None
            self.misses += value is None
        return value

    def put(self, name: str, value: bytes) -> None:
        """Keep bytes by name for an hour, if Redis wants to; nobody waits for it."""
        if len(value) <= MOST_BYTES:
            self._send("SET", name, self._mark(name, value) + value, "EX", LIVES)

    def close(self) -> None:
        """Let go of the connections; what is being put has a moment to arrive."""
        end = time.monotonic() + LAST
        while self._under_way and time.monotonic() < end:
            time.sleep(0.002)
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._redis.close()

    @property
    def away(self) -> bool:
        """Whether it is left alone for now."""
        return self._breaker.open

    def _asked(self, *command: Any) -> Any:
        answer = self._send(*command)
        try:
            return None if answer is None else answer.result(PATIENCE)
        except TimeoutError:
            self._failed("no answer in time")
            return None

    def _send(self, *command: Any) -> Future[Any] | None:
        """The answer to come; None where it is not asked now."""
        if self._breaker.refused_for() or self._under_way >= WAITING:
            return None
        with self._lock:
            self._under_way += 1
        try:
            return self._pool.submit(self._run, *command)
        except RuntimeError:  # closed meanwhile
            return None

    def _run(self, *command: Any) -> Any:
        try:
            found = self._redis.execute_command(*command)  # type: ignore[no-untyped-call] # theirs
        except Exception as error:  # a broken server may answer with anything
            self._failed(first_line(error))
            return None
        else:
            self._breaker.succeeded()
            return found
        finally:
            with self._lock:
                self._under_way -= 1

    def _failed(self, why: str) -> None:
        self._breaker.failed()
        with self._lock:
            self.failures += 1
        _log.warning("cache: %s", why)

    def _mark(self, name: str, value: bytes) -> bytes:
        content = name.encode() + b"\0" + value
        return blake2b(content, digest_size=_DIGEST, key=self._secret).digest()

    def _opened(self, name: str, found: Any) -> bytes | None:
        if not isinstance(found, bytes) or len(found) < _DIGEST:
            return None
        mark, value = found[:_DIGEST], found[_DIGEST:]
        return value if compare_digest(mark, self._mark(name, value)) else None
