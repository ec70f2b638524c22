"""Sessions: opening builds once, follows its source, and shows changes at once."""

from __future__ import annotations

import copy
import json
import os
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from workbench.corpus.lock import write_lock
from workbench.errors import (
    CorpusError,
    CorpusLocked,
    CorpusMismatch,
    CorpusNotFound,
    FilterError,
    ProfileError,
    RecordError,
    WeightError,
)
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.profiles import Profile
from workbench.ranking.details import paper_details
from workbench.records import Paper
from workbench.session import Workbench

Write = Callable[..., Path]
Record = dict[str, Any]

CATS: Record = {"id": "cats", "title": "Cats", "abstract": "A cat hunts birds.", "year": 2001}
LAVA: Record = {"id": "lava", "title": "Volcanoes", "abstract": "Lava flows downhill."}
STARS: Record = {"id": "stars", "title": "Stars", "abstract": "A star burns hydrogen."}


def opened(folder: Path, **options: Any) -> Workbench:
    return wb.open(folder, progress=False, **options)


def manifest_time(bench: Workbench) -> int:
    return (bench.folder / "manifest.json").stat().st_mtime_ns


@pytest.fixture
def source(write_jsonl: Write) -> Path:
    """A source file with two papers; its folder is what a person opens."""
    return write_jsonl([CATS, LAVA])


@pytest.fixture
def folder(source: Path) -> Path:
    return source.parent


@pytest.fixture
def bench(folder: Path) -> Iterator[Workbench]:
    with opened(folder) as session:
        yield session


# Opening


def test_opening_a_source_builds_an_index_beside_it(bench: Workbench, folder: Path) -> None:
    assert bench.folder == folder / "index"
    assert bench.manifest.papers == 2
    assert bench.search("lava", k=1).paper_ids == ["lava"]


def test_opening_again_builds_nothing(bench: Workbench, folder: Path) -> None:
    before = manifest_time(bench)
    with opened(folder) as again:
        assert manifest_time(again) == before
        assert again.manifest == bench.manifest


def test_opening_the_index_itself_needs_no_source(bench: Workbench, source: Path) -> None:
    source.unlink()
    with opened(bench.folder) as again:
        assert again.manifest == bench.manifest


def test_opening_follows_a_changed_source(bench: Workbench, write_jsonl: Write) -> None:
    folder = write_jsonl([{**CATS, "abstract": "A cat sleeps."}, STARS]).parent
    with opened(folder) as again:
        assert again.manifest.papers == 2
        assert again.search("sleeps", k=1).paper_ids == ["cats"]
        found = set(again.search("lava volcanoes", k=10).paper_ids)
        assert found == {"cats", "stars"}


def test_a_source_that_was_only_touched_gives_the_same_papers(
    bench: Workbench, source: Path
) -> None:
    os.utime(source, ns=(1, 1))
    with opened(source.parent) as again:
        assert again.manifest.fingerprint == bench.manifest.fingerprint
        before = manifest_time(again)
    with opened(source.parent) as third:
        assert manifest_time(third) == before


def test_a_path_may_be_text(bench: Workbench, folder: Path) -> None:
    with wb.open(str(folder), progress=False) as again:
        assert again.manifest == bench.manifest


@pytest.mark.parametrize("name", ["nowhere", "", "file.txt"], ids=["missing", "empty", "a file"])
def test_where_no_corpus_is_the_error_names_path_and_remedy(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.txt").write_text("not a corpus")
    with pytest.raises(CorpusNotFound, match="workbench index") as error:
        opened(tmp_path / name)
    assert str(tmp_path / name) in str(error.value)
    assert ("is a file" in str(error.value)) == (name == "file.txt")


def test_opening_while_another_builds_is_refused(folder: Path) -> None:
    with write_lock(folder / "index"), pytest.raises(CorpusLocked, match=str(os.getpid())):
        opened(folder)


def test_an_index_is_read_while_another_writes(bench: Workbench, folder: Path) -> None:
    with write_lock(bench.folder), opened(folder) as again:
        assert again.search("lava", k=1).paper_ids == ["lava"]


def test_an_index_of_another_model_is_refused(bench: Workbench, embedder: OnnxEmbedder) -> None:
    path = bench.folder / "manifest.json"
    content = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**content, "model_fingerprint": "other"}), "utf-8")
    with pytest.raises(CorpusMismatch, match="use the model it was made with"):
        Workbench(bench.folder, embedder=embedder)


