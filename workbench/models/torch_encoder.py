"""A BERT-like encoder over packed texts: no padding, one buffer of weights, one pass a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import ModelRejected
from workbench.models import attention
from workbench.models.shapes import MPNET, Shape, file_name, layout, prefix_of, shape_of, slots
from workbench.models.source import WEIGHTS, ModelFolder


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

    `dtype` is a torch dtype. `weights` is the one buffer that holds every parameter.
    """

    def __init__(
        self, folder: ModelFolder, device: str, dtype: Any, compiled: bool = False
    ) -> None:
        self.shape = shape_of(folder)
        self.device, self.dtype = device, dtype
        self.flash = device.startswith("cuda") and dtype.itemsize == 2 and not self.biased
        self.weights, self._tensors = load(folder, self.shape, device, dtype)
        self._add_norm = add_norm
        if compiled:
            import torch

            self._add_norm = torch.compile(add_norm, dynamic=True)

    @property
    def biased(self) -> bool:
        """Whether scores get a bias by distance, which variable-length attention cannot add."""
        return self.shape.family == MPNET

    def __call__(
        self, ids: Any, places: Any, cumulative: Any, lengths: Any, host: list[int]
    ) -> Any:
        """Token vectors (tokens, hidden) of packed ids; `host` are the lengths on the CPU."""
        import torch

        functional, get = torch.nn.functional, self._tensors
        x = get["words"][ids] + get["positions"][places]
        x = functional.layer_norm(
            x, (self.shape.hidden,), get["norm.weight"], get["norm.bias"], self.shape.eps
        )
        longest = max(host)
        bias = attention.distance_bias(get["distances"], longest) if self.biased else None
        for n in range(self.shape.layers):
            qkv = functional.linear(x, get[f"{n}.qkv.weight"], get[f"{n}.qkv.bias"])
            qkv = qkv.view(len(x), 3, self.shape.heads, -1)
            if self.flash:
                mixed = attention.variable_length(qkv, cumulative, longest)
            elif self.device == "cpu":
                mixed = attention.one_by_one(qkv, host, bias)
            else:
                mixed = attention.padded(qkv, lengths, cumulative, longest, bias)
            del qkv
            mixed = mixed.reshape(len(x), -1)
            out = functional.linear(mixed, get[f"{n}.out.weight"], get[f"{n}.out.bias"])
            del mixed
            x = self._norm(out, x, f"{n}.norm1")
            inner = self._up(x, get[f"{n}.up.weight"], get[f"{n}.up.bias"])
            out = functional.linear(inner, get[f"{n}.down.weight"], get[f"{n}.down.bias"])
            del inner
            x = self._norm(out, x, f"{n}.norm2")
        return x

    def _norm(self, x: Any, residual: Any, name: str) -> Any:
        get = self._tensors
        return self._add_norm(
            x, residual, get[f"{name}.weight"], get[f"{name}.bias"], self.shape.eps
        )

    def _up(self, x: Any, weight: Any, bias: Any) -> Any:
        """Activation of a linear layer; on the GPU in half precision in the product's epilogue,
        whose tanh form of GELU is nearer to the exact one than half precision can show."""
        import torch

        functional, name = torch.nn.functional, self.shape.activation
        if self.flash and name in ("gelu", "gelu_new"):
            return torch._addmm_activation(bias, x, weight.t(), use_gelu=True)
        inner = functional.linear(x, weight, bias)
        if name == "relu":
            return inner.relu_()
        return functional.gelu(inner, approximate="tanh" if name == "gelu_new" else "none")


def add_norm(x: Any, residual: Any, weight: Any, bias: Any, eps: float) -> Any:
    """Layer norm of a sum."""
    import torch

    return torch.nn.functional.layer_norm(x + residual, weight.shape, weight, bias, eps)


def pool(tokens: Any, cumulative: Any, lengths: Any, how: str) -> Any:
    """Text vectors of unit length, float32, from token vectors: the first token's or the mean."""
    import torch

    if how == "cls":
        pooled = tokens[cumulative[:-1].long()].float()
    else:
        pooled = torch.segment_reduce(
            tokens.float(), "mean", lengths=lengths.long(), axis=0, unsafe=True
        )
    return torch.nn.functional.normalize(pooled, dim=1)


def load(folder: ModelFolder, shape: Shape, device: str, dtype: Any) -> tuple[Any, dict[str, Any]]:
    """Every parameter in one buffer on the device (so that it is one piece of memory, given back
    whole), and views of it by name."""
    import torch
    from safetensors import SafetensorError, safe_open

    prefix = prefix_of(folder.tensors, folder)
    offsets, size = layout(shape, dtype.itemsize)
    buffer = torch.empty(size, dtype=torch.uint8, device=device)
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
                    view[n * rows : (n + 1) * rows].copy_(part.to(dtype))
                views[slot.name] = view
    except (SafetensorError, OSError) as error:
        raise ModelRejected(
            f"{folder.path / WEIGHTS}: not readable ({error}); fetch the model again"
        ) from error
    return buffer, views
