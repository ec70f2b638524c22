"""What a safetensors file holds, from its header alone: names, shapes, bytes. No weights are read.

Format: https://github.com/huggingface/safetensors (8 bytes of length, JSON, then the data).
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import ModelRejected, shown

LARGEST_HEADER = 100_000_000
"""The format's own limit, bytes."""

SIZES = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2,
         "I16": 2, "U16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1, "BOOL": 1}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor of the file."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        """Numbers in it."""
        return math.prod(self.shape)


def read_header(path: Path) -> dict[str, TensorInfo]:
    """Tensors by name. Raises ModelRejected where the file is cut off or is no safetensors."""
    try:
        with open(path, "rb") as stream:
            size = path.stat().st_size
            (length,) = struct.unpack("<Q", stream.read(8))
            if not 2 <= length <= min(LARGEST_HEADER, size - 8):
                raise ValueError(f"a header of {length} bytes in a file of {size}")
            entries = json.loads(stream.read(length))
        entries.pop("__metadata__", None)
        tensors = {
            name: TensorInfo(entry["dtype"], tuple(map(_side, entry["shape"])))
            for name, entry in entries.items()
        }
        wanted = sum(tensor.count * SIZES[tensor.dtype] for tensor in tensors.values())
        if wanted != size - 8 - length:
            raise ValueError(f"{size - 8 - length} bytes of data where the header says {wanted}")
    except (
        OSError, ValueError, KeyError, TypeError, AttributeError, struct.error, RecursionError
    ) as error:  # fmt: skip
        raise ModelRejected(
            f"{path}: not a whole safetensors file ({error}); fetch the model again"
        ) from error
    return tensors


def _side(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError(f"a side of {shown(value)}")
    return value


def numbers(tensors: dict[str, TensorInfo]) -> int:
    """Numbers in all tensors."""
    return sum(tensor.count for tensor in tensors.values())
