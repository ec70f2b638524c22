"""A BERT-like encoder over packed texts: no padding, one buffer of weights, one pass a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import ModelRejected
from workbench.models.encoder import attention
from workbench.models.encoder.shape import (
    MPNET,
    Shape,
    file_name,
    layout,
    prefix_of,
    shape_of,
    slots,
)
from workbench.models.weights.find import WEIGHTS, ModelFolder


@dataclass(frozen=True, slots=True)
class Packed:
    """Texts of a batch, one behind the other, as int32 arrays: ids and positions (tokens,), and
    where each begins, with the end (texts + 1,)."""

    ids: NDArray[np.int32]
    places: NDArray[np.int32]
    cumulative: NDArray[np.int32]

    @property
    def lengths(self) -> NDArray[np.int32]:
        """Tokens of each text."""
        return np.diff(self.cumulative).astype(np.int32)


def pack(rows: list[NDArray[np.int32]], padding: int) -> Packed:
    """Ids of texts, with positions as BERT or, for a `padding` id of 0 or more, RoBERTa counts."""
    lengths = np.array([len(row) for row in rows], np.int32)
    cumulative = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    ids = np.concatenate(rows).astype(np.int32)
    if padding < 0:
        places = np.arange(len(ids), dtype=np.int32) - np.repeat(cumulative[:-1], lengths)
    else:  # a text may hold the padding token itself, which has no position of its own
        real = ids != padding
        counted = np.cumsum(real, dtype=np.int32)
        before = np.repeat(np.concatenate([[0], counted])[cumulative[:-1]], lengths)
        places = np.where(real, counted - before, 0) + padding
    return Packed(ids, places.astype(np.int32), cumulative)


class TorchEncoder:
    """Weights on a device, and the forward pass. Not safe to share: one thread calls it.

    `dtype` is a torch dtype. `weights` is the one buffer that holds every parameter. `packed` says
    whether attention runs over packed texts on a GPU: in half precision, where no bias is needed.
    """

    def __init__(
        self, folder: ModelFolder, device: str, dtype: Any, came: Callable[[], None] = lambda: None
    ) -> None:
        self.shape = shape_of(folder)
        self.device, self.dtype = device, dtype
        self.biased = self.shape.family == MPNET
        self.packed = device != "cpu" and dtype.itemsize == 2 and not self.biased
        self.weights, self._tensors = load(folder, self.shape, device, dtype, came)

    def __call__(
        self, ids: Any, places: Any, cumulative: Any, lengths: Any, host: list[int]
    ) -> Any:
        """Token vectors (tokens, hidden) of packed ids; `host` are the lengths on the CPU."""
        longest = max(host)
        x, y = self._tensors["words"][ids], self._tensors["positions"][places]
        if self.packed:
            return self._packed(x, y, cumulative, longest)
        x = self._norm(x + y, "norm")
        get = self._tensors
        bias = attention.distance_bias(get["distances"], longest) if self.biased else None

        def attend(qkv: Any) -> Any:
            if self.device == "cpu":
                return attention.one_by_one(qkv, host, bias)
            return attention.padded(qkv, lengths, cumulative, longest, bias)

        for n in range(self.shape.layers):
            x = self._layer(x, f"{n}", attend)
        return x

    def _layer(self, x: Any, n: str, attend: Callable[[Any], Any]) -> Any:
        """One layer, as the papers have it (Devlin et al., 2019)."""
        # 1. Every token's query, key and value, in one product.
        qkv = self._linear(x, f"{n}.qkv").view(len(x), 3, self.shape.heads, -1)
        # 2. Tokens of a text read each other; the result is added to what they were, and scaled.
        mixed = attend(qkv).reshape(len(x), -1)
        x = self._norm(self._linear(mixed, f"{n}.out") + x, f"{n}.norm1")
        # 3. Each token by itself through the wide layer and back, added and scaled again.
        inner = self._activate(self._linear(x, f"{n}.up"))
        return self._norm(self._linear(inner, f"{n}.down") + x, f"{n}.norm2")

    def _packed(self, x: Any, y: Any, cumulative: Any, longest: int) -> Any:
        """All layers in three buffers that live through the batch: nothing else is allocated but
        attention's output, always of one size, so memory cannot fall to pieces."""
        add_norm_ = _add_norm()
        tokens, hidden, inner = len(x), self.shape.hidden, self.shape.inner
        get, eps = self._tensors, self.shape.eps
        # 1. Words and positions are added and scaled, in place: x is what the layers pass on.
        add_norm_(x, y, get["norm.weight"], get["norm.bias"], eps)
        # 2. One wide buffer, for queries, keys and values, and then for the wide layer.
        wide = x.new_empty(tokens * max(3 * hidden, inner))
        qkv = wide[: tokens * 3 * hidden].view(tokens, 3 * hidden)
        up = wide[: tokens * inner].view(tokens, inner)
        for n in range(self.shape.layers):
            # 3. Attention: tokens of a text read each other, y takes what is added to x.
            self._product(x, f"{n}.qkv", qkv)
            heads = qkv.view(tokens, 3, self.shape.heads, -1)
            mixed = attention.variable_length(heads, cumulative, longest).view(tokens, hidden)
            self._product(mixed, f"{n}.out", y)
            del mixed
            add_norm_(x, y, get[f"{n}.norm1.weight"], get[f"{n}.norm1.bias"], eps)
            # 4. Each token by itself through the wide layer and back, again by way of y.
            self._product(x, f"{n}.up", up, activate=True)
            self._product(up, f"{n}.down", y)
            add_norm_(x, y, get[f"{n}.norm2.weight"], get[f"{n}.norm2.bias"], eps)
        return x

    def _product(self, x: Any, name: str, out: Any, activate: bool = False) -> None:
        """A linear layer into `out`. GELU in half precision goes into the product's epilogue:
        its tanh form is nearer to the exact one than half precision can show."""
        import torch

        weight, bias = self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"]
        if activate and self.shape.activation in ("gelu", "gelu_new"):
            torch._addmm_activation(bias, x, weight.t(), use_gelu=True, out=out)
            return
        torch.addmm(bias, x, weight.t(), out=out)
        if activate:
            out.relu_()

    def _linear(self, x: Any, name: str) -> Any:
        import torch

        get = self._tensors
        return torch.nn.functional.linear(x, get[f"{name}.weight"], get[f"{name}.bias"])

    def _norm(self, x: Any, name: str) -> Any:
        import torch

        weight, bias = self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"]
        return torch.nn.functional.layer_norm(x, weight.shape, weight, bias, self.shape.eps)

    def _activate(self, inner: Any) -> Any:
        import torch

        name = self.shape.activation
        if name == "relu":
            return inner.relu_()
        how = "tanh" if name == "gelu_new" else "none"
        return torch.nn.functional.gelu(inner, approximate=how)


