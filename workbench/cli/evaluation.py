"""Verbs that measure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.elastic import (
    EngineUrl,
    IdField,
    IndexName,
    ModelName,
    OptionalFolder,
    PaperField,
    TextFields,
    VectorField,
    read_engine,
)
from workbench.cli.options import (
    QRELS_HELP,
    QUERIES_HELP,
    AsJson,
    Conflicts,
    Folder,
    Normaliser,
    ProfileName,
    Weights,
    read_profile,
    read_weights,
    write_profile,
)
from workbench.cli.printing import print_json, print_result, say


def evaluate(
    queries: Annotated[Path, typer.Option(help=QUERIES_HELP)],
    qrels: Annotated[Path, typer.Option(help=QRELS_HELP)],
    folder: OptionalFolder = None,
    metrics: Annotated[str, typer.Option(help="Names with commas, like nDCG@10,RR,R@100.")] = "",
    weight: Weights = None,
    normaliser: Normaliser = None,
    profile: ProfileName = None,
    conflicts: Conflicts = "error",
    engine: EngineUrl = None,
    index: IndexName = "papers",
    text_field: TextFields = None,
    vector_field: VectorField = "",
    id_field: IdField = "",
    paper_field: PaperField = "",
    model: ModelName = None,
    as_json: AsJson = False,
) -> None:
    """Measure a corpus's search on judged queries."""
    from workbench.evaluation.inputs import open_judgments
    from workbench.evaluation.reports.metrics import DEFAULT_METRICS
    from workbench.opening import open_corpus

    weights = read_weights(weight or [])
    with open_corpus(
        folder,
        engine=read_engine(
            engine,
            index,
            text_fields=text_field,
            vector_field=vector_field,
            id_field=id_field,
            paper_field=paper_field,
        ),
        model=model,
        profile=read_profile(profile, normaliser),
        progress=not as_json,
    ) as bench:
        report = bench.evaluate(
            queries,
            open_judgments(qrels, conflicts),
            metrics or DEFAULT_METRICS,
            weights=weights or None,
            progress=not as_json,
        )
    print_result(report, as_json)


def tune(
    folder: Folder,
    queries: Annotated[Path, typer.Option(help=QUERIES_HELP)],
    qrels: Annotated[Path, typer.Option(help=QRELS_HELP)],
    metric: Annotated[str, typer.Option(help="One name, like nDCG@10, AP or RR.")] = "nDCG@10",
    signals: Annotated[str, typer.Option(help="Two or more names with commas.")] = "bm25,dense",
    save: Annotated[
        Path | None, typer.Option(help="Write the recommended profile to this TOML file.")
    ] = None,
    normaliser: Normaliser = None,
    profile: ProfileName = None,
    conflicts: Conflicts = "error",
    as_json: AsJson = False,
) -> None:
    """Find the best weights of two or more signals on judged queries, exactly."""
    from workbench.evaluation.inputs import open_judgments
    from workbench.opening import open_corpus

    judgments = open_judgments(qrels, conflicts)
    with open_corpus(
        folder, profile=read_profile(profile, normaliser), progress=not as_json
    ) as bench:
        tuned = bench.tune(queries, judgments, metric, signals=signals, progress=not as_json)
        if save is not None:
            write_profile(save, tuned.recommended.profile)
        if as_json:
            print_json({**tuned.to_dict(), "saved": str(save) if save else None})
        else:
            say(tuned)
            if save is not None:
                say(f"Saved: {save}. Use it: workbench search {folder} --profile {save}")
