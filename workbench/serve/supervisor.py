"""Workers of one service: started, watched, replaced one by one. It serves nothing itself.

It imports what workers need, then forks them; it has one thread and opens no corpus, so a fork
copies nothing that could be held or half-done. A corpus that changed, or SIGHUP, replaces workers:
a new one begins, and when it is ready an old one gets no more connections and ends when its last
request is answered. So requests are answered by whole workers, each of one state of the corpus.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FrameType

from workbench.corpus.readers import find_source
from workbench.errors import CorpusNotFound, ServiceError
from workbench.models.memory.hardware import cores
from workbench.profiles import model_budget, set_model_budget, set_most_threads
from workbench.serve.corpus_files import CorpusFiles
from workbench.serve.metrics import Board
from workbench.serve.options import ServeOptions
from workbench.serve.worker import CHANGED, DRAIN, FAULT, run_worker, share_of_budget
from workbench.system.children import run_module

POLL = 0.25
"""Seconds between two looks at the corpus and at workers."""

START = 120.0
"""Seconds that a worker may take until it is ready; `preload` may encode nothing, but loads."""

RESTARTS = 5
"""Deaths within BACKOFF seconds after which the next start waits."""

BACKOFF = 5.0
BACKLOG = 512
_log = logging.getLogger("workbench.serve")


@dataclass(slots=True)
class _Worker:
    pid: int
    slot: int
    pipe: int
    generation: int
    started: float
    ready: bool = False
    fault: str = ""
    stopping: float = 0.0


class Supervisor:
    """Runs a service until SIGTERM or SIGINT. `announce` is told the URL once it can be asked."""

    def __init__(self, options: ServeOptions, announce: Callable[[str], None]) -> None:
        self._options = options
        self._announce = announce
        self._slots = 2 * options.workers
        self._board = Board(self._slots)
        self._workers: dict[int, _Worker] = {}
        self._generation = 0
        self._stop = False
        self._replace = False
        self._deaths: list[float] = []
        self._files = None if options.folder is None else CorpusFiles(Path(options.folder))
        self._seen: tuple[int, int, int] | None = None
        self._held = ""
        self._selector = selectors.DefaultSelector()
        self._announced = False

    def run(self, parent: int | None = None) -> None:
        """Serve. With `parent`, a handle that ends when the process that started this one does.

        Raises ServiceError where the port cannot be had or no worker becomes ready.
        """
        _prepare(self._options)
        for module in _wanted(self._options):
            import_module(module)  # once, and not 10 MB of each worker's own
        self._seen = None if self._files is None else self._files.stamp
        listening = listen(self._options)
        folder = Path(tempfile.mkdtemp(prefix="workbench-serve-"))
        host = f"[{self._options.host}]" if ":" in self._options.host else self._options.host
        self._url = f"http://{host}:{listening.getsockname()[1]}"
        set_model_budget(share_of_budget(model_budget(), self._options.workers))
        # A query's encoder waits busily for its threads, so that no more than CPUs may be: two for
        # each of two requests, on two cores, made a query take three times the CPU.
        at_once = self._options.workers * self._options.many
        set_most_threads(max(1, cores() // at_once))
        try:
            with self._signals():
                if parent is not None:
                    self._selector.register(parent, selectors.EVENT_READ, "parent")
                for _ in range(self._options.workers):
                    self._start(listening, folder)
                while not self._stop:
                    self._step(listening, folder)
        finally:
            self._end()
            listening.close()
            shutil.rmtree(folder, ignore_errors=True)

    def _step(self, listening: socket.socket, folder: Path) -> None:
        for key, _ in self._selector.select(POLL):
            if key.data == "parent":
                if not os.read(key.fd, 1):
                    self._stop = True
            elif key.data == "wake":
                os.read(key.fd, 4096)
            else:
                self._heard(key.fd)
        self._reap()
        now = None if self._files is None else self._files.stamp
        if now != self._seen:
            self._seen = now
            self._replace = True
        if self._replace and not self._is_held():
            self._replace = False
            self._generation += 1
        self._balance(listening, folder)

    def _is_held(self) -> bool:
        """Whether new workers could not open the index now: those that have it open go on."""
        problem = "" if self._files is None else self._files.problem()
        if problem and problem != self._held:
            _log.error("workers stay until the index can be opened: %s", problem)
        self._held = problem
        return bool(problem)

    def _balance(self, listening: socket.socket, folder: Path) -> None:
        """Begin what is missing and end what is too old, one at a time."""
        now = time.monotonic()
        running = [w for w in self._workers.values() if not w.stopping]
        current = [w for w in running if w.generation == self._generation]
        old = [w for w in running if w.generation != self._generation]
        for worker in self._workers.values():
            late = worker.stopping and now - worker.stopping > (self._options.seconds + DRAIN + 5)
            if late or (not worker.ready and now - worker.started > START):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGKILL)
        starting = [w for w in current if not w.ready]
        if len(current) - len(starting) + len(old) > self._options.workers and old:
            self._stop_one(old[0])
            return
        missing = self._options.workers - len(current)
        if missing > 0 and self._may_start(now):
            if old:  # one by one
                if not starting and len(self._workers) < self._slots:
                    self._start(listening, folder)
            else:
                for _ in range(min(missing, self._slots - len(self._workers))):
                    self._start(listening, folder)

    def _may_start(self, now: float) -> bool:
        self._deaths = [at for at in self._deaths if now - at < BACKOFF]
        return len(self._deaths) < RESTARTS

    def _start(self, listening: socket.socket, folder: Path) -> None:
        used = {worker.slot for worker in self._workers.values()}
        slot = next(n for n in range(self._slots) if n not in used)
        reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        gc.freeze()  # else a worker's first collection writes to all that came along: 20 MB
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.close(reading)
                self._in_child()
                run_worker(
                    self._options, listening, self._board, slot, folder, writing,
                    files=None if self._options.engine is not None else self._files,
                    first=not self._announced,
                )  # fmt: skip
                code = 0
            except KeyboardInterrupt:
                code = 0
            except BaseException:
                _log.exception("worker %s ended", os.getpid())
            finally:
                sys.stderr.flush()
                os._exit(code)
        os.close(writing)
        self._workers[pid] = _Worker(pid, slot, reading, self._generation, time.monotonic())
        self._selector.register(reading, selectors.EVENT_READ)

    def _in_child(self) -> None:
        """What belongs to the supervisor does not come along."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        for key in list(self._selector.get_map().values()):
            os.close(key.fd)
        self._selector.close()

    def _heard(self, pipe: int) -> None:
        worker = next((w for w in self._workers.values() if w.pipe == pipe), None)
        said = os.read(pipe, 4096)
        if worker is None or not said:
            self._selector.unregister(pipe)
            return
        if said.startswith(FAULT):
            worker.fault = _reason(said)
            return
        if CHANGED in said and worker.generation == self._generation:
            self._replace = True
        worker.ready = True
        if not self._announced:
            self._announced = True
            self._announce(self._url)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            worker = self._workers.pop(pid, None)
            if worker is None:
                continue
            with contextlib.suppress(KeyError):
                self._selector.unregister(worker.pipe)
                worker.fault = _reason(os.read(worker.pipe, 4096)) or worker.fault
            os.close(worker.pipe)
            self._board.clear(worker.slot)
            if not worker.stopping:
                self._deaths.append(time.monotonic())
                how = worker.fault or os.waitstatus_to_exitcode(status)
                _log.warning("worker %s ended by itself (%s); another one begins", pid, how)
                if worker.fault and not self._announced:
                    raise ServiceError(worker.fault)
                if not self._announced and len(self._deaths) >= RESTARTS:
                    raise ServiceError(
                        "no worker becomes ready; what each said is in the log above"
                    )

    def _stop_one(self, worker: _Worker) -> None:
        worker.stopping = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGTERM)

    def _end(self) -> None:
        """End all workers: their requests are answered, what takes too long is killed."""
        for worker in self._workers.values():
            if not worker.stopping:
                self._stop_one(worker)
        until = time.monotonic() + self._options.seconds + DRAIN
        while self._workers and time.monotonic() < until:
            self._reap()
            time.sleep(0.02)
        for worker in self._workers.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)
        while self._workers:
            self._reap()
            time.sleep(0.01)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        os.set_blocking(reading, False)

        def stop(_number: int, _frame: FrameType | None) -> None:
            self._stop = True

        def replace(_number: int, _frame: FrameType | None) -> None:
            self._replace = True

        def woken(_number: int, _frame: FrameType | None) -> None:
            pass

        handlers = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: replace,
                    signal.SIGCHLD: woken}  # fmt: skip
        before = {number: signal.signal(number, do) for number, do in handlers.items()}
        wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        self._selector.register(reading, selectors.EVENT_READ, "wake")
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.close()
            os.close(reading)
            os.close(writing)


