"""Layer norm of a sum in one pass over memory, in Triton. Imported on a GPU only.

PyTorch's addition and norm read and write five times what this reads and writes three times;
torch.compile of the two was no faster than they are (measured on an H100: .29 ms, compiled .31).
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl


@triton.jit  # type: ignore[untyped-decorator]
def _add_norm(x, y, weight, bias, width, eps, block: tl.constexpr):  # type: ignore[no-untyped-def]
    """x = norm(x + y) * weight + bias, row by row, in float32."""
    start = tl.program_id(0).to(tl.int64) * width
    column = tl.arange(0, block)
    inside = column < width
    total = tl.load(x + start + column, mask=inside, other=0.0).to(tl.float32)
    total += tl.load(y + start + column, mask=inside, other=0.0).to(tl.float32)
    mean = tl.sum(total, axis=0) / width
    centred = tl.where(inside, total - mean, 0.0)
    scale = 1.0 / tl.sqrt(tl.sum(centred * centred, axis=0) / width + eps)
    w = tl.load(weight + column, mask=inside, other=0.0).to(tl.float32)
    b = tl.load(bias + column, mask=inside, other=0.0).to(tl.float32)
    tl.store(x + start + column, centred * scale * w + b, mask=inside)


def add_norm_(x: Any, y: Any, weight: Any, bias: Any, eps: float) -> Any:
    """x (rows, width), contiguous, overwritten with the layer norm of x + y; returns it."""
    rows, width = x.shape
    block = triton.next_power_of_2(width)
    warps = 4 if block >= 1024 else 2 if block >= 512 else 1
    _add_norm[(rows,)](x, y, weight, bias, width, eps, block=block, num_warps=warps)
    return x
