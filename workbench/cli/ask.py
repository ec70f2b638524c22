"""`workbench ask`."""

from __future__ import annotations

import json
import sys
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
from workbench.cli.options import AsJson, ProfileName, read_profile
from workbench.cli.printing import print_json, say


def ask(
    folder: OptionalFolder = None,
    question: Annotated[str | None, typer.Argument(help="What to ask.", show_default=False)] = None,
    writer: Annotated[
        str, typer.Option(help="extractive (no model), openai or local.")
    ] = "extractive",
    words: Annotated[int, typer.Option(help="Words that are quoted at most.")] = 300,
    profile: ProfileName = None,
    seconds: Annotated[float, typer.Option(help="Seconds that writing may take.")] = 120.0,
    mark: Annotated[bool, typer.Option(help="Mark what has no support, don't drop it.")] = False,
    insist: Annotated[bool, typer.Option(help="Answer from thin evidence too.")] = False,
    stream: Annotated[bool, typer.Option("--stream", help="Print sentences as they come.")] = False,
    engine: EngineUrl = None,
    index: IndexName = "papers",
    text_field: TextFields = None,
    vector_field: VectorField = "",
    id_field: IdField = "",
    paper_field: PaperField = "",
    model: ModelName = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question with quotes from a corpus. Exit code 3 where the corpus has no answer.

    With --stream and --json, one event a line.
    """
    from workbench.opening import open_corpus
    from workbench.qa.events import event_to_dict

    there = read_engine(
        engine,
        index,
        text_fields=text_field,
        vector_field=vector_field,
        id_field=id_field,
        paper_field=paper_field,
    )
    place, text = folder_and_text(folder, question, there)
    with open_corpus(
        place,
        engine=there,
        model=model,
        profile=read_profile(profile),
        progress=not as_json,
    ) as bench:
        events = bench.ask(
            text,
            stream=True,
            writer=writer,
            words=words,
            seconds=seconds,
            unsupported="mark" if mark else "drop",
            insist=insist,
        )
        if stream:
            for event in events:
                if as_json:
                    typer.echo(json.dumps(event_to_dict(event), ensure_ascii=False))
                else:
                    _print_event(event)
        answer = events.finish()
        if not stream and as_json:
            print_json(answer.to_dict())
        elif not stream:
            say(answer)
        elif not as_json:
            say("\n".join(str(answer).splitlines()[-len(answer.paper_ids) :]))
    if not answer.complete:
        sys.exit(130)
    if answer.declined:
        sys.exit(3)


def _print_event(event: object) -> None:
    """A line for a sentence or a stage that is done, the latter to stderr."""
    from workbench.qa.events import Closed, Declined, Found, Outlined, Wrote

    if isinstance(event, Found):
        say(f"{len(event.sources)} passages found", err=True)
    elif isinstance(event, Outlined):
        for quote in event.outline.tldr:
            say(f"* {quote.text} [{quote.id[1:]}]")
    elif isinstance(event, Wrote):
        marks = "".join(f"[{name[1:]}]" for name in event.sentence.citations)
        say(f"  {event.sentence.text} {marks}")
    elif isinstance(event, Closed):
        say(f"section {event.section + 1} by {event.writer}", err=True)
    elif isinstance(event, Declined):
        say(f"No answer: {event.reason}")