def test_a_profile_given_at_opening_is_used(folder: Path) -> None:
    profile = Profile(name="mine", weights={"bm25": 1.0}, n_retrieval=1)
    with opened(folder, profile=profile) as session:
        ranking = session.search("lava")
        assert ranking.profile is profile
        assert len(ranking) <= 3


# Two sessions


def test_two_sessions_are_open_at_once(bench: Workbench, folder: Path) -> None:
    with opened(folder) as other:
        assert other.search("cat", k=2).hits == bench.search("cat", k=2).hits
    assert bench.search("cat", k=1).paper_ids == ["cats"]


def test_a_session_keeps_its_papers_while_another_adds(bench: Workbench, folder: Path) -> None:
    with opened(folder) as other:
        other.add(_frame(STARS, {**CATS, "abstract": "Nothing of the kind."}), progress=False)
        assert "stars" in other.search("star", k=3).paper_ids
        assert set(bench.search("star cat", k=3).paper_ids) == {"cats", "lava"}
        assert bench.search("cat", k=1)[0].paper.abstract == CATS["abstract"]


def test_threads_open_and_search_at_once(bench: Workbench, folder: Path) -> None:
    def search(query: str) -> list[str]:
        with opened(folder) as session:
            return session.search(query, k=2).paper_ids

    queries = ["cat", "lava", "birds", "flows"] * 4
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(search, queries))
    assert together == [bench.search(query, k=2).paper_ids for query in queries]


# Changing


def _frame(*records: Record) -> Any:
    import pandas as pd

    return pd.DataFrame(list(records))


def test_an_added_paper_is_found_at_once(bench: Workbench) -> None:
    report = bench.add(_frame(STARS), progress=False)
    assert (report.added, report.replaced, report.deleted) == (1, 0, 0)
    assert bench.search("hydrogen", k=1).paper_ids == ["stars"]
    assert bench.info()["papers"] == 3


def test_a_paper_added_again_replaces_the_first(bench: Workbench) -> None:
    report = bench.add(_frame({**LAVA, "abstract": "Magma rises."}), progress=False)
    assert (report.added, report.replaced) == (0, 1)
    assert bench.search("magma", k=1)[0].paper.abstract == "Magma rises."
    assert bench.info()["papers"] == 2


def test_adding_what_is_there_changes_nothing(bench: Workbench) -> None:
    before = bench.manifest
    assert bench.add(_frame(LAVA), progress=False).unchanged == 1
    assert bench.manifest == before


def test_a_bad_record_is_counted_or_in_strict_mode_raised(bench: Workbench) -> None:
    bad = _frame({**STARS, "year": "soon"})
    assert bench.add(bad, progress=False).rejected == 1
    with pytest.raises(RecordError, match="soon"):
        bench.add(bad, strict=True, progress=False)
    assert bench.info()["papers"] == 2


@pytest.mark.parametrize(
    "given",
    [
        STARS,
        [STARS],
        Paper("stars", "Stars", "A star burns hydrogen."),
        (Paper("stars", "Stars", "A star burns hydrogen."),),
        (record for record in [STARS]),
    ],
    ids=["a dict", "dicts", "a Paper", "Papers", "a generator"],
)
def test_records_are_added_as_people_have_them(bench: Workbench, given: Any) -> None:
    assert bench.add(given, progress=False).added == 1
    [hit] = bench.search("hydrogen", k=1)
    assert (hit.paper.id, hit.paper.title) == ("stars", "Stars")


