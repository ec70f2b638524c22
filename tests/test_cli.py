"""The command line as a person or a script uses it: output, exit codes, messages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.command import run
from tests.conftest import hear_ctrl_c, paper_record
from workbench.engines.embedded.encoding import BLOCK
from workbench.evaluation.judgments.judgments import Judgments
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.profiles import Profile


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    source = folder / "papers.jsonl"
    records = [json.dumps(paper_record(n)) for n in range(12)]
    source.write_text("\n".join([*records, '{"id": "bad"}', "not json"]), encoding="utf-8")
    done = run("index", str(source), "--into", str(folder / "corpus"))
    assert done.returncode == 0, done.stderr
    assert "12 added" in done.stdout
    assert "2 rejected" in done.stdout
    return folder / "corpus"


def search_json(corpus: Path, *arguments: str) -> dict[str, Any]:
    done = run("search", str(corpus), *arguments, "--json")
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_a_process_of_its_own_prints_the_same_and_ends_with_the_same_code(corpus: Path) -> None:
    for arguments in (["info", str(corpus)], ["info", str(corpus.parent)], ["find"]):
        command = [sys.executable, "-m", "workbench", *arguments]
        process = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "COLUMNS": "100"},
        )
        here = run(*arguments)
        assert (process.returncode, process.stdout) == (here.returncode, here.stdout)
        assert bool(process.stderr) == bool(here.stderr)
        assert "Traceback" not in process.stderr


def test_search_prints_a_table(corpus: Path) -> None:
    done = run("search", str(corpus), "dense vectors", "-k", "3")
    assert done.returncode == 0
    assert "dense vectors" in done.stdout
    assert "3 of 12 papers" in done.stdout


def test_search_json_keeps_its_contract(corpus: Path) -> None:
    result = search_json(corpus, "dense vectors", "-k", "2")
    assert {"query", "profile", "weights", "hits", "timings_ms"} <= set(result)
    hit = result["hits"][0]
    assert {"rank", "paper_id", "title", "score", "signals", "passage"} <= set(hit)
    assert set(hit["signals"]["bm25"]) == {"value", "normalised", "share"}
    assert set(hit["passage"]) == {"text", "start", "end"}


def test_a_single_weight_leaves_the_rest_to_the_others(corpus: Path) -> None:
    weights = search_json(corpus, "index", "--weight", "dense=0.7")["weights"]
    default = Profile().weights
    rest = {name: 0.3 * weight / 0.7 for name, weight in default.items() if name != "dense"}
    assert weights == pytest.approx({**rest, "dense": 0.7})


@pytest.mark.parametrize(
    ("option", "years"),
    [
        ("2003:2005", {2003, 2004, 2005}),
        ("2009:", {2009, 2010, 2011}),
        (":2001", {2000, 2001}),
        ("2004", {2004}),
    ],
)
def test_year_ranges(corpus: Path, option: str, years: set[int]) -> None:
    hits = search_json(corpus, "study", "-k", "12", "--year", option)["hits"]
    assert {hit["year"] for hit in hits} == years


def test_other_filters_combine(corpus: Path) -> None:
    hits = search_json(corpus, "study", "-k", "12", "--venue", "sigir", "--author", "Number7")[
        "hits"
    ]
    assert [hit["paper_id"] for hit in hits] == ["p007"]


def test_a_profile_file_is_used(corpus: Path, tmp_path: Path) -> None:
    path = tmp_path / "lexical.toml"
    path.write_text('normaliser = "z-score"\n[weights]\nbm25 = 1.0\n')
    result = search_json(corpus, "vectors", "--profile", str(path))
    assert (result["profile"], result["normaliser"]) == ("lexical", "z-score")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["search", "nowhere", "x"], ["nowhere", "workbench index"]),
        (["search", "{corpus}", " "], ["empty"]),
        (["search", "{corpus}", "x", "--weight", "sparse=1"], ["sparse", "bm25, title, dense"]),
        (["search", "{corpus}", "x", "--weight", "dense=nan"], ["nan", "finite"]),
        (["search", "{corpus}", "x", "--year", "2020:2010"], ["2020", "2010"]),
        (["search", "{corpus}", "x", "--normaliser", "softmax"], ["softmax", "min-max"]),
        (["search", "{corpus}", "x", "-k", "0"], ["0", "1 to"]),
        (["index", "nowhere.jsonl", "--into", "x"], ["nowhere.jsonl"]),
    ],
)
def test_errors_go_to_stderr_with_exit_code_1(
    corpus: Path, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    filled = [argument.replace("{corpus}", str(corpus)) for argument in arguments]
    filled = [
        str(tmp_path / "x") if argument == "x" and "--into" in filled else argument
        for argument in filled
    ]
    done = run(*filled)
    assert done.returncode == 1
    assert not done.stdout
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["search", "d", "x", "--weight", "dense"], ["search", "d", "x", "--year", "soon"], ["find"]],
)
def test_wrong_usage_has_exit_code_2(arguments: list[str]) -> None:
    assert run(*arguments).returncode == 2


def test_strict_stops_at_the_first_bad_record(tmp_path: Path) -> None:
    source = tmp_path / "papers.jsonl"
    source.write_text(json.dumps(paper_record(1)) + '\n{"id": "bad"}\n')
    done = run("index", str(source), "--into", str(tmp_path / "c"), "--strict")
    assert done.returncode == 1
    assert "papers.jsonl line 2" in done.stderr


def test_info_and_delete(corpus: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(corpus, copy)
    assert json.loads(run("delete", str(copy), "p001", "none", "--json").stdout) == {"deleted": 1}
    facts = json.loads(run("info", str(copy), "--json").stdout)
    assert facts["papers"] == 11
    assert "p001" not in [h["paper_id"] for h in search_json(copy, "study", "-k", "20")["hits"]]


def test_evaluate_keeps_its_contract(corpus: Path, tmp_path: Path) -> None:
    queries, qrels = tmp_path / "queries.jsonl", tmp_path / "qrels.tsv"
    queries.write_text('{"id": "q1", "text": "dense vectors in experiment 5"}\n')
    qrels.write_text("query-id\tcorpus-id\tscore\nq1\tp005\t1\n")
    arguments = ("evaluate", str(corpus), "--queries", str(queries), "--qrels", str(qrels))
    done = run(*arguments, "--metrics", "RR,nDCG@10", "--weight", "bm25=1", "--json")
    report = json.loads(done.stdout)
    rr = report["metrics"]["RR"]
    assert rr["mean"] == rr["high"] == 1.0
    assert 0 < rr["low"] < 1  # few queries say little
    assert {"metrics", "queries", "judged_at_10"} <= set(report)
    assert "nDCG@10" in run(*arguments).stdout
    wrong = run(*arguments, "--metrics", "nDGC@10")
    assert (wrong.returncode, "nDGC@10" in wrong.stderr) == (1, True)


def test_evaluate_reads_a_file_of_judgments(corpus: Path, tmp_path: Path) -> None:
    queries, path = tmp_path / "queries.jsonl", tmp_path / "judged.jsonl"
    queries.write_text('{"id": "q1", "text": "dense vectors in experiment 5"}\n')
    judgments = Judgments(path, who="ann")
    judgments.add("q1", "p005", 2)
    arguments = ("evaluate", str(corpus), "--queries", str(queries), "--qrels", str(path))
    report = json.loads(run(*arguments, "--metrics", "nDCG@5", "--json").stdout)
    bounds = report["bounds"]["nDCG@5"]
    assert bounds["holes"] == 4
    assert bounds["low"] < report["metrics"]["nDCG@5"]["mean"] <= bounds["high"]
    assert "with 4 unjudged" in run(*arguments, "--metrics", "nDCG@5").stdout
    judgments.add("q1", "p005", 0, who="bob")
    disputed = run(*arguments)
    assert (disputed.returncode, "people disagree" in disputed.stderr) == (1, True)
    settled = run(*arguments, "--conflicts", "highest", "--json")
    assert json.loads(settled.stdout)["settled"] == 1
    tuned = run("tune", *arguments[1:], "--conflicts", "highest", "--json")
    assert json.loads(tuned.stdout)["best"]["value"] > 0
    unknown = run(*arguments, "--conflicts", "mean")
    assert (unknown.returncode, "choose one of error" in unknown.stderr) == (1, True)


def test_doctor_names_weights_runtime_and_cache() -> None:
    checks = {check["name"]: check for check in json.loads(run("doctor", "--json").stdout)}
    assert checks["weights"]["ok"]
    assert "53aa51172d14" in checks["weights"]["found"]
    assert {"runtime", "GPU", "cache", "torch"} <= set(checks)


def test_doctor_says_what_to_do_about_a_bad_cache(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = run("doctor", "--json", WORKBENCH_CACHE=str(blocked / "cache"))
    assert done.returncode == 1
    bad = [check for check in json.loads(done.stdout) if not check["ok"]]
    assert any("WORKBENCH_CACHE" in check["remedy"] for check in bad)


HALFWAY = """
import os, signal, sys
from workbench.cli import main
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
encode, blocks = OnnxEmbedder.encode, []
def interrupted(self, texts, **options):
    blocks.append(len(texts))
    if len(blocks) == 2:
        os.kill(os.getpid(), signal.SIGINT)
    return encode(self, texts, **options)
