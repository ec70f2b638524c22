"""One query as a plain script would answer it: `plain_search.py DIR QUERY MODEL DENSE_WEIGHT`.

sentence-transformers, a saved bm25s index and numpy vectors; cli_search.py prepares DIR.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import Stemmer
from sentence_transformers import SentenceTransformer


def main(folder: Path, query: str, model: str, weight: float, k: int = 10) -> None:
    """Print the best `k` papers."""
    encoder = SentenceTransformer(model, device="cpu")
    index = bm25s.BM25.load(folder / "bm25s", mmap=True, show_progress=False)
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    texts = json.loads((folder / "texts.json").read_text("utf-8"))
    stemmer = Stemmer.Stemmer("english")
    terms = bm25s.tokenize(
        [query], stopwords="en", stemmer=stemmer, return_ids=False, show_progress=False
    )
    lexical = index.get_scores(terms[0])
    dense = vectors @ encoder.encode(query, normalize_embeddings=True, show_progress_bar=False)
    scores = (1 - weight) * _min_max(lexical) + weight * _min_max(dense)
    best: dict[str, str] = {}
    for row in np.argsort(-scores):
        paper_id, text = texts[row]
        best.setdefault(paper_id, text)
        if len(best) == k:
            break
    for rank, (paper_id, text) in enumerate(best.items(), start=1):
        print(rank, paper_id, text[:100])


def _min_max(values: Any) -> Any:
    return (values - values.min()) / (values.max() - values.min())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4]))
