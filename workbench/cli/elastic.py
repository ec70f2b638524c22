"""Verbs and options for Elasticsearch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.options import QUERIES_HELP, AsJson, Folder, ProfileName, read_profile
from workbench.cli.printing import print_result

if TYPE_CHECKING:
    from workbench.engines.elastic.keepers import Elasticsearch

EngineUrl = Annotated[
    str | None, typer.Option("--engine", help="URL of an Elasticsearch cluster to search on.")
]
IndexName = Annotated[str, typer.Option("--index", help="Index on that cluster.")]
VectorType = Annotated[str, typer.Option(help="flat (exact), int8_hnsw or bbq_hnsw.")]


def read_engine(url: str | None, index: str, vectors: str = "flat") -> Elasticsearch | None:
    """What the options say of a cluster; credentials come from the environment."""
    from workbench.engines.elastic.keepers import Elasticsearch

    return None if url is None else Elasticsearch(url, index=index, vectors=vectors)


def parity(
    folder: Folder,
    queries: Annotated[Path, typer.Option(help=QUERIES_HELP)],
    qrels: Annotated[Path | None, typer.Option(help="Judgments: are weights as good?")] = None,
    engine: Annotated[str, typer.Option(help="URL of an Elasticsearch cluster.")] = "",
    index: IndexName = "papers",
    vectors: VectorType = "flat",
    metric: Annotated[str, typer.Option(help="Of the judged queries.")] = "nDCG@10",
    k: Annotated[int, typer.Option("-k", help="Papers of a list.")] = 10,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Compare a corpus on the embedded engine and on Elasticsearch: how alike, and why not."""
    from workbench.engines.elastic.keepers import Elasticsearch
    from workbench.evaluation.inputs import as_judgments, as_queries
    from workbench.evaluation.likeness.parity import parity as compare
    from workbench.opening import open_corpus

    spec = Elasticsearch(engine, index=index, vectors=vectors)
    chosen = read_profile(profile)
    judged = [] if qrels is None else as_judgments(qrels)
    asked = as_queries(queries)
    if judged:
        known = {judgment.query_id for judgment in judged}
        asked = [query for query in asked if query.id in known]
    with (
        open_corpus(folder, profile=chosen, progress=not as_json) as here,
        open_corpus(folder, engine=spec, profile=chosen, progress=not as_json) as there,
    ):
        report = compare(here, there, asked, judged, metric=metric, k=k, progress=not as_json)
    print_result(report, as_json)