def test_a_paper_that_was_found_goes_back_unchanged(bench: Workbench) -> None:
    papers = [hit.paper for hit in bench.search("lava cat", k=2)]
    assert bench.add(papers, progress=False).unchanged == 2


def test_a_number_is_an_id_too(bench: Workbench) -> None:
    bench.add({"id": 3, "title": "Three"}, progress=False)
    assert bench.delete(3) == 1
    with pytest.raises(RecordError, match=r"ids is 2\.5 \(float\)"):
        bench.delete(2.5)


@pytest.mark.parametrize(
    "ids",
    ["lava", ["lava"], ("lava", "nobody"), iter(["lava"])],
    ids=["text", "list", "tuple", "iterator"],
)
def test_a_deleted_paper_is_gone_at_once(bench: Workbench, ids: Any) -> None:
    assert bench.delete(ids) == 1
    assert bench.search("lava", k=5).paper_ids == ["cats"]
    assert bench.info()["papers"] == 1


def test_deleting_an_unknown_paper_deletes_nothing(bench: Workbench) -> None:
    assert bench.delete("nobody") == 0
    assert bench.info()["papers"] == 2


def test_a_session_without_papers_finds_none(bench: Workbench) -> None:
    assert bench.delete(["lava", "cats"]) == 2
    assert len(bench.search("lava")) == 0


def test_changes_outlive_the_session(bench: Workbench, folder: Path) -> None:
    bench.add(_frame(STARS), progress=False)
    bench.delete("lava")
    bench.close()
    with opened(folder) as again:
        assert set(again.search("anything", k=5).paper_ids) == {"cats", "stars"}


def test_an_older_ranking_still_answers_after_a_change(bench: Workbench) -> None:
    before = bench.search("lava", k=2)
    bench.add(_frame({**LAVA, "abstract": "Magma rises."}), progress=False)
    assert before.reweigh({"bm25": 1})[0].paper.abstract == LAVA["abstract"]
    assert before.explain("lava").terms["bm25"]["lava"] > 0


# Searching


def test_a_weight_for_one_search_leaves_the_profile(bench: Workbench) -> None:
    assert bench.search("lava", weights={"bm25": 1}).profile.weights["dense"] == 0.0
    assert bench.search("lava").profile == bench.profile == Profile()


def test_weights_complete_those_of_the_profile_given(bench: Workbench) -> None:
    profile = Profile(weights={"title": 1.0, "dense": 1.0})
    weights = bench.search("lava", profile=profile, weights={"dense": 0.5}).profile.weights
    assert {k: w for k, w in weights.items() if w} == {"title": 0.5, "dense": 0.5}


def test_weights_may_be_what_has_weights(bench: Workbench) -> None:
    given = {"bm25": 0.25, "dense": 0.75}
    plain = bench.search("lava", weights=given, profile="fast")
    profile = Profile(weights=given)
    assert bench.search("lava", weights=profile, profile="fast").hits == plain.hits
    assert plain.reweigh(profile).hits == plain.hits


def test_the_profile_is_set_by_name_and_checked_at_once(bench: Workbench) -> None:
    bench.profile = "fast"
    assert bench.profile == Profile.named("fast") == bench.search("lava").profile
    for wrong in ("nope", 3):
        with pytest.raises(ProfileError, match=f"{wrong}"):
            bench.profile = wrong
    with pytest.raises(WeightError, match="unknown signal 'splade'"):
        bench.profile = Profile(weights={"splade": 1})
    assert bench.profile == Profile.named("fast")


def test_filters_may_be_ready_made(bench: Workbench) -> None:
    ready = wb.Filters(year=(2001, 2001))
    assert bench.search("lava", filters=ready).paper_ids == ["cats"]
    assert bench.search("lava", filters=ready, ids="lava").paper_ids == []
    as_a_person_types = wb.Filters(ids=["cats"], year=2001)
    assert bench.search("lava", filters=as_a_person_types).paper_ids == ["cats"]
    with pytest.raises(FilterError, match="year is given, and filters has it too"):
        bench.search("lava", filters=ready, year=2001)


