"""Rescoring 50 passages of a query: late interaction from disk, beside what else does the same.

A cross-encoder of MiniLM-L6's shape with random weights stands for any of that size: the time
does not depend on the weights.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from common import (
    Figure,
    arguments,
    heading,
    index_of,
    interleave,
    note,
    queries_of,
    ratios,
    table,
    targets,
)
from contenders import sentence_transformer

import workbench as wb
from workbench.models.cross_encoder import CrossEncoder
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.models.embedders.token_store import TokenStore
from workbench.models.weights.find import find_model
from workbench.ranking.late_interaction import LateInteraction
from workbench.ranking.rerank import passage_texts, row_keys

OURS = "LateInteraction, token vectors on disk"
PASSAGES = 50
TARGET_MS = 60.0
WARM_UP = 3
SLOW = 5
"""Queries for the cross-encoders, which take a second each."""


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--queries", type=int, default=20)
    given = parser.parse_args()
    index = index_of("scifact", given.data)
    heading("Reranking")
    queries, _ = queries_of(given.data, "test")
    texts = [query.text for query in queries[: given.queries + WARM_UP]]
    with wb.open(index) as bench, tempfile.TemporaryDirectory() as work:
        passages = {text: _passages(bench, text) for text in texts}
        late = _late_interaction(Path(work), passages)
        contenders = {OURS: late, "MaxSim by hand in PyTorch, in memory": _by_hand(passages)}
        interleave(contenders, texts[:WARM_UP])
        timings = interleave(contenders, texts[WARM_UP:])
        _print(f"{PASSAGES} passages of a query", timings)
        contenders = {OURS: late, **_cross_encoders(Path(work), passages)}
        interleave(contenders, texts[:1])
        _print("Beside cross-encoders", interleave(contenders, texts[WARM_UP:][:SLOW]))
        stages = {name: partial(_search, bench, name) for name in STAGES}
        interleave(stages, texts[:WARM_UP])
        _print("A whole search of known queries", interleave(stages, texts[WARM_UP:]))
    targets([Figure(f"{OURS}, p50", timings[OURS].p50 * 1e3, TARGET_MS, "ms")])
    note("The query is encoded anew each time by every contender; passages' vectors are known.")


STAGES = {
    "first pass alone": wb.Profile(feedback=False),
    "with feedback (default)": wb.Profile(),
    "with late interaction of 50": wb.Profile(reranker="late-interaction", n_rerank=PASSAGES),
}


def _search(bench: wb.Workbench, name: str, text: str) -> Any:
    return bench.search(text, profile=STAGES[name])


def _passages(bench: wb.Workbench, text: str) -> list[str]:
    """The best passages under the default profile, as a model reads them."""
    ranking = bench.search(text, profile=wb.Profile(n_retrieval=2 * PASSAGES))
    rows = ranking.scores.argsort()[::-1][:PASSAGES]
    return passage_texts(row_keys(ranking.candidates, rows), bench.engine)


def _late_interaction(work: Path, passages: dict[str, list[str]]) -> Callable[[str], Any]:
    """Over a store of its own that holds every passage."""
    embedder = OnnxEmbedder()
    store = TokenStore(embedder.fingerprint, embedder.dimension, folder=work)
    late = LateInteraction(embedder, store=store)
    for text, found in passages.items():
        late.scores(text, found)
    return lambda text: late.scores(text, passages[text])


def _cross_encoders(work: Path, passages: dict[str, list[str]]) -> dict[str, Callable[[str], Any]]:
    folder = _cross_encoder(work)
    ours = CrossEncoder(str(folder), device="cpu")
    theirs = _reference(folder)
    return {
        "CrossEncoder, int8 ONNX": lambda text: ours.scores(text, passages[text]),
        "sentence-transformers CrossEncoder": lambda text: theirs.predict(
            [(text, passage) for passage in passages[text]], show_progress_bar=False
        ),
    }


def _by_hand(passages: dict[str, list[str]]) -> Callable[[str], Any]:
    """sentence-transformers' token vectors, kept in memory, and one product a passage."""
    import torch

    model = sentence_transformer()

    def tokens(texts: Sequence[str]) -> list[Any]:
        found = model.encode(list(texts), output_value="token_embeddings", show_progress_bar=False)
        return [torch.nn.functional.normalize(vectors, dim=1) for vectors in found]

    known = {text: tokens(found) for text, found in passages.items()}

    def score(text: str) -> Any:
        [query] = tokens([text])
        return [float((query @ doc.T).amax(dim=1).mean()) for doc in known[text]]

    return score


def _cross_encoder(work: Path) -> Path:
    """MiniLM-L6's shape with one label and random weights."""
    import shutil

    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
    )
    config.num_labels = 1
    folder = work / "cross-encoder"
    BertForSequenceClassification(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copy(find_model().path / name, folder)
    return folder


def _reference(folder: Path) -> Any:
    from sentence_transformers import CrossEncoder as Reference

    return Reference(str(folder), device="cpu", max_length=512)


def _print(title: str, timings: Any) -> None:
    shares = ratios(timings)
    rows = [
        (name, f"{timing.p50 * 1e3:.1f}", f"{timing.p95 * 1e3:.1f}", shares[name])
        for name, timing in timings.items()
    ]
    table(title, ("contender", "p50 ms", "p95 ms", "of ours"), rows)


if __name__ == "__main__":
    main()
