"""How many bytes a batch takes beside the weights: measured with two small batches, then known."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from workbench.models.encoder.shape import Shape
from workbench.profiles import cache_folder
from workbench.system.files import replacing

PROBES = (8_192, 32_768)
"""Tokens of the two batches that are measured."""

MARGIN = 1.06
"""Allocators round, and leave holes."""


@dataclass(frozen=True, slots=True)
class MemoryModel:
    """A straight line: `base` bytes and `per_token` bytes for each token of a batch."""

    base: float
    per_token: float

    def bytes(self, tokens: int) -> int:
        """What a batch takes."""
        return int(MARGIN * (self.base + self.per_token * tokens))

    def tokens(self, size: int) -> int:
        """The largest batch that so many bytes hold; 0 where they hold none."""
        return max(0, int((size / MARGIN - self.base) / self.per_token))


def counted(shape: Shape, itemsize: int) -> MemoryModel:
    """From the shapes alone: for a CPU, and for what was not measured yet. At the widest, a layer
    holds its input, its output and the inner vectors before and after the activation; pooling
    adds float32 vectors."""
    widest = (4 * shape.hidden + 2 * shape.inner) * itemsize + 4 * shape.hidden
    return MemoryModel(2**20, float(widest))


def fitted(points: list[tuple[int, int]]) -> MemoryModel:
    """The line through two measured (tokens, bytes), never falling and never below either."""
    (few, small), (many, large) = sorted(points)
    slope = max((large - small) / (many - few), large / many / 2, 1.0)
    return MemoryModel(max(0.0, small - slope * few, large - slope * many), slope)


def remembered(key: str) -> MemoryModel | None:
    """The model measured before for a (weights, dtype, device, library), if any."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        values = json.loads(_file(key).read_text("utf-8"))
        model = MemoryModel(float(values["base"]), float(values["per_token"]))
        if model.base >= 0 and model.per_token > 0:
            return model
    return None


def measure(key: str, peak: Callable[[int], int]) -> MemoryModel:
    """Fit to `peak(tokens)`, the most bytes that a batch of so many tokens took, and remember."""
    model = fitted([(tokens, peak(tokens)) for tokens in PROBES])
    with suppress(OSError), replacing(_file(key)) as stream:  # else it is only measured again
        json.dump({"key": key, **asdict(model)}, stream, indent=1)
    return model


def _file(key: str) -> Path:
    return cache_folder() / "memory" / f"{sha256(key.encode()).hexdigest()[:24]}.json"
