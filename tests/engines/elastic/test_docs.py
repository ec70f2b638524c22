"""docs/elasticsearch.md is a test too: its code and commands run against the real server."""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import workbench as wb
from tests.conftest import ROOT
from workbench.cli.app import app
from workbench.engines.elastic.own.corpus import ElasticCorpus

TEXT = (ROOT / "docs" / "elasticsearch.md").read_text(encoding="utf-8")


def blocks(language: str, url: str) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)
    assert found
    return [block.replace("http://localhost:9200", url) for block in found]


def test_the_page_runs(elasticsearch_url: str, landmarks: wb.Workbench, tmp_path: Path) -> None:
    folder = shutil.copytree(landmarks.folder.parent, tmp_path / "data" / "landmarks")
    for name in ("queries.jsonl", "qrels.tsv"):
        shutil.copy(ROOT / "data" / "landmarks" / name, folder)
    names: dict[str, object] = {}
    with contextlib.chdir(tmp_path):
        for block in blocks("python", elasticsearch_url):
            exec(compile(block, "elasticsearch.md", "exec"), names)
        for line in "".join(blocks("console", elasticsearch_url)).splitlines():
            if "parity" in line:
                continue  # minutes over all queries; test_parity runs the verb over some
            done = CliRunner().invoke(app, shlex.split(line.removeprefix("$ "))[1:])
            assert done.exit_code == 0, (line, done.output, done.exception)
    for index in ("landmarks", "own"):
        corpus = ElasticCorpus(wb.Elasticsearch(elasticsearch_url, index=index))
        corpus.remove()
        corpus.connection.close()
    for name in ("bench", "own", "here"):
        names[name].close()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(Cluster[A-Za-z]+)`", TEXT))))
def test_the_errors_of_the_page_exist(name: str) -> None:
    from workbench import errors

    assert issubclass(getattr(errors, name), errors.ClusterError)


def test_the_variables_of_the_page_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.profiles import elastic_environment

    names = sorted(set(re.findall(r"`WORKBENCH_ES_([A-Z_]+)`", TEXT)))
    for name in names:
        monkeypatch.setenv(f"WORKBENCH_ES_{name}", "x")
    assert sorted(elastic_environment()) == [name.lower() for name in names]