def _add_norm() -> Callable[..., Any]:
    """x = norm(x + y) in one kernel, or in PyTorch's two where there is no Triton."""
    try:
        from workbench.models.encoder.triton_norm import add_norm_
    except ImportError:
        return _add_norm_plain
    return add_norm_


def _add_norm_plain(x: Any, y: Any, weight: Any, bias: Any, eps: float) -> Any:
    import torch

    return x.copy_(torch.nn.functional.layer_norm(x.add_(y), weight.shape, weight, bias, eps))


def pool_tokens(tokens: Any, cumulative: Any, lengths: Any, how: str) -> Any:
    """Text vectors of unit length, float32, from token vectors: the first token's or the mean."""
    import torch

    if how == "cls":
        pooled = tokens[cumulative[:-1].long()].float()
    else:
        pooled = torch.segment_reduce(
            tokens.float(), "mean", lengths=lengths.long(), axis=0, unsafe=True
        )
    return torch.nn.functional.normalize(pooled, dim=1)


def load(
    folder: ModelFolder, shape: Shape, device: str, dtype: Any, came: Callable[[], None]
) -> tuple[Any, dict[str, Any]]:
    """Every parameter in one buffer on the device (so that it is one piece of memory, given back
    whole), and views of it by name; `came` is called as soon as the buffer is there."""
    import torch
    from safetensors import SafetensorError, safe_open

    prefix = prefix_of(folder.tensors, folder)
    offsets, size = layout(shape, dtype.itemsize)
    buffer = torch.empty(size, dtype=torch.uint8, device=device)
    came()
    views = {}
    try:
        with safe_open(folder.path / WEIGHTS, framework="pt") as file:

            def read(source: str) -> Any:
                return file.get_tensor(file_name(folder.tensors, prefix + source))

            for slot in slots(shape):
                start, rows = offsets[slot.name], slot.shape[0] // len(slot.sources)
                count = int(np.prod(slot.shape)) * dtype.itemsize
                view = buffer[start : start + count].view(dtype).view(slot.shape)
                for n, source in enumerate(slot.sources):
                    part = read(source)
                    if slot.name == "positions" and shape.family != MPNET:
                        # every text is of type 0, so its vector can be added here once
                        part = part.float() + read("embeddings.token_type_embeddings.weight")[0]
                    part = part.to(dtype)
                    if not torch.isfinite(part).all():  # attention can turn NaN into zeros
                        raise ModelRejected(
                            f"{folder.path / WEIGHTS}: {prefix + source} holds NaN or infinity in "
                            f"{dtype}; fetch the model again, or use bf16 or fp32 instead of fp16"
                        )
                    view[n * rows : (n + 1) * rows].copy_(part)
                views[slot.name] = view
    except (SafetensorError, OSError) as error:
        raise ModelRejected(
            f"{folder.path / WEIGHTS}: not readable ({error}); fetch the model again"
        ) from error
    return buffer, views
