"""Whatever a person gives to a public verb: it works, or a typed error says what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import workbench as wb
from tests.conftest import paper_record
from workbench.errors import WorkbenchError
from workbench.session import Workbench

QUERIES = {"q1": "ranking functions", "q2": "dense vectors"}
GRADES = {"q1": {"p000": 1}, "q2": {"p001": 2}}

WRONG: list[Any] = [
    *(3, -1, 2.5, float("nan"), 10**400, True, None),
    *("", "nope", "x\0y", "\ud800", b"x", Path("nope")),
    *([], [3], [None], {}, {3: "x"}, {"a": 1}, {"x"}),
    *(object(), np.array([1, 2]), pd.DataFrame({"a": [1]}), pd.Series([1]), wb.Profile),
]

Call = Callable[[Workbench, Any], Any]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    folder = tmp_path_factory.mktemp("wrong")
    lines = (json.dumps(paper_record(number)) + "\n" for number in range(12))
    (folder / "papers.jsonl").write_text("".join(lines))
    with wb.open(folder, profile="fast", progress=False) as session:
        yield session


def of_search(name: str) -> Call:
    return lambda bench, value: bench.search("ranking", **{name: value})


def of_judged(verb: str, name: str) -> Call:
    def call(bench: Workbench, value: Any) -> Any:
        given = {"queries": QUERIES, "judgments": GRADES, "progress": False, name: value}
        return getattr(bench, verb)(**given)

    return call


def of_ranking(act: Callable[[wb.Ranking, Any], Any]) -> Call:
    return lambda bench, value: act(bench.search("ranking"), value)


CALLS: dict[str, Call] = {
    "search": lambda bench, value: bench.search(value),
    **{
        f"search {name}": of_search(name)
        for name in ("k", "weights", "profile", "year", "venue", "author", "field", "ids")
    },
    "search filters": of_search("filters"),
    "search edits": of_search("edits"),
    "search one weight": lambda b, value: b.search("ranking", weights={"dense": value}),
    "search first year": lambda b, value: b.search("ranking", year=(value, None)),
    "add": lambda b, value: b.add(value, strict=True, progress=False),
    "delete": lambda b, value: b.delete(value),
    "profile": lambda b, value: setattr(b, "profile", value),
    **{
        f"{verb} {name}": of_judged(verb, name)
        for verb, names in {
            "evaluate": ("queries", "judgments", "metrics", "k", "weights", "profile"),
            "tune": ("queries", "judgments", "metric", "signals", "profile"),
            "judge_next": ("queries", "judgments", "n", "metric", "signals", "profile"),
        }.items()
        for name in names
    },
    "judge_next contenders": of_judged("judge_next", "contenders"),
    "judge_next depth": of_judged("judge_next", "depth"),
    "judge_next grades": of_judged("judge_next", "grades"),
    "compare": lambda b, value: b.compare(value, ["p000"]),
    "compare second": lambda b, value: b.compare(["p000"], value),
    "compare p": lambda b, value: b.compare(["p000"], ["p001"], p=value),
    "reweigh": of_ranking(lambda ranking, value: ranking.reweigh(value)),
    "reweigh normaliser": of_ranking(lambda r, value: r.reweigh(normaliser=value)),
    "reweigh k": of_ranking(lambda r, value: r.reweigh(k=value)),
    "hit": of_ranking(lambda ranking, value: ranking.hit(value)),
    "explain": of_ranking(lambda ranking, value: ranking.explain(value)),
    "ask": lambda b, value: b.ask(value),
    **{
        f"ask {name}": lambda b, value, name=name: b.ask("ranking functions", **{name: value})
        for name in ("words", "writer", "profile", "weights", "seconds", "unsupported", "stages")
    },
    "table": lambda b, value: b.ask("ranking functions", insist=True).table(value),
    "review": lambda b, value: b.review(b.ask("ranking functions", insist=True), reject=value),
    "evaluate_answers": lambda b, value: b.evaluate_answers(value, progress=False),
    "ask_panel": lambda b, value: b.ask_panel(value),
    "export": lambda b, value: b.export(value, "out.csv"),
    "export path": lambda b, value: b.export(["p000"], value),
    "records": lambda b, value: b.records(value),
    "locate": lambda b, value: b.locate(value),
    "sync": lambda b, value: b.sync(value, progress=False),
    "experiments": lambda b, value: b.experiments(value),
    "serve workers": lambda b, value: b.serve(workers=value, port=value),
    "wb.inspect": lambda _, value: wb.inspect(value),
    "wb.compare": lambda _, value: wb.compare(value, QUERIES, GRADES),
    "wb.compare queries": lambda b, value: wb.compare([b, b], value, GRADES),
    "wb.sweep": lambda b, value: wb.sweep(None, value, QUERIES, GRADES, bench=b),
    "wb.open_answer": lambda _, value: wb.open_answer(value),
    "weight_tuner": lambda b, value: b.weight_tuner(value, GRADES),
    "compare_panel": lambda b, value: b.compare_panel(value),
    "compare_panel other": lambda b, value: b.compare_panel(other=value),
    "search_panel k": lambda b, value: b.search_panel(k=value),
    "memory_plot": lambda b, value: b.memory_plot(value),
    "judge": lambda b, value: b.judge(value, b.folder / "judged.jsonl"),
    "wb.open": lambda _, value: wb.open(value, progress=False),
    "wb.open engine": lambda b, value: wb.open(b.folder, engine=value, progress=False),
    "wb.open profile": lambda b, value: wb.open(b.folder, profile=value, progress=False),
    "wb.open model": lambda b, value: wb.open(b.folder, model=value, progress=False),
    "wb.open runtime": lambda b, value: wb.open(b.folder, runtime=value, progress=False),
    "wb.index": lambda b, value: wb.index(value, b.folder / "new", strict=True, progress=False),
    "wb.index into": lambda _, value: wb.index([paper_record(1)], value, progress=False),
    "wb.parity": lambda b, value: wb.parity(value, b, QUERIES, progress=False),
    "wb.parity queries": lambda b, value: wb.parity(b, b, value, progress=False),
    "wb.read_queries": lambda _, value: wb.read_queries(value),
    "wb.read_qrels": lambda _, value: wb.read_qrels(value),
    "wb.read_recording": lambda _, value: wb.read_recording(value),
    "wb.Judgments": lambda _, value: wb.Judgments(value),
    "wb.Profile weights": lambda _, value: wb.Profile(weights=value),
    "wb.Profile.named": lambda _, value: wb.Profile.named(value),
    **{
        f"wb.Elasticsearch {name}": lambda _, value, name=name: wb.Elasticsearch(**{name: value})
        for name in ("url", "index", "vectors", "shards", "timeout", "text_fields", "id_field")
    },
    **{
        f"wb.QueryEdits {name}": lambda _, value, name=name: wb.QueryEdits(**{name: value})
        for name in ("mute", "boost", "require", "add")
    },
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_wrong_value_works_or_is_refused_by_type(
    bench: Workbench, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # "nope" may be made there
    before, profile = bench.manifest.papers, bench.profile
    refused: list[str] = []
    for value in WRONG:
        try:
            call(bench, value)
        except WorkbenchError as error:
            refused.append(str(error))
    assert refused
    assert max(map(len, refused)) < 2000
    bench.profile = profile
    assert bench.manifest.papers == before
