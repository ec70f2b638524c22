"""The verb that searches."""

from __future__ import annotations

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
    folder_and_text,
    read_engine,
)
from workbench.cli.options import (
    AsJson,
    Normaliser,
    ProfileName,
    Weights,
    read_profile,
    read_weights,
    read_years,
)
from workbench.cli.printing import print_json, print_ranking


def search(
    folder: OptionalFolder = None,
    query: Annotated[
        str | None, typer.Argument(help="What to search for.", show_default=False)
    ] = None,
    k: Annotated[int, typer.Option("-k", help="Number of papers.")] = 10,
    weight: Weights = None,
    normaliser: Normaliser = None,
    profile: ProfileName = None,
    year: Annotated[str | None, typer.Option(help="2019:2024, 2019:, :2024 or 2019.")] = None,
    venue: Annotated[list[str] | None, typer.Option(help="Words of a venue; repeatable.")] = None,
    author: Annotated[list[str] | None, typer.Option(help="Words of a name; repeatable.")] = None,
    field: Annotated[list[str] | None, typer.Option(help="Words of a field; repeatable.")] = None,
    paper: Annotated[list[str] | None, typer.Option("--id", help="Paper id; repeatable.")] = None,
    engine: EngineUrl = None,
    index: IndexName = "papers",
    text_field: TextFields = None,
    vector_field: VectorField = "",
    id_field: IdField = "",
    paper_field: PaperField = "",
    model: ModelName = None,
    as_json: AsJson = False,
) -> None:
    """Search a corpus."""
    from workbench.opening import open_corpus

    there = read_engine(
        engine,
        index,
        text_fields=text_field,
        vector_field=vector_field,
        id_field=id_field,
        paper_field=paper_field,
    )
    place, text = folder_and_text(folder, query, there)
    weights, years = read_weights(weight or []), read_years(year)
    with open_corpus(
        place,
        engine=there,
        model=model,
        profile=read_profile(profile, normaliser),
        progress=not as_json,
    ) as bench:
        ranking = bench.search(
            text,
            k,
            weights=weights or None,
            year=years,
            venue=venue or None,
            author=author or None,
            field=field or None,
            ids=paper or None,
        )
        if as_json:
            print_json(ranking.to_dict())
        else:
            print_ranking(ranking)
