"""What the API's snippet search answers: passages, each with its characters in its paper."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.qa.sentences import sentence_spans
from workbench.records import Paper, Passage
from workbench.serve.graph import fields
from workbench.serve.graph.asked import Asked
from workbench.serve.graph.fields import Tree, pick
from workbench.serve.graph.formatting import open_access
from workbench.serve.graph.identity import corpus_id

ALL = "snippet.text,snippet.snippetKind,snippet.section,snippet.snippetOffset,snippet.annotations"


def search(asked: Asked) -> dict[str, Any]:
    """GET snippet/search: the best passages of all papers, several of one paper too.

    `paper.text[start:end]` is the snippet's text; sentences count from the snippet's begin.
    """
    tree = asked.fields(fields.SNIPPET, ALL)
    filters = asked.filters
    data: list[dict[str, Any]] = []
    if filters is not None:
        ranking = asked.state.ranking(asked.values["query"], filters, asked.profile)
        candidates, scores = ranking.candidates, ranking.scores
        rows = np.argsort(-scores, kind="stable")[: asked.values["limit"]]
        ids = [str(name) for name in candidates.paper_ids[rows]]
        numbers = candidates.numbers[rows].tolist()
        papers = asked.state.engine.papers(ids)
        passages = asked.state.engine.passages(list(zip(ids, numbers, strict=True)))
        found = zip(papers, passages, scores[rows].tolist(), strict=True)
        inside = tree["snippet"]
        data = [
            {"snippet": _snippet(paper, passage, inside), "score": score, "paper": _paper(paper)}
            for paper, passage, score in found
        ]
    return {"data": data, "retrievalVersion": asked.state.fingerprint}


def _snippet(paper: Paper, passage: Passage, tree: Tree) -> dict[str, Any]:
    body: dict[str, Any] = {
        "text": passage.text,
        "snippetKind": _kind(paper, passage),
        "section": None,
        "snippetOffset": {"start": passage.start, "end": passage.end},
    }
    if not tree or "annotations" in tree:
        spans = sentence_spans(passage.text)
        sentences = [{"start": start, "end": end} for start, end in spans]
        body["annotations"] = {"sentences": sentences, "refMentions": None}
    return dict(pick(body, tree))


def _kind(paper: Paper, passage: Passage) -> str:
    if not (paper.abstract or paper.body):
        return "title"
    return "abstract" if passage.start < len(paper.abstract) else "body"


def _paper(paper: Paper) -> dict[str, Any]:
    place = open_access(paper)
    info = {"license": None, "status": place["status"], "disclaimer": None} if place else None
    return {
        "corpusId": str(corpus_id(paper.id)),
        "title": paper.title,
        "authors": list(paper.authors),
        "openAccessInfo": info,
    }
