"""In which inputs two experiments differ, by name, and which stage an input reaches first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.engines.paper_digests import PaperDigests
from workbench.experiments.candidates import retrieval_settings
from workbench.experiments.kept import KeptExperiment
from workbench.present.words import count, first_ids, setting

STAGES = ("source", "passages", "vectors", "queries", "candidates", "ranking", "metric")
"""In the order in which an evaluation goes through them."""

INPUTS = ("corpus", "queries", "retrieval", "normaliser", "weights", "ties", "judgments")
"""What can be swapped one by one, in the order of the stages."""

_WORLD = {
    "analyser": "passages",
    "query_analyser": "passages",
    "chunking": "passages",
    "model_fingerprint": "vectors",
    "k1": "candidates",
    "b": "candidates",
    "engine": "candidates",
}
"""Settings of a corpus, and the first stage that each reaches."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that differs: the input that it belongs to, the first stage that it reaches, and
    what it is, in words."""

    input: str
    stage: str
    what: str


def find_causes(a: KeptExperiment, b: KeptExperiment) -> list[Cause]:
    """All that differs between two experiments, but for the order of ties, in stage order."""
    found = [*_corpus(a, b), *_queries(a, b), *_settings(a, b), *_judgments(a, b)]
    return sorted(found, key=lambda cause: STAGES.index(cause.stage))


def first_stage(a: KeptExperiment, b: KeptExperiment) -> str:
    """The first stage whose bytes differ; "" where none do."""
    mine, other = a.stages, b.stages
    return next((s for s in STAGES if s in mine and s in other and mine[s] != other[s]), "")


def same_world(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two corpora are the same to the byte, as far as their engines tell: by digests, or
    an engine that has none by its fingerprint."""
    return {k: v for k, v in a.items() if k != "code"} == {
        k: v for k, v in b.items() if k != "code"
    }


def paper_changes(mine: PaperDigests | None, other: PaperDigests | None) -> dict[str, list[str]]:
    """Ids of the papers that were "removed", "added" or "edited", and those whose "passages" or
    "vectors" alone differ."""
    if mine is None or other is None:
        return {}
    common, here, there = np.intersect1d(
        mine.paper_ids, other.paper_ids, assume_unique=True, return_indices=True
    )
    edited = mine.source[here] != other.source[there]
    cut = ~edited & (mine.passages[here] != other.passages[there])
    moved = ~edited & ~cut & (mine.vectors[here] != other.vectors[there])
    found = {
        "removed": np.setdiff1d(mine.paper_ids, common, assume_unique=True),
        "added": np.setdiff1d(other.paper_ids, common, assume_unique=True),
        "edited": common[edited],
        "passages": common[cut],
        "vectors": common[moved],
    }
    return {name: ids.tolist() for name, ids in found.items() if len(ids)}


def model_change(mine: str, other: str) -> str:
    """Two fingerprints of a model in words: other weights, or the same ones computed otherwise."""
    (weights, _, how), (others, _, otherwise) = mine.partition("-"), other.partition("-")
    if weights != others:
        return f"other weights or settings of the model: {weights} -> {others}"
    return f"the same weights computed otherwise: {how} -> {otherwise}"


def _corpus(a: KeptExperiment, b: KeptExperiment) -> Iterator[Cause]:
    changes = paper_changes(a.content, b.content)
    for name in ("removed", "added", "edited"):
        if ids := changes.get(name):
            yield Cause("corpus", "source", f"{count(len(ids), 'paper')} {name}: {first_ids(ids)}")
    mine, other = a.world, b.world
    for name, stage in _WORLD.items():
        if mine.get(name) != other.get(name):
            said = f"{name} {setting(mine.get(name))} -> {setting(other.get(name))}"
            if name == "model_fingerprint":
                said = model_change(str(mine.get(name)), str(other.get(name)))
            elif name == "query_analyser" and mine.get("analyser") != other.get("analyser"):
                continue
            yield Cause("corpus", stage, said)
    settings = any(mine.get(name) != other.get(name) for name in ("chunking", "model_fingerprint"))
    for name in ("passages", "vectors"):
        if (ids := changes.get(name)) and not settings:
            yield Cause(
                "corpus", name,
                f"other {name} of {count(len(ids), 'paper')} of the same text: {first_ids(ids)}",
            )  # fmt: skip
    if not changes and a.content is None and _engine(a) != _engine(b):
        yield Cause("corpus", "source", f"engine {_engine(a)} -> {_engine(b)}")


def _engine(experiment: KeptExperiment) -> str:
    return str(experiment.document["corpus"]["engine"])


def _queries(a: KeptExperiment, b: KeptExperiment) -> Iterator[Cause]:
    mine = {query.id: query for query in a.queries}
    other = {query.id: query for query in b.queries}
    both = [name for name in mine if name in other]
    texts = [name for name in both if mine[name].text != other[name].text]
    if texts:
        yield Cause("queries", "queries", f"text of {first_ids(texts)}")
    alone = [name for name in mine if name not in other], [n for n in other if n not in mine]
    for ids, where in zip(alone, ("first", "second"), strict=True):
        if ids:
            yield Cause("queries", "queries", f"asked in the {where} only: {first_ids(ids)}")
    if a.world.get("query_model") == b.world.get("query_model"):
        drifted = [
            name for name in both
            if name not in texts and _vector(mine[name]) != _vector(other[name])
        ]  # fmt: skip
        if drifted:
            yield Cause(
                "queries", "queries",
                f"other vectors of the same text and model (another CPU or library): "
                f"{first_ids(drifted)}",
            )  # fmt: skip


def _vector(query: Any) -> bytes:
    return b"" if query.vector is None else bytes(query.vector.tobytes())


def _settings(a: KeptExperiment, b: KeptExperiment) -> Iterator[Cause]:
    mine, other = a.profile, b.profile
    before, after = retrieval_settings(mine), retrieval_settings(other)
    for name, value in before.items():
        if name in after and value != after[name]:
            yield Cause("retrieval", "candidates", f"{name} {_said(value)} -> {_said(after[name])}")
    rerankers = [e.document["models"].get("reranker", "") for e in (a, b)]
    if mine.reranker == other.reranker and rerankers[0] != rerankers[1]:
        yield Cause("retrieval", "candidates", f"reranker {rerankers[0]} -> {rerankers[1]}")
    if mine.normaliser != other.normaliser:
        yield Cause("normaliser", "ranking", f"normaliser {mine.normaliser} -> {other.normaliser}")
    names = dict.fromkeys((*mine.weights, *other.weights))
    for name in names:
        pair = mine.weights.get(name, 0.0), other.weights.get(name, 0.0)
        if pair[0] != pair[1]:
            yield Cause("weights", "ranking", f"weight of {name} {pair[0]:.4g} -> {pair[1]:.4g}")
    if a.k != b.k:
        yield Cause("weights", "ranking", f"k {a.k} -> {b.k}")


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {number:g}" for name, number in value.items() if number) or "none"
    return setting(value)


def _judgments(a: KeptExperiment, b: KeptExperiment) -> Iterator[Cause]:
    mine = {(j.query_id, j.paper_id): j.grade for j in a.judgments}
    other = {(j.query_id, j.paper_id): j.grade for j in b.judgments}
    apart = [pair for pair in {**mine, **other} if mine.get(pair) != other.get(pair)]
    if apart:
        said = [f"{q} {p} {setting(mine.get((q, p)))} -> {setting(other.get((q, p)))}"
                for q, p in apart]  # fmt: skip
        yield Cause("judgments", "metric", f"{count(len(apart), 'judgment')}: {first_ids(said, 3)}")
