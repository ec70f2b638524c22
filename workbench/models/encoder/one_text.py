"""One short text on a GPU: a pass is recorded once and then started as one.

A query has a dozen tokens, and some sixty kernels; starting each of them from Python takes ten
times as long as they run (CUDA graphs: NVIDIA, CUDA C++ Programming Guide).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.models.encoder.forward import TorchEncoder, pack

LENGTHS = (16, 32, 64)
"""Tokens of a recorded pass; a text takes the first that it fits into."""

FILLER = 5
"""Id of the tokens behind the text. They are a text of their own, which nobody reads."""

Vectors = NDArray[np.float32]


class OneText:
    """Recorded passes of one packed encoder. Called on its GPU's thread alone.

    `pooling` is "cls" or "mean". A pass is recorded at the first text of its length.
    """

    def __init__(self, encoder: TorchEncoder, pooling: str) -> None:
        self._encoder = encoder
        self._pooling = pooling
        self._passes: dict[int, _Pass] = {}

    def length(self, tokens: int) -> int:
        """Tokens of the pass that a text takes, 0 where it is too long for any."""
        return next((length for length in LENGTHS if tokens <= length), 0)

    def recorded(self, tokens: int) -> bool:
        """Whether the text's pass is there already."""
        return self.length(tokens) in self._passes

    def record(self, tokens: int) -> None:
        """Record the text's pass; takes memory of its own, which is kept."""
        length = self.length(tokens)
        stream = _side_stream(str(self._encoder.device))
        self._passes[length] = _Pass(self._encoder, self._pooling, length, stream)

    def __call__(self, ids: NDArray[np.int32]) -> Vectors:
        """float32 (1, dimension), of unit length."""
        return self._passes[self.length(len(ids))](ids)


@cache
def _side_stream(device: str) -> Any:
    """The one stream of a GPU on which passes are recorded. Libraries keep a workspace for each
    stream, and recorded passes of other models hold on to it: it is never given back."""
    import torch

    return torch.cuda.Stream(device)


class _Pass:
    def __init__(self, encoder: TorchEncoder, pooling: str, length: int, stream: Any) -> None:
        import torch

        self._torch, self._encoder, self._pooling = torch, encoder, pooling
        self._length = length
        # ids, positions, where the text and the filler begin and end, how many tokens each has
        self._sizes = length, length, 3, 2
        self._given = torch.zeros(sum(self._sizes), dtype=torch.int32, pin_memory=True)
        self._fill(np.full(1, FILLER, np.int32))
        self._there = self._given.to(encoder.device)
        self._steps = torch.arange(length, device=encoder.device)
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # libraries set themselves up before they are recorded
            for _ in range(2):
                self._forward()
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, stream=stream):
            self._vector = self._forward()
        self._taken = torch.empty(self._vector.shape, dtype=torch.float32, pin_memory=True)

    def __call__(self, ids: NDArray[np.int32]) -> Vectors:
        self._fill(ids)
        self._there.copy_(self._given, non_blocking=True)
        self._graph.replay()
        self._taken.copy_(self._vector, non_blocking=True)
        self._torch.cuda.current_stream().synchronize()
        return np.array(self._taken.numpy())

    def _fill(self, ids: NDArray[np.int32]) -> None:
        rest = np.full(self._length - len(ids), FILLER, np.int32)
        packed = pack([ids, rest], self._encoder.shape.padding)
        parts = (packed.ids, packed.places, packed.cumulative, packed.lengths)
        self._given.numpy()[:] = np.concatenate(parts)

    def _forward(self) -> Any:
        ids, places, cumulative, lengths = self._there.split(self._sizes)
        out = self._encoder(ids, places, cumulative, lengths, [self._length]).float()
        if self._pooling == "cls":
            pooled = out[:1]
        else:
            inside = (self._steps < lengths[0]).float()
            pooled = ((inside[:, None] * out).sum(0) / lengths[0])[None]
        return self._torch.nn.functional.normalize(pooled, dim=1)