OnnxEmbedder.encode = interrupted
main()
"""


def test_ctrl_c_leaves_a_build_that_continues(
    tmp_path: Path, write_jsonl: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    papers = BLOCK + 20
    source = write_jsonl([paper_record(n, abstract=f"Text {n}.") for n in range(papers)])
    target = tmp_path / "corpus"
    command = [sys.executable, "-c", HALFWAY, "index", str(source), "--into", str(target)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, preexec_fn=hear_ctrl_c
    )
    assert done.returncode == 130
    assert "continue" in done.stderr
    encoded: list[int] = []
    encode = OnnxEmbedder.encode

    def counted(self: OnnxEmbedder, texts: Sequence[str], **options: Any) -> Any:
        encoded.append(len(texts))
        return encode(self, texts, **options)

    monkeypatch.setattr(OnnxEmbedder, "encode", counted)
    again = run("index", source, "--into", target)
    assert f"{papers} unchanged" in again.stdout
    assert encoded == [20]  # the first block was kept
    assert json.loads(run("info", target, "--json").stdout)["papers"] == papers


EARLY = """
import os, signal, sys
class Interrupts:
    def find_spec(self, name, *_):
        if name == moment:
            os.kill(os.getpid(), signal.SIGINT)
moment = sys.argv[1]
sys.meta_path.insert(0, Interrupts())
from workbench.cli import main
sys.argv = ["workbench", "doctor"]
main()
"""


@pytest.mark.parametrize("module", ["workbench.cli.app", "typer", "workbench.cli.search"])
def test_ctrl_c_while_the_command_is_being_imported(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EARLY, module],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=hear_ctrl_c,
    )
    assert done.returncode == 130
    assert "Interrupted" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["", "index", "search", "evaluate", "delete", "info", "doctor"])
def test_help_is_there_for_every_command(command: str) -> None:
    done = run(*command.split(), "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout


# Tune


@pytest.fixture(scope="module")
def judged(corpus: Path) -> list[str]:
    """Options that name two queries and their judgments."""
    folder = corpus.parent
    queries = [{"id": "a", "text": "dense vectors"}, {"id": "b", "text": "ranking functions"}]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    (folder / "qrels.txt").write_text("a 0 p001 1\na 0 p005 1\nb 0 p000 1\nc 0 p000 1\n")
    return ["--queries", str(folder / "queries.jsonl"), "--qrels", str(folder / "qrels.txt")]


def test_tune_json_keeps_its_contract(corpus: Path, judged: list[str]) -> None:
    done = run("tune", str(corpus), *judged, "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert {"metric", "signals", "best", "default", "bootstrap", "optimism", "curve"} <= set(made)
    assert (made["metric"], made["signals"]) == ("nDCG@10", ["bm25", "dense"])
    assert set(made["best"]) == {"weights", "interval", "value"}
    assert set(made["default"]) == {"weights", "value"}
    assert set(made["bootstrap"]) == {"interval", "value"}
    assert all(len(point) == 2 for point in made["curve"])
    assert sum(made["best"]["weights"].values()) == pytest.approx(1)
    assert made["left_out"]["unknown_queries"] == 1


def test_tune_saves_a_profile_that_search_takes(
    corpus: Path, judged: list[str], tmp_path: Path
) -> None:
    saved = tmp_path / "tuned.toml"
    done = run("tune", str(corpus), *judged, "--metric", "AP", "--save", str(saved))
    assert done.returncode == 0, done.stderr
    assert "AP at every weight of dense against bm25" in done.stdout
    assert f"--profile {saved}" in done.stdout
    found = search_json(corpus, "dense vectors", "--profile", str(saved))
    assert found["profile"] == "tuned"


def test_tune_takes_more_signals(corpus: Path, judged: list[str]) -> None:
    done = run("tune", str(corpus), *judged, "--signals", "bm25, title, dense", "--json")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["curves"]) == {"bm25", "title", "dense"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--metric", "foo"], "cannot tune for metric 'foo'"),
        (["--signals", "bm25"], "give two different ones"),
        (["--signals", "bm25,splade"], "unknown signal 'splade'"),
        (["--save", "pyproject.toml/t.toml"], "cannot be written"),
    ],
)
def test_tune_explains_what_is_wrong(
    corpus: Path, judged: list[str], options: list[str], message: str
) -> None:
    done = run("tune", str(corpus), *judged, *options)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
