"""A hit in full: every passage of the paper, scores of those that are candidates."""

from __future__ import annotations

import pytest

from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.opening import index
from workbench.profiles import Profile
from workbench.ranking.details import paper_details
from workbench.session import Workbench


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, embedder: OnnxEmbedder) -> Workbench:
    folder = tmp_path_factory.mktemp("long")
    topics = ["kelp forests and urchins", "coral reefs", "deep sea vents", "sea grass"]
    body = "\n\n".join(f"This part is about {topic}. " * 40 for topic in topics)
    papers = folder / "papers.jsonl"
    lines = [f'{{"id": "long", "title": "Seas", "abstract": {body!r}}}'.replace("'", '"')]
    lines = [line.replace("\n", " ") for line in lines]
    lines += [f'{{"id": "p{i}", "title": "Paper {i}", "abstract": "Urchins."}}' for i in range(9)]
    papers.write_text("\n".join(lines), encoding="utf-8")
    index(papers, folder / "index", progress=False)
    return Workbench(folder / "index", embedder=embedder)


def test_every_passage_is_there_in_the_order_of_the_text(bench: Workbench) -> None:
    ranking = bench.search("urchins in kelp forests", profile=Profile(n_retrieval=2, n_keyword=1))
    hit = next(hit for hit in ranking if hit.paper.id == "long")
    details = paper_details(ranking, hit)
    own = [(p.passage.number, p.passage.text) for p in details.passages]
    assert [number for number, _ in own] == list(range(len(own)))
    assert len(own) > 2
    assert all(
        text == hit.paper.text[p.passage.start : p.passage.end]
        for (_, text), p in zip(own, details.passages, strict=True)
    )


def test_candidates_have_the_score_that_ranked_them_and_others_none(bench: Workbench) -> None:
    ranking = bench.search("urchins in kelp forests", profile=Profile(n_retrieval=2, n_keyword=1))
    hit = next(hit for hit in ranking if hit.paper.id == "long")
    details = paper_details(ranking, hit)
    best = next(p for p in details.passages if p.best)
    assert best.score == hit.score
    assert best.passage == hit.passage
    assert best.values == {name: signal.value for name, signal in hit.signals.items()}
    rows = ranking.candidates.numbers[ranking.candidates.paper_ids == "long"]
    found = {p.passage.number for p in details.passages if p.score is not None}
    assert found == {int(number) for number in rows}
    assert len(found) < len(details.passages)


def test_the_explanation_is_the_rankings_own(landmarks: Workbench) -> None:
    ranking = landmarks.search("late interaction retrieval")
    details = paper_details(ranking, ranking[2])
    assert details.explanation.rows() == ranking.explain(3).rows()
    assert details.bibtex.startswith("@")
