"""How papers lie in an index that the workbench makes: one document a passage.

`tokens` and, on a paper's first passage alone, `title_tokens` hold the terms of the workbench's
own analyser between spaces, so BM25 counts what the embedded engine counts: passages in one field,
papers in the other. The first passage also keeps the whole record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from hashlib import blake2b
from typing import Any

from workbench.corpus.analysis import fold_name
from workbench.engines.elastic.own.layout import Layout
from workbench.engines.elastic.spec import ClusterSpec
from workbench.engines.elastic.wire.smile import Raw
from workbench.records import Paper

MARKS = ("mark0", "mark1", "mark2", "mark3")
"""31 bits each of a paper's digest; their sums over the index are its fingerprint."""

LONGEST = 200
"""Characters of a term; a longer one is replaced by its digest, since Lucene limits terms."""

_FIELDS = tuple(f.name for f in fields(Paper))

ARMS = {"bm25": "tokens", "title": "title_tokens"}
"""The field of each lexical signal."""


def index_body(spec: ClusterSpec, layout: Layout, build: str) -> dict[str, Any]:
    """Settings and mapping of a new index: no refresh and no replicas while it is loaded."""
    return {
        "settings": {
            "number_of_shards": spec.shards,
            "number_of_replicas": 0,
            "refresh_interval": "-1",
            # So that an expunge takes out every deleted document, and scores forget them.
            "merge.policy.expunge_deletes_allowed": 0,
            "similarity": {"default": {"type": "BM25", "k1": layout.k1, "b": layout.b}},
        },
        "mappings": {
            "_meta": layout.to_meta(build),
            "dynamic": "strict",
            "properties": _properties(layout),
        },
    }


def live_settings(spec: ClusterSpec) -> dict[str, Any]:
    """What changes when a loaded index goes live."""
    if spec.replicas is None:
        return {"index": {"refresh_interval": "1s", "auto_expand_replicas": "0-1"}}
    return {"index": {"refresh_interval": "1s", "number_of_replicas": spec.replicas}}


def _properties(layout: Layout) -> dict[str, Any]:
    terms = {"type": "text", "analyzer": "whitespace", "index_options": "freqs"}
    names = {"type": "text", "analyzer": "whitespace", "norms": False}
    shown = {"type": "keyword", "ignore_above": 1024}
    return {
        "key": {"type": "keyword"},
        "paper_id": {"type": "keyword"},
        "number": {"type": "integer"},
        "title": {"type": "text", "index": False},
        "text": {"type": "text", "index": False},
        "tokens": terms,
        "title_tokens": terms,
        "year": {"type": "integer"},
        "venue": shown,
        "authors": shown,
        "fields": shown,
        "venue_words": names,
        "author_words": names,
        "field_words": names,
        "digest": {"type": "keyword"},
        **{mark: {"type": "integer"} for mark in MARKS},
        "record": {"type": "object", "enabled": False},
        "vector": {
            "type": "dense_vector",
            "dims": layout.dimension,
            "index": True,
            "similarity": "dot_product",
            "index_options": {"type": layout.vectors},
        },
    }


@dataclass(frozen=True, slots=True)
class PaperDocuments:
    """A paper ready for the index: its passages' spans and term counts, title's terms, vectors."""

    paper: Paper
    digest: bytes
    spans: tuple[tuple[int, int], ...]
    counts: tuple[Mapping[str, int], ...]
    title_counts: Mapping[str, int]
    vectors: tuple[Raw, ...]

    def document(self, number: int) -> tuple[str, dict[str, Any]]:
        """(_id, source) of one passage."""
        paper, (start, end) = self.paper, self.spans[number]
        body: dict[str, Any] = {
            "key": key(paper.id, number),
            "paper_id": paper.id,
            "number": number,
            "title": paper.title,
            "text": paper.text[start:end],
            "tokens": spelled(self.counts[number]),
            "vector": self.vectors[number],
            "venue": paper.venue,
            "authors": paper.authors,
            "fields": paper.fields,
            "venue_words": fold_name(paper.venue),
            "author_words": [fold_name(name) for name in paper.authors],
            "field_words": [fold_name(name) for name in paper.fields],
        }
        if paper.year is not None:
            body["year"] = paper.year
        if number == 0:
            body["title_tokens"] = spelled(self.title_counts)
            body["digest"] = self.digest.hex()
            body.update(zip(MARKS, marks(paper.id, self.digest), strict=True))
            filled = {name: value for name in _FIELDS if (value := getattr(paper, name))}
            body["record"] = {"paper": filled, "spans": [list(span) for span in self.spans]}
        return document_id(body["key"]), {name: v for name, v in body.items() if v not in ("", [])}


def key(paper_id: str, number: int) -> str:
    """A passage's name in the field `key`: ids hold no control characters."""
    return f"{number}\t{paper_id}"


def parsed_key(text: str) -> tuple[str, int]:
    """(paper id, number) of a key."""
    number, _, paper_id = text.partition("\t")
    return paper_id, int(number)


def document_id(name: str) -> str:
    """`_id` of a key: itself, or its digest where it is too long for Elasticsearch (512 bytes)."""
    content = name.encode()
    return name if len(content) <= 512 else blake2b(content, digest_size=32).hexdigest()


def token(term: str) -> str:
    """How a term stands in the index."""
    if len(term) <= LONGEST:
        return term
    return f"long:{blake2b(term.encode(), digest_size=16).hexdigest()}"


def spelled(counts: Mapping[str, int]) -> str:
    """Terms as often as they occur, between spaces."""
    return "".join([f"{token(term)} " * count for term, count in counts.items()])


def marks(paper_id: str, digest: bytes) -> tuple[int, ...]:
    """Four numbers below 2**31 that stand for a paper's id and content."""
    hashed = blake2b(paper_id.encode() + b"\0" + digest, digest_size=16).digest()
    parts = (hashed[start : start + 4] for start in range(0, 16, 4))
    return tuple(int.from_bytes(part, "big") >> 1 for part in parts)


def summed(papers: Iterable[tuple[str, bytes]]) -> tuple[int, tuple[int, ...]]:
    """How many papers, and the sums of their marks: what the index itself adds up."""
    totals, count = [0, 0, 0, 0], 0
    for paper_id, digest in papers:
        count += 1
        totals = [total + mark for total, mark in zip(totals, marks(paper_id, digest), strict=True)]
    return count, tuple(totals)
