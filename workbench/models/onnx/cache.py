"""Exported graphs on disk: made once in a process of its own, whole or not there at all.

Weights lie in a file beside their graph, which ONNX Runtime maps: processes share them, and what it
does not pack for its kernels (the embeddings of words) takes no memory of a session's own.

A graph carries the sha256 of itself and of its weights in its last bytes, as an entry of ONNX's own
metadata (protobuf reads messages one after another as one). What is cut off, empty or has a changed
byte is noticed when it is opened, and made anew.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from workbench.errors import ModelError, ModelRejected
from workbench.models.weights.digest import Identity, identity
from workbench.models.weights.find import ModelFolder
from workbench.profiles import cache_folder
from workbench.system.children import run_module

_MARK = b"\x72\x4a\x0a\x06sha256\x12\x40"
"""ModelProto.metadata_props (field 14) of 74 bytes: key (1) "sha256", value (2) of 64 bytes."""

_TAIL = len(_MARK) + 64
_WORK = "export-"
_sound: dict[Path, list[Identity]] = {}
"""Graphs that this process has read to the end, and which files each was."""


def graph_path(folder: ModelFolder, kind: str) -> Path:
    """Where a model's graph is kept, by everything that decides what it computes."""
    return cache_folder() / "onnx" / f"{folder.fingerprint}-{kind}-mapped.onnx"


def weights_of(graph: Path) -> Path:
    """The file of a graph's weights, which lies beside it."""
    return graph.with_suffix(".weights")


def graph_bytes(graph: Path) -> int:
    """Bytes of a graph with its weights. OSError where there is none."""
    return sum(path.stat().st_size for path in _files(graph))


def made_graph(folder: ModelFolder, target: Path, exporter: str, *given: str, remedy: str) -> Path:
    """The graph at `target`, made by the module `exporter` where there is no sound one.

    Raises ModelRejected that ends with `remedy` where the weights cannot be exported, ModelError
    where the cache cannot be written.
    """
    if is_sound(target):
        return target
    from filelock import FileLock

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.parent / "export.lock"):
            _sweep(target.parent)
            if not is_sound(target):
                _make(folder, target, exporter, given, remedy)
    except OSError as error:
        raise ModelError(
            f"{target.parent}: cannot keep the exported model here ({error.strerror or error}); "
            "set WORKBENCH_CACHE to a folder that you may write to and that has space"
        ) from error
    return target


def is_sound(graph: Path) -> bool:
    """Whether a graph is there as it was made."""
    try:
        found = [identity(path) for path in _files(graph)]
        if _sound.get(graph) != found:
            _check(graph)
            _sound[graph] = found
    except (OSError, ValueError):
        return False
    return True


def seal(graph: Path) -> None:
    """Add the sha256 of a graph and its weights, and bring both to the disk."""
    if weights_of(graph).exists():
        with weights_of(graph).open("r+b") as stream:
            os.fsync(stream.fileno())
    with graph.open("r+b") as stream:
        digest = _digest(graph, stream, graph.stat().st_size)
        stream.seek(0, os.SEEK_END)
        stream.write(_MARK + digest)
        stream.flush()
        os.fsync(stream.fileno())


def _make(
    folder: ModelFolder, target: Path, exporter: str, given: Sequence[str], remedy: str
) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=_WORK) as work:
        made = Path(work) / target.name  # the graph names its weights' file
        done = run_module(exporter, [str(folder.path.resolve()), str(made), *given])
        if done.returncode != 0 or not made.is_file():
            reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise ModelRejected(
                f"{folder.path}: could not be exported to ONNX ({reason[:500]}); {remedy}"
            )
        seal(made)
        if weights_of(made).exists():
            os.replace(weights_of(made), weights_of(target))
        os.replace(made, target)


def _sweep(cache: Path) -> None:
    """Take away what exports left that were killed; the caller has the lock, so none is running."""
    for left in cache.glob(f"{_WORK}*"):
        shutil.rmtree(left, ignore_errors=True)


def _check(graph: Path) -> None:
    size = graph.stat().st_size - _TAIL
    with graph.open("rb") as stream:
        stream.seek(max(0, size))
        tail = stream.read()
        if size <= 0 or tail != _MARK + _digest(graph, stream, size):
            raise ValueError(f"{graph} is damaged")


def _files(graph: Path) -> list[Path]:
    weights = weights_of(graph)
    return [graph, weights] if weights.exists() else [graph]


def _digest(graph: Path, stream: BinaryIO, size: int) -> bytes:
    """sha256 of a graph's first bytes and of its weights, in hexadecimal digits."""
    hashed = sha256()
    stream.seek(0)
    while size > 0 and (block := stream.read(min(size, 2**20))):
        hashed.update(block)
        size -= len(block)
    if weights_of(graph).exists():
        with weights_of(graph).open("rb") as weights:
            while block := weights.read(2**20):
                hashed.update(block)
    return hashed.hexdigest().encode()
