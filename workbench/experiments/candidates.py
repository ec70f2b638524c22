"""Candidates kept by what they were made of: the same queries over the same bytes are retrieved
once, whatever the weights. A cache: what is lost or damaged here is only computed again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np

from workbench.errors import WorkbenchError
from workbench.experiments.blobs import decode, encode
from workbench.profiles import Profile
from workbench.records import Candidates, Query
from workbench.system.files import replace_bytes

FOLDER = "candidates"
LARGEST = 2**26
"""Bytes of one set of candidates that is kept; a larger one is retrieved each time."""

MOST = 2**29
"""Bytes of all sets; those used least recently are removed."""

_NOT_RETRIEVAL = {
    "name", "weights", "normaliser", "workers", "context_threshold", "max_tokens", "temperature",
}  # fmt: skip

_OF_RERANKERS = ("n_rerank", "device", "batch_size")

RETRIEVAL: Final = tuple(name for name in Profile().to_dict() if name not in _NOT_RETRIEVAL)
"""Settings of a profile that candidates depend on."""


def retrieval_settings(profile: Profile) -> dict[str, Any]:
    """Those settings of a profile that candidates depend on; of a stage that is off, none."""
    values = profile.to_dict()
    off = () if profile.reranker else _OF_RERANKERS
    first_pass = profile.reranker or profile.feedback
    return {
        name: values[name]
        for name in RETRIEVAL
        if name not in off and (first_pass or name != "first_pass")
    }


def retrieval_key(
    world: Mapping[str, Any], queries: Sequence[Query], profile: Profile, reranker: str
) -> str:
    """Equal for equal bytes of everything that candidates are made of. `world` is what
    `Subject.world` says; queries come with their vectors; `reranker` is its fingerprint."""
    told = json.dumps([world, retrieval_settings(profile), reranker], sort_keys=True)
    return sha256(told.encode() + queries_digest(queries).encode()).hexdigest()[:32]


def queries_digest(queries: Sequence[Query]) -> str:
    """16 hexadecimal digits over texts, terms and vectors."""
    hashed = sha256()
    for query in queries:
        hashed.update(json.dumps([query.id, query.text, list(query.terms.items())]).encode())
        if query.vector is not None:
            hashed.update(np.ascontiguousarray(query.vector, dtype="<f4").tobytes())
    return hashed.hexdigest()[:16]


class CandidateCache:
    """Sets of candidates in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER

    def get(self, key: str, queries: Sequence[Query]) -> list[Candidates] | None:
        """The candidates of these queries, in their order; None where they are not here."""
        path = self._folder / f"{key}.parquet"
        try:
            content = path.read_bytes()
            found = _from_table(content, queries)
        except (OSError, ValueError, KeyError, WorkbenchError):
            return None
        with suppress(OSError):
            os.utime(path)
        return found

    def put(self, key: str, found: Sequence[Candidates]) -> None:
        """Keep a set; without space or permission it is not kept."""
        content = _to_table(found)
        with suppress(OSError, WorkbenchError):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._make_room(len(content))
            replace_bytes(self._folder / f"{key}.parquet", content)

    def _make_room(self, size: int) -> None:
        kept = [(path, path.stat()) for path in self._folder.glob("*.parquet")]
        whole = size + sum(stat.st_size for _, stat in kept)
        for path, stat in sorted(kept, key=lambda pair: pair[1].st_mtime):
            if whole <= MOST:
                return
            path.unlink(missing_ok=True)
            whole -= stat.st_size


class Gathering:
    """Candidates on their way to a ranking, gathered while they are few enough to be kept."""

    def __init__(self) -> None:
        self.found: list[Candidates] | None = []
        self._size = 0

    def add(self, candidates: Candidates) -> None:
        """One query's."""
        self._size += candidates.values.nbytes + candidates.paper_ids.nbytes
        if self._size > LARGEST:
            self.found = None
        if self.found is not None:
            self.found.append(candidates)


def digest_of_candidates(found: Candidates) -> bytes:
    """8 bytes over ids, numbers and values of one query's candidates."""
    hashed = sha256(",".join(found.signals).encode())
    hashed.update("\0".join(found.paper_ids.tolist()).encode("utf-8", "surrogatepass"))
    hashed.update(np.ascontiguousarray(found.numbers, dtype="<i4").tobytes())
    hashed.update(np.ascontiguousarray(found.values, dtype="<f8").tobytes())
    return hashed.digest()[:8]


def _to_table(found: Sequence[Candidates]) -> bytes:
    counts = [len(each) for each in found]
    signals = found[0].signals if found else ()
    columns: dict[str, Any] = {
        "query": np.repeat(np.arange(len(found), dtype=np.int32), counts),
        "paper_id": [paper for each in found for paper in each.paper_ids.tolist()],
        "number": np.concatenate([each.numbers for each in found]).astype(np.int32),
    }
    values = np.concatenate([each.values for each in found])
    columns |= {f"signal {name}": values[:, i] for i, name in enumerate(signals)}
    about = {
        "queries": str(len(found)),
        "lower": [each.lower.tolist() for each in found],
        "engine": found[0].fingerprint if found else "",
        "signals": signals,
    }
    content = encode(columns, {})
    head = json.dumps({**about, "sha256": sha256(content).hexdigest()}).encode() + b"\n"
    return head + content


def _from_table(content: bytes, queries: Sequence[Query]) -> list[Candidates]:
    head, _, body = content.partition(b"\n")
    about = json.loads(head)
    if about["sha256"] != sha256(body).hexdigest() or int(about["queries"]) != len(queries):
        raise ValueError("damaged")
    table = decode(body)
    signals = tuple(about["signals"])
    values = np.stack([table[f"signal {name}"] for name in signals], axis=1)
    ends = np.searchsorted(table["query"], np.arange(len(queries) + 1))
    lower = np.array(about["lower"], dtype=np.float64)
    papers = table["paper_id"]
    found = []
    for place, query in enumerate(queries):
        rows = slice(int(ends[place]), int(ends[place + 1]))
        ids = np.array(papers[rows], dtype=np.str_)
        found.append(
            Candidates(
                query,
                signals,
                ids,
                table["number"][rows],
                values[rows],
                lower[place],
                about["engine"],
            )
        )
    return found