def test_signals_may_be_one_text(bench: Workbench) -> None:
    given = {"queries": {"q": "lava"}, "judgments": {"q": {"lava": 1}}, "progress": False}
    one = bench.tune(**given, signals="bm25, dense")
    assert one.best == bench.tune(**given, signals=("bm25", "dense")).best


def test_filters_are_those_of_the_search(bench: Workbench) -> None:
    assert bench.search("lava", year=2001).paper_ids == ["cats"]
    assert bench.search("lava", year=(None, 2000)).paper_ids == []
    assert bench.search("cat", ids="lava").paper_ids == ["lava"]


def test_errors_of_filters_and_weights_reach_the_person(bench: Workbench) -> None:
    with pytest.raises(FilterError, match="put the earlier one first"):
        bench.search("lava", year=(2010, 2000))
    with pytest.raises(WeightError, match="-1"):
        bench.search("lava", weights={"dense": -1})


# The session itself


def test_info_says_what_the_corpus_holds_and_was_made_from(bench: Workbench) -> None:
    info = bench.info()
    assert list(info) == [
        *("folder", "bytes", "papers", "passages", "terms", "model", "dimension", "analyser"),
        *("chunking", "bm25", "generation", "fingerprint", "versions", "runtime", "dense"),
    ]
    assert (info["papers"], info["passages"], info["dimension"]) == (2, 2, 384)
    assert info["bm25"] == {"k1": 0.9, "b": 0.4}
    assert info["dense"] == {"search": "exact"}
    assert info["bytes"] > 1000
    assert json.loads(json.dumps(info)) == info


def test_repr_names_folder_and_papers(bench: Workbench) -> None:
    assert repr(bench) == f"Workbench({str(bench.folder)!r}, 2 papers)"


@pytest.mark.parametrize("send", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_session_cannot_be_sent_and_says_what_to_send(
    bench: Workbench, send: Callable[[Any], Any]
) -> None:
    with pytest.raises(CorpusError, match="send the path and open it there"):
        send(bench)


def test_an_error_of_python_names_the_class(bench: Workbench) -> None:
    with pytest.raises(TypeError, match=r"Workbench\.tune\(\) got an unexpected keyword"):
        bench.tune({}, {}, metrics="RR")


@pytest.mark.parametrize("pick", [
    lambda ranking: ranking,
    lambda ranking: ranking.hit(1),
    lambda ranking: ranking[0].paper,
    lambda ranking: ranking[0].passage,
    lambda ranking: ranking.candidates,
    lambda ranking: ranking.candidates.query,
    lambda ranking: ranking.explain(1),
    lambda ranking: paper_details(ranking, ranking[0]),
])  # fmt: skip
def test_a_record_shows_on_one_line(bench: Workbench, pick: Callable[[Any], Any]) -> None:
    bench.add({**LAVA, "title": "Vol\ncano " * 100, "abstract": "Lava. " * 1000}, progress=False)
    text = repr(pick(bench.search("lava " * 50)))
    assert "\n" not in text
    assert len(text) < 200


def test_a_with_block_gives_the_session_and_closes_it(folder: Path) -> None:
    with opened(folder) as session:
        assert isinstance(session, Workbench)
    session.close()


def test_an_error_passes_through_the_with_block(folder: Path) -> None:
    with pytest.raises(KeyError, match="mine"), opened(folder):
        raise KeyError("mine")


def test_index_writes_a_folder_that_opens(source: Path, tmp_path: Path) -> None:
    report = wb.index(source, tmp_path / "elsewhere", progress=False)
    assert report.added == 2
    with opened(tmp_path / "elsewhere") as session:
        assert session.search("lava", k=1).paper_ids == ["lava"]