def _wanted(options: ServeOptions) -> list[str]:
    """What workers will import before they are ready; it starts no threads."""
    found = [] if options.engine is None else ["workbench.engines.elastic.keepers"]
    return [*found, "tokenizers", "onnxruntime"] if options.preload else found


def _reason(said: bytes) -> str:
    """Why a worker ended, where it said so."""
    begin, _, reason = said.partition(FAULT)
    return reason.decode(errors="replace") if not begin else ""


def listen(options: ServeOptions) -> socket.socket:
    """The socket that all workers accept from. Raises ServiceError."""
    try:
        found = socket.getaddrinfo(
            options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        raise ServiceError(
            f"{options.host}:{options.port} cannot be listened on ({error.strerror or error}); "
            "end what is there, or give another --port (0 for any that is free)"
        ) from error
    return listening


def _prepare(options: ServeOptions) -> None:
    """See that there is an index; a folder that has but a source is indexed, and what is damaged is
    made anew, in a process of its own, since models have threads. Raises CorpusNotFound,
    ServiceError."""
    if options.folder is None:
        return
    folder = Path(options.folder)
    files = CorpusFiles(folder)
    if files.stamp is not None and not files.problem():
        return
    if files.stamp is None and (not folder.is_dir() or find_source(folder) is None):
        raise CorpusNotFound(
            f"{folder}: neither an index nor a source is there; run `workbench index SOURCE --into "
            "DIR` first, or check the path"
        )
    done = run_module("workbench", ["info", str(folder.absolute())])
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it ended"])[-1]
        raise ServiceError(f"{folder} could not be indexed or repaired: {reason}")
