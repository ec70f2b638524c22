"""Passages to evidence: which are kept, and every sentence of them with its score."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workbench.corpus.analysis import Analyser
from workbench.models.products import products
from workbench.qa.question import Asked
from workbench.qa.records import Evidence, Quote, Source
from workbench.qa.sentences import sentence_spans
from workbench.qa.vectors import SentenceVectors, Span
from workbench.ranking.fusion import fuse, normalise, weight_vector
from workbench.ranking.ranking import Ranking
from workbench.records import Candidates, Paper, Query

MOST_PASSAGES = 20
"""Passages that are read sentence by sentence."""

BLOCK = 4
"""Passages that are read at a time; first FIRST of them, so that a quote comes early."""

FIRST = 2

RELATIVE = 0.55
"""A passage of less than this share of the best one's relevance is not kept either."""

WEIGHTS = {"bm25": 0.25, "dense": 0.35, "passage": 0.4}
"""How a sentence's own match, its meaning, and its passage's place in the search are added. These,
RELATIVE and the constants of `choose` were set on the odd-numbered questions of the sample corpus;
the optimum is flat."""

RHETORICAL = 0.5
"""What a sentence that asks keeps of its score: it seldom answers."""

LEAST_WORDS = 4
K1, B = 0.9, 0.4

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Read:
    """A kept passage, read: the spans of its sentences within the paper, and their vectors."""

    source: Source
    spans: tuple[Span, ...]
    vectors: Vectors


def find_sources(
    ranking: Ranking, asked: Asked, threshold: float, most: int = MOST_PASSAGES
) -> tuple[list[Source], dict[str, Paper]]:
    """The best passages of a ranking's papers and their papers, best first.

    `relevance` is the mean of the passage's cosine with the question (0 where negative) and the
    weighted share of the question's terms in title and passage. Those under `threshold`, or far
    under the best one, are not kept. Of 17 questions of the sample corpus, and the same with their
    relevant papers taken away, the mean tells answerable from not with an AUC of .89, the cosine
    alone .74, terms alone .82.
    """
    candidates = ranking.candidates
    rows = np.argsort(-ranking.scores, kind="stable")[: 2 * most]
    keys = [(str(candidates.paper_ids[r]), int(candidates.numbers[r])) for r in rows]
    found = ranking.engine.papers([paper_id for paper_id, _ in keys])
    papers = {paper.id: paper for paper in found}
    passages = ranking.engine.passages(keys)
    cosines = candidates.column("dense")[rows]
    analyser = Analyser()
    sources: list[Source] = []
    seen: set[str] = set()
    for row, cosine, passage in zip(rows, cosines, passages, strict=True):
        text = passage.text
        if not text.strip() or (alike := f"{passage.paper_id}\0{text}") in seen:
            continue
        seen.add(alike)
        terms = set(analyser.terms(f"{papers[passage.paper_id].title} {text}"))
        relevance = (max(0.0, float(cosine)) + asked.coverage(terms)) / 2
        sources.append(
            Source(
                paper_id=passage.paper_id,
                number=passage.number,
                start=passage.start,
                end=passage.end,
                text=text,
                score=float(ranking.scores[row]),
                relevance=min(1.0, relevance),
                kept=relevance >= threshold,
            )
        )
    least = RELATIVE * max((source.relevance for source in sources), default=0.0)
    kept = [i for i, source in enumerate(sources) if source.kept and source.relevance >= least]
    best = set(kept[:most])
    return [replace(s, kept=i in best) for i, s in enumerate(sources)], papers


def read_sources(
    sources: Sequence[Source], papers: Mapping[str, Paper], vectors: SentenceVectors
) -> Iterator[list[Read]]:
    """The kept passages cut into sentences, block by block."""
    kept = [source for source in sources if source.kept]
    marks = [0, *range(FIRST, len(kept), BLOCK), len(kept)] if kept else []
    for at, end in itertools.pairwise(marks):
        block = kept[at:end]
        spans = [sentence_spans(source.text) for source in block]
        titled = [
            (papers[source.paper_id].title, source.text, cut)
            for source, cut in zip(block, spans, strict=True)
        ]
        found = vectors.of(titled)
        yield [
            Read(source, tuple((source.start + a, source.start + b) for a, b in cut), rows)
            for source, cut, rows in zip(block, spans, found, strict=True)
        ]


def best_of(read: Read, question: Vectors, papers: Mapping[str, Paper]) -> Quote | None:
    """The sentence of one passage that is nearest to the question: what can be shown at once."""
    if not read.spans:
        return None
    cosines = products(read.vectors, question[None])[:, 0]
    best = int(np.argmax(cosines))
    start, end = read.spans[best]
    source = read.source
    text = papers[source.paper_id].text[start:end]
    score = max(0.0, float(cosines[best]))
    return Quote("", source.paper_id, source.number, start, end, text, score)


def weigh_sentences(
    reads: Sequence[Read], asked: Asked, question: Vectors, papers: Mapping[str, Paper]
) -> Evidence:
    """Every sentence that can be quoted, with its signals and their fusion (0 to 1), in order of
    the passages. The texts come from the papers."""
    quotes: list[Quote] = []
    rows: list[Vectors] = []
    counts: list[Counter[str]] = []
    analyser = Analyser()
    for read in reads:
        source = read.source
        for (start, end), vector in zip(read.spans, read.vectors, strict=True):
            text = papers[source.paper_id].text[start:end]
            if len(text.split()) < LEAST_WORDS or not any(map(str.isalpha, text)):
                continue
            key = source.paper_id, source.number
            quotes.append(Quote("", *key, start, end, text, source.score))
            rows.append(vector)
            counts.append(analyser.counts(text))
    best = max((read.source.relevance for read in reads), default=0.0)
    if not quotes:
        return Evidence(asked.text, (), np.zeros((0, len(question)), np.float32), best)
    matrix = np.vstack(rows)
    values = np.column_stack(
        [
            _bm25(counts, asked),
            products(matrix, question[None])[:, 0],
            [quote.score for quote in quotes],
        ]
    ).astype(np.float64)
    scores = _fused(quotes, values)
    scored = tuple(
        replace(
            quote,
            score=float(score) * (RHETORICAL if quote.text.rstrip().endswith("?") else 1.0),
            signals=dict(zip(WEIGHTS, map(float, row), strict=True)),
        )
        for quote, score, row in zip(quotes, scores, values, strict=True)
    )
    return Evidence(asked.text, scored, matrix, best)


def _fused(quotes: Sequence[Quote], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The signals of the sentences through the fusion of the search."""
    candidates = Candidates(
        query=Query(""),
        signals=tuple(WEIGHTS),
        paper_ids=np.array([quote.paper_id for quote in quotes]),
        numbers=np.arange(len(quotes), dtype=np.int32),
        values=values,
        lower=np.array([0.0, -1.0, 0.0]),
    )
    return fuse(normalise(candidates, "min-max"), weight_vector(WEIGHTS, candidates.signals))


def _bm25(counts: Sequence[Counter[str]], asked: Asked) -> NDArray[np.float64]:
    """BM25 of each sentence with the corpus's idf (Robertson and Zaragoza 2009)."""
    lengths = np.array([count.total() for count in counts], dtype=np.float64)
    norm = K1 * (1 - B + B * lengths / max(lengths.mean(), 1.0))
    scores = np.zeros(len(counts))
    for term, weight in asked.weights.items():
        often = np.array([count[term] for count in counts], dtype=np.float64)
        scores += weight * often * (K1 + 1) / (often + norm)
    return scores
