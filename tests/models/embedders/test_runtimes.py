"""Vectors of one model in several runtimes: which may be compared, how alike they are, who made
which rows."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench as wb
from workbench.corpus.vectors import Runs, rows_by_runtime, with_run
from workbench.engines.embedded.indexing import Indexer
from workbench.errors import CorpusMismatch
from workbench.models.embedders import runtimes
from workbench.models.embedders.base import LazyEmbedder
from workbench.models.embedders.make import make_embedder
from workbench.models.embedders.runtimes import runtime_here, runtime_name, same_model
from workbench.widgets.state import PanelState, code_of

WORDS = [
    "kelp",
    "urchins",
    "graze",
    "forests",
    "seagrass",
    "meadows",
    "carbon",
    "sediment",
    "otters",
    "predators",
]


def papers(first: int, last: int) -> list[dict[str, Any]]:
    draw = np.random.default_rng(first)
    return [
        {"id": f"p{n}", "title": " ".join(draw.choice(WORDS, 3)), "abstract": f"Study {n}."}
        for n in range(first, last)
    ]


def made_as(folder: Path, label: str, **settings: str) -> LazyEmbedder:
    """An embedder that says it is of another runtime: an older export, a GPU."""
    embedder = make_embedder(str(folder), **settings)  # type: ignore[arg-type]  # settings are texts
    embedder.label = label
    return embedder


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ab-mean-int8-1", "ab-mean-int8-2", True),
        ("ab-mean-int8-2", "ab-mean-onnx-fp32-1", True),
        ("ab-mean-int8-2-00c0ffee", "ab-mean-torch-bf16-00c0ffee", True),
        ("ab-mean-torch-bf16", "ab-st-fp32", True),
        ("edb6b897177b507c-mean-torch-bf16", "53aa51172d142c89-mean-int8-3", True),
        ("ab-mean-int8-2", "ab-cls-int8-2", False),
        ("ab-mean-int8-2", "ac-mean-int8-2", False),
        ("ab-mean-int8-2", "ab-mean-int8-2-00c0ffee", False),
        ("fake-1", "fake-2", False),
        ("fake-1", "fake-1", True),
    ],
)
def test_same_model_goes_by_weights_pooling_and_prompts(one: str, other: str, same: bool) -> None:
    assert same_model(one, other) is same_model(other, one) is same


def test_names_of_runtimes() -> None:
    made = ("ab-mean-int8-1", "ab-cls-onnx-fp32-1-00c0ffee", "ab-mean-torch-bf16", "ab-st-fp16")
    names = ("onnx-int8-1", "onnx-fp32-1", "torch-bf16", "sentence-transformers-fp16")
    assert tuple(map(runtime_name, made)) == names


def test_what_a_machine_without_a_gpu_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "has_gpu", lambda: False)
    assert runtime_here("ab-mean-torch-bf16") == {"runtime": "auto"}
    assert runtime_here("ab-mean-torch-fp32") == {"runtime": "torch", "dtype": "fp32"}
    assert runtime_here("ab-st-bf16") == {"runtime": "sentence-transformers"}
    assert runtime_here("ab-mean-int8-1") == {"runtime": "onnx-int8"}
    monkeypatch.setattr(runtimes, "find_spec", lambda name: None)
    assert runtime_here("ab-mean-torch-fp32") == runtime_here("ab-st-fp32") == {"runtime": "auto"}
    monkeypatch.undo()
    monkeypatch.setattr(runtimes, "has_gpu", lambda: True)
    assert runtime_here("ab-mean-torch-bf16") == {"runtime": "torch", "dtype": "bf16"}


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 8), st.sampled_from("abc")), max_size=12),
    st.integers(0, 30),
)
def test_runs_are_who_wrote_each_row_last(writes: list[tuple[int, int, str]], rows: int) -> None:
    runs: Runs = []
    truth = ["a"] * 30
    for start, count, who in writes:
        runs = with_run(runs, "a", start, start + count, who)
        truth[start : start + count] = [who] * count
    told = ["a"] * 30
    for first, who in runs:
        told[first:] = [who] * (30 - first)
    assert told == truth
    counts = {who: truth[:rows].count(who) for who in set(truth[:rows])}
    assert rows_by_runtime(runs, "a", rows) == ({} if set(counts) <= {"a"} else counts)


def test_an_index_opens_in_another_runtime_and_says_how_alike(
    tiny_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    index, model = tmp_path / "index", str(tiny_folder)
    wb.index(papers(0, 100), index, model=model, runtime="torch", progress=False)
    with wb.open(index) as bench:
        own = bench.search("kelp forests")
        assert "agreement" not in bench.info()
        assert bench.info()["runtime"] == "torch-fp32"
    with caplog.at_level(logging.WARNING, "workbench"):
        for _ in range(2):  # measured once, then from the cache
            with wb.open(index, runtime="onnx-int8") as bench:
                found = bench.info()["agreement"]
                ranking = bench.search("kelp forests")
                assert repr(bench).endswith("100 papers, queries by onnx-int8-3)")
    assert caplog.text.count("vectors made with torch-fp32, queries encoded with onnx-int8-3") == 1
    assert found["passages"] >= 50
    assert 0.9 < found["lowest"] <= found["cosine"] < 1
    assert 0.5 < found["overlap"] <= 1
    assert any("cosine" in note for note in ranking.notes)
    assert not any("cosine" in note for note in own.notes)
    assert ranking.fingerprint != own.fingerprint
    assert ranking.candidates.fingerprint == f"{own.candidates.fingerprint}+onnx-int8-3"


def test_copied_code_names_the_runtime(tiny_folder: Path, tmp_path: Path) -> None:
    wb.index(papers(0, 20), tmp_path, model=str(tiny_folder), runtime="torch", progress=False)
    profile = wb.Profile(reranker="late-interaction")
    for runtime, said in (("onnx-int8", ", runtime='onnx-int8')"), (None, f"{str(tmp_path)!r})")):
        with wb.open(tmp_path, runtime=runtime, profile=profile) as bench:
            ranking = bench.search("kelp")
            code = code_of(PanelState("kelp", profile=profile), ranking, tmp_path, "")
            assert f"bench = wb.open({str(tmp_path)!r}" in code
            assert said in code.splitlines()[2]
            names: dict[str, Any] = {}
            exec(code, names)
            assert names["ranking"].fingerprint == ranking.fingerprint
            names["bench"].close()


@pytest.mark.parametrize("label", ["int8-1", "torch-bf16"])
def test_older_exports_and_gpus_make_indexes_that_open_here(
    tiny_folder: Path, tmp_path: Path, label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes, "has_gpu", lambda: False)
    Indexer(tmp_path, made_as(tiny_folder, label)).add(papers(0, 20))
    with wb.open(tmp_path) as bench:
        found = bench.info()
        assert found["agreement"]["here"] == "onnx-int8-3"
        assert found["agreement"]["cosine"] == pytest.approx(1, abs=1e-5)  # in truth they are one
        assert found["agreement"]["overlap"] == 1
        assert bench.search("kelp").paper_ids


def test_added_papers_are_encoded_here_and_counted(
    tiny_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    older = made_as(tiny_folder, "int8-1")
    Indexer(tmp_path, older).add(papers(0, 20))
    first = json.loads((tmp_path / "manifest.json").read_text())
    with wb.open(tmp_path) as bench:
        assert "runtimes" not in bench.info()
        bench.add(papers(20, 22))
        bench.add(papers(22, 25))
        assert caplog.text.count("what is new is encoded with onnx-int8-3") == 1
        assert bench.info()["runtimes"] == {"onnx-int8-1": 20, "onnx-int8-3": 5}
        assert bench.manifest.model_fingerprint == first["model_fingerprint"]
        mixed = bench.manifest.fingerprint
    pure = tmp_path / "pure"
    Indexer(pure, older).add(papers(0, 20))
    Indexer(pure, older).add(papers(20, 25))
    assert json.loads((pure / "manifest.json").read_text())["fingerprint"] != mixed
    Indexer(tmp_path, older).add(papers(25, 30))
    assert json.loads((tmp_path / "manifest.json").read_text())["runtimes"] == {
        older.fingerprint: 25,
        make_embedder(str(tiny_folder)).fingerprint: 5,
    }


def test_an_unfinished_build_goes_on_in_another_runtime(tiny_folder: Path, tmp_path: Path) -> None:
    older = made_as(tiny_folder, "int8-1")
    Indexer(tmp_path, older).add(papers(0, 20))
    (tmp_path / "manifest.json").unlink()  # as a kill before the end leaves it
    report = wb.index(papers(0, 22), tmp_path, model=str(tiny_folder), progress=False)
    assert (report.added, report.unchanged) == (2, 20)
    with wb.open(tmp_path) as bench:
        assert bench.info()["runtimes"] == {"onnx-int8-1": 20, "onnx-int8-3": 2}


def test_what_does_not_agree_is_refused(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = made_as(tiny_folder, "int8-1")
    right = wrong.encode
    monkeypatch.setattr(wrong, "encode", lambda texts: np.roll(right(texts), 7, axis=1))
    Indexer(tmp_path, wrong).add(papers(0, 20))
    with pytest.raises(CorpusMismatch, match=r"cosine -?0\.\d+ .*open it with another runtime"):
        wb.open(tmp_path)


def test_an_empty_index_is_measured_once_it_has_papers(tiny_folder: Path, tmp_path: Path) -> None:
    Indexer(tmp_path, made_as(tiny_folder, "int8-1")).add([])
    with wb.open(tmp_path) as bench:
        assert bench.info()["agreement"]["passages"] == 0
    Indexer(tmp_path, made_as(tiny_folder, "int8-1")).add(papers(0, 3))
    with wb.open(tmp_path) as bench:
        assert bench.info()["agreement"]["passages"] == 3
