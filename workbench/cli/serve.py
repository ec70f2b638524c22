"""`workbench serve`."""

from __future__ import annotations

import gc
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
    VectorType,
    read_engine,
)
from workbench.cli.options import ProfileName, read_profile


def serve(
    folder: OptionalFolder = None,
    profile: ProfileName = None,
    host: Annotated[str, typer.Option(help="Address; another needs a key.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 for any that is free.")] = 8000,
    workers: Annotated[int, typer.Option(help="Processes.")] = 1,
    threads: Annotated[int, typer.Option(help="Of a worker; 0: 2, or 16 over a cluster.")] = 0,
    queue: Annotated[int, typer.Option(help="Requests a worker lets wait; the next: 429.")] = 32,
    seconds: Annotated[float, typer.Option(help="That a request may take.")] = 30.0,
    cache: Annotated[str, typer.Option(help="redis://HOST:PORT, shared by all workers.")] = "",
    preload: Annotated[
        bool, typer.Option("--preload", help="Load everything before the first request.")
    ] = False,
    writer: Annotated[str, typer.Option(help="Of answers: extractive or openai.")] = "extractive",
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Another host without a key, behind a proxy.")
    ] = False,
    name: Annotated[
        list[str] | None, typer.Option(help="Of this service to others, behind a proxy.")
    ] = None,
    log: Annotated[bool, typer.Option(help="A line of JSON a request on stderr.")] = True,
    log_queries: Annotated[
        bool, typer.Option("--log-queries", help="With what was asked.")
    ] = False,
    engine: EngineUrl = None,
    index: IndexName = "papers",
    vectors: VectorType = "flat",
    text_field: TextFields = None,
    vector_field: VectorField = "",
    id_field: IdField = "",
    paper_field: PaperField = "",
    model: ModelName = None,
    runtime: Annotated[str | None, typer.Option(help="How that model is run.")] = None,
) -> None:
    """Serve a corpus: Semantic Scholar's Graph API, search, answers, a page. Ctrl-C ends it.

    WORKBENCH_SERVE_KEY is the key that clients send as x-api-key. SIGHUP replaces the workers.
    """
    gc.disable()  # what importing makes stays; looking for garbage in it is a tenth of the time
    from workbench.profiles import serve_key
    from workbench.serve.options import ServeOptions, on_cluster
    from workbench.serve.supervisor import Supervisor

    gc.enable()
    spec = read_engine(
        engine,
        index,
        vectors,
        text_fields=text_field,
        vector_field=vector_field,
        id_field=id_field,
        paper_field=paper_field,
    )
    options = ServeOptions(
        folder=None if folder is None else str(folder),
        **({} if spec is None else on_cluster(spec)),
        model=model,
        runtime=runtime,
        profile=(read_profile(profile)).to_dict(),
        host=host,
        port=port,
        workers=workers,
        threads=threads,
        queue=queue,
        seconds=seconds,
        cache=cache,
        preload=preload,
        api_key=serve_key(),
        insecure=insecure,
        names=tuple(name or ()),
        log=log,
        log_queries=log_queries,
        writer=writer,
    )
    Supervisor(options, lambda url: typer.echo(f"Serving {url}", err=True)).run()
