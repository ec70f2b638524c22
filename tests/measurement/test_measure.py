"""Profiles measured in real processes, the front against its definition, and what is kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench as wb
from tests import command
from tests.conftest import ROOT
from workbench.errors import CorpusNotFound, EvaluationError, ProfileError
from workbench.measurement.measure import KEPT, keep, measure_profiles, read_measurements
from workbench.measurement.measurements import Measured, Measurements
from workbench.profiles import Profile
from workbench.session import Workbench

LANDMARKS = ROOT / "data" / "landmarks"
FILES = LANDMARKS / "queries.jsonl", LANDMARKS / "qrels.tsv"


def row(name: str, quality: float = 0.7, ms: float = 10.0, mb: float = 100.0) -> Measured:
    return Measured(name, "f", quality, quality - 0.1, quality + 0.1, ms, 2 * ms, mb)


def measurements(*rows: Measured, corpus: str = "c") -> Measurements:
    return Measurements("nDCG@10", corpus, "2 CPUs", 50, 50, rows)


@pytest.fixture(scope="module")
def index(landmarks: Workbench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sample corpus's index."""
    return Path(shutil.copytree(landmarks.folder, tmp_path_factory.mktemp("measured") / "index"))


@pytest.fixture(scope="module")
def measured(index: Path) -> Measurements:
    lexical = Profile(name="<lexical>", feedback=False, weights={"bm25": 1.0})
    return measure_profiles(index, *FILES, ["fast", lexical], progress=False)


# Measuring


def test_quality_is_what_evaluate_finds(landmarks: Workbench, measured: Measurements) -> None:
    report = landmarks.evaluate(*FILES, "nDCG@10", profile="fast", progress=False)
    fast = measured.rows[0]
    assert fast.profile == "fast"
    assert fast.fingerprint == Profile.named("fast").fingerprint
    assert fast.quality == pytest.approx(report.metrics["nDCG@10"].mean)
    assert fast.low == pytest.approx(report.metrics["nDCG@10"].low)
    assert (measured.queries, measured.timed) == (50, 50)


def test_latency_and_memory_are_those_of_a_search_process(measured: Measurements) -> None:
    for found in measured:
        assert 0 < found.p50_ms <= found.p95_ms
        assert 50 < found.memory_mb < 2000
        assert found.gpu_mb == 0
        assert sum(found.stages_ms.values()) > 0
    fast, lexical = measured
    assert {"query", "candidates", "fusion", "texts"} <= set(fast.stages_ms)
    assert "feedback" not in lexical.stages_ms
    slowest = max(fast.stages_ms, key=lambda stage: fast.stages_ms[stage])
    assert f"{slowest} {fast.stages_ms[slowest]:.1f} ms" in str(measured)
    assert f"{slowest}_ms" in measured.to_frame()


def test_what_was_measured_is_kept_until_the_corpus_changes(
    index: Path, measured: Measurements, tmp_path: Path
) -> None:
    assert read_measurements(index) == measured
    copy = Path(shutil.copytree(index, tmp_path / "index"))
    assert read_measurements(tmp_path) == measured
    with wb.open(copy, progress=False) as bench:
        bench.delete("khattab2020colbert")
    assert read_measurements(copy) is None


def test_a_repr_is_one_line_with_the_best() -> None:
    found = measurements(row("a", 0.5), row("b\n" * 50, 0.75))
    assert repr(found).startswith("Measurements(nDCG@10 of 2 profiles, best 'b\\nb")
    assert repr(found.rows[0]) == "Measured('a', 0.5000, 10.0 ms, 100 MB)"
    assert len(repr(found)) < 120


def test_results_present_themselves(measured: Measurements) -> None:
    assert json.loads(json.dumps(measured.to_dict())) == measured.to_dict()
    assert Measurements.from_dict(measured.to_dict()) == measured
    frame = measured.to_frame()
    assert frame["profile"].tolist() == ["fast", "<lexical>"]
    assert frame.loc[frame["front"], "profile"].tolist() == list(measured.front)
    assert "&lt;lexical&gt;" in measured._repr_html_()
    lines = str(measured).splitlines()
    assert "nDCG@10 over 50 queries" in lines[0]
    assert len(lines) == 6


def test_a_profile_that_fails_is_named_and_others_stay(index: Path, measured: Measurements) -> None:
    with pytest.raises(ProfileError, match="no profile 'absent'"):
        measure_profiles(index, *FILES, ["absent"], progress=False)
    missing = Profile(name="missing", reranker="../no-such-model")
    with pytest.raises(EvaluationError, match=r"'missing' could not be measured: .*no-such-model"):
        measure_profiles(index, *FILES, [missing], progress=False)
    assert read_measurements(index) == measured


