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
TextFields = Annotated[
    list[str] | None,
    typer.Option("--text-field", help="Of somebody else's index: NAME or NAME=BOOST; repeatable."),
]
VectorField = Annotated[str, typer.Option(help="Of somebody else's index: its vectors.")]
IdField = Annotated[str, typer.Option(help="Of somebody else's index: ids, for _id.")]
PaperField = Annotated[str, typer.Option(help="Of somebody else's index: a passage's paper.")]
ModelName = Annotated[
    str | None, typer.Option(help="What made the vectors of somebody else's index.")
]
OptionalFolder = Annotated[
    Path | None,
    typer.Argument(help="Corpus folder; none with --engine alone.", show_default=False),
]


def read_engine(
    url: str | None,
    index: str,
    vectors: str = "flat",
    *,
    text_fields: list[str] | None = None,
    vector_field: str = "",
    id_field: str = "",
    paper_field: str = "",
) -> Elasticsearch | None:
    """What the options say of a cluster, None where they name none; credentials come from the
    environment, and so does the URL where fields are named without it."""
    named = bool(text_fields or vector_field or id_field or paper_field)
    if url is None and not named:
        return None
    from workbench.engines.elastic.keepers import Elasticsearch

    return Elasticsearch(
        url or "",
        index=index,
        vectors=vectors,
        text_fields=dict(map(_boosted, text_fields or ())),
        vector_field=vector_field,
        id_field=id_field,
        paper_field=paper_field,
    )


def _boosted(text: str) -> tuple[str, float]:
    name, mark, boost = text.rpartition("=")
    if not mark:
        return text, 1.0
    try:
        return name, float(boost)
    except ValueError:
        raise typer.BadParameter(f"--text-field {text}: give NAME or NAME=BOOST, title=2") from None


def folder_and_text(
    folder: Path | None, text: str | None, engine: Elasticsearch | None
) -> tuple[Path | None, str]:
    """The two arguments FOLDER TEXT, of which a cluster needs the text alone."""
    if folder is not None and text is not None:
        return folder, text
    if folder is not None and engine is not None:
        return None, str(folder)
    raise typer.BadParameter("give a corpus folder and a text; with --engine the text may be alone")


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
