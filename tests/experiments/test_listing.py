"""The table of experiments: order, filters, the best, the history; and its widget and command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.experiments.conftest import METRICS
from tests.widgets.conftest import Page
from workbench.cli.app import app
from workbench.errors import CorpusNotFound, ExperimentError
from workbench.experiments.experiment import list_experiments
from workbench.experiments.listing import ExperimentTable
from workbench.experiments.store import ExperimentStore
from workbench.records import Judgment, Query
from workbench.session import Workbench
from workbench.widgets.experiments import experiments_panel

Judged = tuple[list[Query], list[Judgment]]


def table(folder: Path, values: list[float | None]) -> ExperimentTable:
    """Experiments with these values of AP, a second apart."""
    store = ExperimentStore(folder)
    for n, value in enumerate(values):
        metrics = {} if value is None else {"AP": value, "RR": 1 - value}
        summary = {"id": f"e{n}", "kind": "tune" if n % 2 else "evaluate", "name": f"name {n}",
                   "parent": "", "started": float(n), "seconds": 0.5, "metrics": metrics,
                   "queries": 9, "error": "" if value is not None else "Oops: no"}  # fmt: skip
        store.keep({"id": f"e{n}", "parent": ""}, summary)
    return list_experiments(store)


def test_newest_first_sorted_filtered_and_the_best_marked(tmp_path: Path) -> None:
    found = table(tmp_path, [0.2, 0.9, None, 0.5])
    assert [row.id for row in found.rows] == ["e3", "e2", "e1", "e0"]
    assert found.metric == "AP"
    assert found.best is not None
    assert found.best.id == "e1"
    assert [row.id for row in found.sort("AP").rows] == ["e1", "e3", "e0", "e2"]
    assert found.sort("started", ascending=True).rows[0].id == "e0"
    assert found.sort("RR").best is not None
    assert [row.id for row in found.filter(kind="tune").rows] == ["e3", "e1"]
    assert [row.id for row in found.filter(failed=True).rows] == ["e2"]
    assert [row.id for row in found.filter(text="NAME 0").rows] == ["e0"]
    ExperimentStore(tmp_path).annotate("e0", "tag", "keep")
    again = list_experiments(ExperimentStore(tmp_path))
    assert [row.id for row in again.filter(tag="keep").rows] == ["e0"]
    assert again.sparkline() == "▁█▄"
    lines = str(again).splitlines()
    assert next(line for line in lines if " e1 " in line).startswith("*")
    assert "failed: Oops: no" in str(again)
    assert again._repr_html_().count('wb-strong"') == 1
    assert again.to_frame().loc["e0", "tags"] == "keep"
    with pytest.raises(ExperimentError, match="no experiment has 'MAP'"):
        found.sort("MAP")
    with pytest.raises(ExperimentError, match="no experiment 9 among 4"):
        found[9]


def test_an_empty_folder_has_an_empty_table(tmp_path: Path) -> None:
    found = list_experiments(ExperimentStore(tmp_path / "none"))
    assert (len(found), found.best, found.sparkline(), str(found)[:13]) == (
        0, None, "", "0 experiments",
    )  # fmt: skip
    assert not (tmp_path / "none").exists()


def test_the_widget_filters_compares_and_annotates(
    bench: Workbench, judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    for weight in (0.2, 0.8):
        bench.evaluate(*judged, METRICS, weights={"dense": weight}, progress=False)
    first, second = [row.id for row in bench.experiments().rows][::-1]
    page = Page(experiments_panel(bench, "AP"), monkeypatch)
    page.say(type="filter", text="", kind="", tag="", metric="")
    rows = page.last("rows")
    assert [row["id"] for row in rows["rows"]] == [second, first]
    assert (rows["metric"], rows["found"], rows["whole"]) == ("AP", 2, 2)
    page.say(type="tag", id=first, text="good", filter={})
    page.say(type="note", id=first, text="<b>odd</b>", filter={"tag": "good"})
    rows = page.last("rows")
    assert [row["id"] for row in rows["rows"]] == [first]
    assert rows["tags"] == ["good"]
    assert rows["history"][0]["note"] == "<b>odd</b>"
    page.say(type="diff", ids=[first, second])
    assert "weight of dense" in page.last("diff")["html"]
    page.say(type="diff", ids=[first])
    assert "choose two" in page.last("message")["message"]["text"]


def test_the_commands_list_diff_export_and_report(
    bench: Workbench, judged: Judged, tmp_path: Path
) -> None:
    ids = [
        bench.evaluate(*judged, METRICS, weights={"dense": w}, progress=False).experiment
        for w in (0.2, 0.8)
    ]
    run = CliRunner()
    listed = run.invoke(app, ["experiments", str(bench.folder), "--json", "--sort", "AP"])
    assert {row["id"] for row in json.loads(listed.stdout)} == set(ids)
    pair = [f"{bench.folder}/{name}" for name in ids]
    found = json.loads(run.invoke(app, ["diff", *pair, "--json"]).stdout)
    assert found["stage"] == "ranking"
    out = tmp_path / "out"
    assert run.invoke(app, ["export", pair[0], str(out)]).exit_code == 0
    assert (out / "reproduce.ipynb").is_file()
    page = tmp_path / "page.html"
    done = run.invoke(app, ["report", "latest", "--corpus", str(bench.folder), "--out", str(page)])
    assert done.exit_code == 0
    assert ids[1] in page.read_text("utf-8")
    with pytest.raises(CorpusNotFound, match="no such folder"):
        run.invoke(app, ["experiments", "nowhere"], catch_exceptions=False)