def test_what_cannot_be_measured_is_refused(index: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusNotFound, match="nowhere"):
        measure_profiles(tmp_path / "nowhere", *FILES, progress=False)
    with pytest.raises(EvaluationError, match="no query has a judgment"):
        measure_profiles(index, [wb.Query("x", id="x")], FILES[1], progress=False)
    with pytest.raises(EvaluationError, match="two have one name"):
        measure_profiles(index, *FILES, ["fast", "fast"], progress=False)


# The front


rows = st.builds(
    row,
    name=st.uuids().map(str),
    quality=st.sampled_from([0.7, 0.7005, 0.702, 0.75]),
    ms=st.sampled_from([10.0, 10.2, 12.0, 30.0]),
    mb=st.sampled_from([100.0, 103.0, 200.0]),
)


@given(found=st.lists(rows, min_size=1, max_size=8))
def test_the_front_is_what_no_other_beats(found: list[Measured]) -> None:
    front = measurements(*found).front
    assert front
    for one in found:
        beaten = any(
            other.quality >= one.quality - 0.001
            and other.p50_ms <= 1.05 * one.p50_ms
            and other.memory_mb <= 1.05 * one.memory_mb
            and (
                other.quality > one.quality + 0.001
                or other.p50_ms < 0.95 * one.p50_ms
                or other.memory_mb < 0.95 * one.memory_mb
            )
            for other in found
        )
        assert (one.profile in front) == (not beaten)


def test_noise_does_not_beat() -> None:
    assert measurements(row("a"), row("b", quality=0.7009, ms=9.6, mb=96)).front == ("a", "b")
    assert measurements(row("a"), row("b", quality=0.72)).front == ("b",)


# What is kept


@pytest.fixture
def corpus(index: Path, tmp_path: Path) -> tuple[Path, str]:
    folder = Path(shutil.copytree(index, tmp_path / "index"))
    (folder / KEPT).unlink(missing_ok=True)
    return folder, json.loads((folder / "manifest.json").read_text())["fingerprint"]


def test_profiles_measured_apart_stand_together(corpus: tuple[Path, str]) -> None:
    folder, fingerprint = corpus
    keep(folder, measurements(row("a"), row("b"), corpus=fingerprint))
    keep(folder, measurements(row("b", quality=0.8), corpus=fingerprint))
    found = read_measurements(folder)
    assert found is not None
    assert {one.profile: one.quality for one in found} == {"a": 0.7, "b": 0.8}


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"profiles": [{"profile": "a"}]}'],
    ids=["empty", "cut off", "a list", "no fields", "a bad row"],
)
def test_a_damaged_file_counts_as_nothing(corpus: tuple[Path, str], content: str) -> None:
    folder, fingerprint = corpus
    (folder / KEPT).write_text(content)
    assert read_measurements(folder) is None
    keep(folder, measurements(row("a"), corpus=fingerprint))
    assert read_measurements(folder) is not None


def test_a_folder_without_anything_has_no_measurements(tmp_path: Path) -> None:
    assert read_measurements(tmp_path) is None


# On the command line

Run = Callable[..., command.Done]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return partial(command.run, "profile", WORKBENCH_PROFILES=str(tmp_path))


def test_profiles_are_listed_shown_and_compared(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("n_rerank = 7")
    assert run("list").stdout.split() == ["default", "fast", "gpu", "mine"]
    assert json.loads(run("show", "mine", "--json").stdout)["n_rerank"] == 7
    assert "n_rerank = 30" in run("show", "fast").stdout
    difference: dict[str, Any] = json.loads(run("diff", "default", "mine", "--json").stdout)
    assert difference == {"n_rerank": {"mine": 100, "other": 7}}
    failed = run("show", "absent")
    assert failed.returncode == 1
    assert "no profile 'absent'" in failed.stderr


def test_measuring_prints_the_contract(run: Run, index: Path, measured: Measurements) -> None:
    files = ["--queries", str(FILES[0]), "--qrels", str(FILES[1])]
    done = run("measure", str(index), *files, "--profile", "fast", "--json")
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert set(content) >= {"metric", "queries", "front", "profiles"}
    assert [one["profile"] for one in content["profiles"]] == ["fast"]
    kept = read_measurements(index)
    assert kept is not None
    assert {one.profile for one in kept} == {"fast", "<lexical>"}
