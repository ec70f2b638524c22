"""One worker: an event loop over a listening socket that all workers share."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from workbench.errors import ClusterBusy, ClusterUnavailable, WorkbenchError
from workbench.models.memory.budget import bytes_of
from workbench.serve.app import make_app
from workbench.serve.corpus_files import CorpusFiles
from workbench.serve.gate import Gate
from workbench.serve.metrics import Board
from workbench.serve.options import ServeOptions
from workbench.serve.service import Service

DRAIN = 6.0
"""Seconds in which clients may end their connections by themselves; each answer tells them to."""

KEEP_ALIVE = 5
"""Seconds that an idle connection is kept."""

LOOKS = 2.0
"""Seconds between two looks whether the corpus is there, and on a cluster in which version."""

READY, CHANGED, FAULT = b"r", b"c", b"f"
"""What a worker tells the supervisor; a reason comes after FAULT."""

SWITCH = 0.001
"""Seconds a thread computes before the event loop may answer."""


_log = logging.getLogger("workbench.serve")


class _Server(uvicorn.Server):
    """uvicorn's, but that it takes one connection at a time, so that workers share them evenly, and
    that it ends connections with an answer, so that no request is lost when it stops."""

    def __init__(self, config: uvicorn.Config, gate: Gate, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._gate = gate
        self._ready = ready
        self._accepting: socket.socket | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.lifespan.startup()
        assert sockets
        self._accepting = sockets[0]
        self._accepting.setblocking(False)
        asyncio.get_running_loop().add_reader(self._accepting.fileno(), self._accept)
        self.servers = []
        self.started = True
        self._ready()

    def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        assert self._accepting is not None
        try:
            connection, _ = self._accepting.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            return  # another worker was faster
        except OSError as error:  # no handle left: those who wait get one when another ends
            _log.error("accept: %s", error)
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = loop.create_task(self._serve_one(connection))
        self.server_state.tasks.add(task)
        task.add_done_callback(self.server_state.tasks.discard)

    async def _serve_one(self, connection: socket.socket) -> None:
        def protocol() -> Any:
            return self.config.http_protocol_class(  # type: ignore[call-arg] # of its own servers
                config=self.config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
            )

        with suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(protocol, connection)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        if self._accepting is not None:
            loop.remove_reader(self._accepting.fileno())
        self._gate.draining = True
        until = loop.time() + DRAIN
        while self.server_state.connections and loop.time() < until and not self.force_exit:
            await asyncio.sleep(0.05)
        await super().shutdown([])


def run_worker(
    options: ServeOptions,
    listening: socket.socket,
    board: Board,
    slot: int,
    folder: Path,
    tell: int,
    *,
    files: CorpusFiles | None = None,
    first: bool = True,
) -> None:
    """Serve until SIGTERM. `tell` is a pipe to the supervisor: READY, CHANGED where a cluster has
    another version of the corpus than this worker opened, FAULT where there is nothing to serve.
    The latter ends one of the first workers; a later one says so to its callers, until it is back.
    """
    sys.setswitchinterval(SWITCH)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    meters = board.meters(slot)
    gate, service = make_app(options, meters, folder, files)

    def ready() -> None:
        meters.gauge("open", service.serving.known is not None)
        os.write(tell, READY)

    try:
        _begin(service)
    except Exception as error:
        if first and not isinstance(error, ClusterUnavailable | ClusterBusy):
            if not isinstance(error, WorkbenchError):
                raise
            os.write(tell, FAULT + str(error).encode()[:2000])
            return
        service.fail(error)
    threading.Thread(target=_watch, args=(service, tell), daemon=True).start()
    config = uvicorn.Config(
        gate,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=int(options.seconds) + 1,
        server_header=False,
        http=H11Protocol,
        ws="none",
        h11_max_incomplete_event_size=1 << 20,  # so that the gate refuses it, as JSON
        loop="asyncio",
    )
    server = _Server(config, gate, ready)
    gc.freeze()  # pages that came along with the fork stay shared
    try:
        server.run([listening])
    finally:
        service.close()


def _begin(service: Service) -> None:
    """Connect to a cluster, and load what is wanted before the first request."""
    if service.options.engine is not None:
        service.serving.opened()
    if service.options.preload:
        service.preload()


def _watch(service: Service, tell: int) -> None:
    """See again and again whether the corpus is there, and say where its cluster has another."""
    while True:
        time.sleep(LOOKS)
        if service.look():
            os.write(tell, CHANGED)


def share_of_budget(budget: str, workers: int) -> str:
    """A worker's part of the memory that models may take of each device."""
    if budget.strip().endswith("%"):
        return f"{float(budget.strip()[:-1]) / workers:g}%"
    return str(max(1, bytes_of(budget, 1 << 62) // workers))
