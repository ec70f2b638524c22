"""Candidates as bytes, for a cache that other processes read too. No pickle."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.ranking.ranking import Ranking
from workbench.ranking.retriever import Retrieved
from workbench.records import Candidates, Query

_FORMAT = 1
_HEAD = struct.Struct("<II")


def pack(ranking: Ranking) -> bytes:
    """What a ranking was made of: its candidates, notes and expanded query."""
    candidates = ranking.candidates
    arrays: list[NDArray[Any]] = [candidates.numbers, candidates.values, candidates.lower]
    queries = [_query(candidates.query, arrays)]
    if ranking.expanded is not None:
        queries.append(_query(ranking.expanded, arrays))
    head = {
        "queries": queries,
        "signals": candidates.signals,
        "paper_ids": candidates.paper_ids.tolist(),
        "fingerprint": candidates.fingerprint,
        "notes": ranking.notes,
        "arrays": [[array.dtype.str, array.shape] for array in arrays],
    }
    text = json.dumps(head, ensure_ascii=False).encode("utf-8", "surrogatepass")
    body = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    return _HEAD.pack(_FORMAT, len(text)) + text + body


def unpack(content: bytes) -> Retrieved | None:
    """What `pack` was given; None where the bytes are of another version."""
    form, length = _HEAD.unpack_from(content)
    if form != _FORMAT:
        return None
    at = _HEAD.size + length
    head = json.loads(content[_HEAD.size : at].decode("utf-8", "surrogatepass"))
    arrays = []
    for kind, shape in head["arrays"]:
        count = int(np.prod(shape))
        array = np.frombuffer(content, np.dtype(kind), count, at).reshape(shape)
        arrays.append(array)
        at += array.nbytes
    numbers, values, lower, *vectors = arrays
    left = iter(vectors)
    queries = [
        Query(q["text"], q["terms"], next(left) if q["vector"] else None, q["id"])
        for q in head["queries"]
    ]
    candidates = Candidates(
        query=queries[0],
        signals=tuple(head["signals"]),
        paper_ids=np.array(head["paper_ids"], dtype=np.str_),
        numbers=numbers,
        values=values,
        lower=lower,
        fingerprint=head["fingerprint"],
    )
    return Retrieved(candidates, tuple(head["notes"]), {}, queries[1] if queries[1:] else None)


def _query(query: Query, arrays: list[NDArray[Any]]) -> dict[str, Any]:
    if query.vector is not None:
        arrays.append(query.vector)
    return {
        "text": query.text,
        "terms": dict(query.terms),
        "vector": query.vector is not None,
        "id": query.id,
    }
