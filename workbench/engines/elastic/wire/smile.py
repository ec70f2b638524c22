"""Documents in SMILE, the binary JSON that Elasticsearch takes in bulk requests.

A float32 costs 6 bytes and no number has to be printed or parsed; a block of vectors is encoded
at once. Format: https://github.com/FasterXML/smile-format-specification (version 1.0).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEADER = b":)\n\x00"
END = b"\xff"
"""Between the parts of a bulk request; it occurs inside of none."""


class Raw(bytes):
    """A value that is encoded already."""


def document(value: Mapping[str, Any]) -> bytes:
    """One document with its header and end: strings, whole numbers, floats, lists, mappings."""
    return b"".join([HEADER, _encoded(value), END])


def float_rows(rows: NDArray[np.float32]) -> list[Raw]:
    """Each row of a float32 matrix as an encoded array."""
    bits = np.ascontiguousarray(rows, dtype="<f4").view("<u4")
    cells = np.empty((*bits.shape, 6), dtype=np.uint8)
    cells[..., 0] = 0x28
    for place in range(5):  # 32 bits in groups of 7, the highest first
        cells[..., 1 + place] = (bits >> np.uint32(28 - 7 * place)) & np.uint32(0x7F)
    return [Raw(b"\xf8" + row.tobytes() + b"\xf9") for row in cells]


def _encoded(value: Any) -> bytes:
    encode = _BY_TYPE.get(type(value))
    return encode(value) if encode is not None else _encoded_other(value)


def _encoded_other(value: Any) -> bytes:
    """Values of a subclass, or of another kind of mapping or sequence."""
    for kind, encode in _ENCODERS:
        if isinstance(value, kind):
            return encode(value)
    raise TypeError(f"{type(value).__name__} has no place in a document")


def _object(value: Mapping[str, Any]) -> bytes:
    inside = b"".join(_name(name) + _encoded(item) for name, item in value.items())
    return b"\xfa" + inside + b"\xfb"


def _array(value: Sequence[Any]) -> bytes:
    return b"\xf8" + b"".join(map(_encoded, value)) + b"\xf9"


def _double(value: float) -> bytes:
    return b"\x29" + _groups(int(np.float64(value).view(np.uint64)), 10)


def _text(text: str) -> bytes:
    if not text:
        return b"\x20"
    content = text.encode()
    if len(content) == len(text):
        if len(content) <= 32:
            return bytes((0x3F + len(content),)) + content
        if len(content) <= 64:
            return bytes((0x5F + len(content) - 32,)) + content
        return b"\xe0" + content + b"\xfc"
    return b"\xe4" + content + b"\xfc"


@lru_cache(maxsize=1024)
def _name(name: str) -> bytes:
    content = name.encode("ascii")
    if not 1 <= len(content) <= 64:
        raise ValueError(f"field name {name!r} has {len(content)} characters, the limits are 1, 64")
    return bytes((0x7F + len(content),)) + content


def _whole(value: int) -> bytes:
    """32 or 64 bits in zigzag: the last byte holds 6 bits and bit 7, those before it 7 each."""
    wide = not -(2**31) <= value < 2**31
    zigzag = (value << 1) ^ (value >> (63 if wide else 31))
    zigzag &= 2**64 - 1
    parts = [0x80 | (zigzag & 0x3F)]
    zigzag >>= 6
    while zigzag:
        parts.append(zigzag & 0x7F)
        zigzag >>= 7
    return (b"\x25" if wide else b"\x24") + bytes(reversed(parts))


def _groups(bits: int, count: int) -> bytes:
    return bytes((bits >> (7 * (count - 1 - place))) & 0x7F for place in range(count))


_ENCODERS: tuple[tuple[type, Callable[[Any], bytes]], ...] = (
    (Raw, bytes),
    (str, _text),
    (bool, lambda value: b"\x23" if value else b"\x22"),  # before int, which it is too
    (int, _whole),
    (float, _double),
    (Mapping, _object),
    (Sequence, _array),
    (type(None), lambda _: b"\x21"),
)
_BY_TYPE: dict[type, Callable[[Any], bytes]] = {
    **dict(_ENCODERS),
    dict: _object,
    list: _array,
    tuple: _array,
}
