"""Twelve causes put in one by one: each is named, with the first stage that it reached; the parts
add up to the difference, and nothing is left unexplained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import workbench as wb
from tests.experiments.conftest import METRICS, Make
from workbench.corpus.analysis import STOP_WORDS, Analyser
from workbench.errors import ExperimentError
from workbench.experiments.diff import ExperimentDiff
from workbench.experiments.experiment import Experiment
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.records import Judgment, Query
from workbench.session import Workbench

Judged = tuple[list[Query], list[Judgment]]


def measured(bench: Workbench, judged: Judged, **options: Any) -> Experiment:
    report = bench.evaluate(*judged, METRICS, progress=False, **options)
    found: Experiment = bench.experiments()[report.experiment]
    return found


def check(found: ExperimentDiff, stage: str, inputs: str, what: str, a: Any, b: Any) -> None:
    """The cause is named and is alone; what it explains is all of the difference."""
    assert found.stage == stage
    assert {cause.input for cause in found.causes} == {inputs}
    assert found.causes[0].stage == stage
    assert any(what in cause.what for cause in found.causes), found.causes
    for metric, difference in found.difference.items():
        assert difference == pytest.approx(b.metrics[metric].mean - a.metrics[metric].mean)
        parts = sum(part.difference[metric] for part in found.parts)
        assert parts + found.unexplained[metric] == pytest.approx(difference, abs=1e-12)
        assert found.unexplained[metric] == pytest.approx(0.0, abs=1e-12)
    assert str(found)
    assert found._repr_html_()
    assert "\n" not in repr(found)


def test_a_weight_and_a_normaliser(bench: Workbench, judged: Judged) -> None:
    a = measured(bench, judged)
    b = measured(bench, judged, weights={"dense": 0.95})
    found = a.diff(b)
    check(found, "ranking", "weights", "weight of dense 0.3 -> 0.95", a, b)
    assert found.difference["AP"] != 0
    assert set(found.moved["by"]) <= {"bm25", "dense", "bm25_feedback", "dense_feedback", "title"}
    b = measured(bench, judged, profile=bench.profile.replace(normaliser="rrf"))
    check(a.diff(b), "ranking", "normaliser", "normaliser min-max -> rrf", a, b)


def test_feedback_off_beside_its_weights(bench: Workbench, judged: Judged) -> None:
    weights = {"bm25": 0.4, "dense": 0.6}
    plain = wb.Profile(feedback=False, weights=weights)
    a = measured(bench, judged, profile=wb.Profile(feedback=True, weights=weights))
    b = measured(bench, judged, profile=plain)
    check(a.diff(b), "candidates", "retrieval", "feedback True -> False", a, b)
    c = measured(bench, judged, profile=wb.Profile(normaliser="z-score"))
    found = b.diff(c)  # three at once, each with its part
    assert [part.inputs for part in found.parts] == [("retrieval",), ("normaliser",), ("weights",)]
    total = sum(part.difference["nDCG@10"] for part in found.parts)
    assert total == pytest.approx(found.difference["nDCG@10"], abs=1e-12)


def test_a_judgment_and_a_querys_text(bench: Workbench, judged: Judged) -> None:
    queries, judgments = judged
    a = measured(bench, judged)
    place = next(i for i, j in enumerate(judgments) if j.grade > 0)
    other = [replace(j, grade=0) if i == place else j for i, j in enumerate(judgments)]
    b = measured(bench, (queries, other))
    said = f"{judgments[place].query_id} {judgments[place].paper_id}"
    found = a.diff(b)
    check(found, "metric", "judgments", said, a, b)
    assert set(found.moved["by"]) <= {"judgment"}
    asked = [replace(queries[0], text="sea grass under warm water"), *queries[1:]]
    b = measured(bench, (asked, judgments))
    found = a.diff(b)
    check(found, "queries", "queries", f"text of {queries[0].id}", a, b)
    assert set(found.moved.index) == {queries[0].id}


def test_an_edited_and_a_removed_paper(make: Make, judged: Judged) -> None:
    for name, change in (("edited", edit), ("removed", remove)):
        bench = make(name)
        a = measured(bench, judged)
        paper = change(bench, judged)
        b = measured(bench, judged)
        found = a.diff(b)  # the corpus as it was is gone: only the path over the new one is open
        check(found, "source", "corpus", f"1 paper {name}: {paper}", a, b)
        assert found.difference["nDCG@10"] != 0
        back = b.diff(a)  # towards what is gone: the same parts with the other sign
        assert back.difference["AP"] == pytest.approx(-found.difference["AP"])
        assert back.unexplained["AP"] == pytest.approx(0.0, abs=1e-12)


def edit(bench: Workbench, judged: Judged) -> str:
    paper = next(j.paper_id for j in judged[1] if j.grade > 1)
    bench.add({"id": paper, "title": "Untitled", "abstract": "Nothing."}, progress=False)
    return paper


def remove(bench: Workbench, judged: Judged) -> str:
    paper = next(j.paper_id for j in judged[1] if j.grade > 1)
    bench.delete(paper)
    return paper


def other_stop_words(patch: pytest.MonkeyPatch) -> None:
    def analyser() -> Analyser:
        return Analyser(stop_words=STOP_WORDS | {"retrieval", "search", "learning"})

    patch.setattr("workbench.engines.embedded.indexing.Analyser", analyser)
    patch.setattr("workbench.searching.Analyser", analyser)


def other_k1(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("workbench.engines.embedder.K1", 3.0)


@pytest.mark.parametrize(
    ("change", "stage", "what"),
    [(other_stop_words, "passages", "analyser"), (other_k1, "candidates", "k1 0.9 -> 3")],
    ids=["stop word", "k1"],
)
def test_another_index_of_the_same_papers(
    change: Callable[[pytest.MonkeyPatch], None], stage: str, what: str, make: Make,
    judged: Judged, papers: list[dict[str, object]], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, embedder: OnnxEmbedder,
) -> None:  # fmt: skip
    a = measured(make(), judged)
    change(monkeypatch)
    wb.index(papers, into=tmp_path / "other", progress=False)
    with Workbench(tmp_path / "other", embedder=embedder) as other:
        b = measured(other, judged)
        check(a.diff(b), stage, "corpus", what, a, b)


def test_other_arithmetic_and_other_weights_of_the_model(
    judged: Judged, papers: list[dict[str, object]], tmp_path: Path, embedder: OnnxEmbedder
) -> None:
    """int8 to fp32; and another revision, whose weights differ in one tensor."""
    relevant = {judgment.paper_id for judgment in judged[1] if judgment.grade > 0}
    few = [paper for paper in papers if paper["id"] in relevant][:15]
    wb.index(few, into=tmp_path / "int8", progress=False)
    with Workbench(tmp_path / "int8", embedder=embedder) as usual:
        a = measured(usual, judged)
    revised = revision(embedder, tmp_path / "revised")
    for name, options, what in (
        ("fp32", {"runtime": "onnx-fp32"}, "the same weights computed otherwise"),
        ("torch", {"runtime": "torch", "model": revised}, "other weights or settings of the model"),
    ):
        wb.index(few, into=tmp_path / name, progress=False, **options)
        with wb.open(tmp_path / name, progress=False, **options) as other:
            b = measured(other, judged)
            check(a.diff(b), "vectors", "corpus", what, a, b)


def revision(embedder: OnnxEmbedder, folder: Path) -> str:
    """A copy of the default model with noise on its word embeddings."""
    import shutil

    from safetensors.numpy import load_file, save_file

    shutil.copytree(embedder.folder.path, folder)
    tensors = load_file(folder / "model.safetensors")
    name = next(n for n in tensors if n.endswith("word_embeddings.weight"))
    noise = np.random.default_rng(0).normal(0, 0.02, tensors[name].shape)
    tensors[name] = (tensors[name] + noise).astype(tensors[name].dtype)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return str(folder)


def test_the_order_of_ties(
    bench: Workbench, judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As another version might order equal scores: by falling id."""
    profile = wb.Profile(weights={"title": 1.0}, feedback=False)  # most titles match nothing
    a = measured(bench, judged, profile=profile)
    from workbench.experiments import evaluating

    usual = evaluating.ranked_papers

    def falling(candidates: Any, profile: Any, k: int) -> Any:
        papers, scores = usual(candidates, profile, k)
        order = sorted(range(len(papers)), key=lambda i: papers[i], reverse=True)
        order.sort(key=lambda i: -scores[i])
        return [papers[i] for i in order], scores[order]

    with monkeypatch.context() as patch:
        patch.setattr(evaluating, "ranked_papers", falling)
        b = measured(bench, judged, profile=profile)
    found = a.diff(b)
    check(found, "ranking", "ties", "equal scores", a, b)
    assert len(found.moved)
    assert set(found.moved["by"]) == {"tie"}


def test_the_same_twice_is_identical(bench: Workbench, judged: Judged) -> None:
    found = measured(bench, judged).diff(measured(bench, judged))
    assert found.identical
    assert not found.causes
    assert not len(found.moved)


def test_queries_of_one_side_have_a_part_of_their_own(bench: Workbench, judged: Judged) -> None:
    queries, judgments = judged
    a, b = measured(bench, judged), measured(bench, (queries[:7], judgments))
    found = a.diff(b)
    assert found.queries == 7
    for metric, value in found.difference.items():
        assert value == pytest.approx(b.metrics[metric].mean - a.metrics[metric].mean)
        assert sum(p.difference[metric] for p in found.parts) == pytest.approx(value, abs=1e-12)
    other = [replace(query, id=f"x{query.id}") for query in queries]
    renamed = [replace(j, query_id=f"x{j.query_id}") for j in judgments]
    with pytest.raises(ExperimentError, match="share no query"):
        a.diff(measured(bench, (other, renamed)))
