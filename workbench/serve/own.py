"""The workbench's own verbs over HTTP: search, ask, profiles; health, metrics, a page."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from workbench.engines.filters import make_filters
from workbench.errors import DeadlineExceeded, ProfileError
from workbench.profiles import Profile, list_profiles
from workbench.qa.events import event_to_dict
from workbench.qa.stream import AnswerStream
from workbench.serve.faults import Refused, body, refusal
from workbench.serve.graph.filters import listed, read_years
from workbench.serve.graph.parameters import QUERY, Parameter, read_parameters
from workbench.serve.graph.schemas import UNAVAILABLE, Message, described
from workbench.serve.metrics import exposition
from workbench.serve.service import Service
from workbench.serve.serving import Opened
from workbench.system.deadline import Deadline, limited

JSON = "application/json"
STATIC = Path(__file__).parent / "static"
_FILES = {"page.css": "text/css", "page.js": "text/javascript"}

_FILTERS = (
    Parameter("year", about="2019, 2016-2020, 2010- or -2015."),
    Parameter("venue", about="Words of venues, with commas; any of them."),
    Parameter("author", about="Words of names, with commas; any of them."),
    Parameter("field", about="Words of fields, with commas; any of them."),
    Parameter("ids", about="Paper ids with commas."),
)
_SETTINGS = (
    Parameter("weights", about="dense=0.7,bm25=0.3; those left out share the rest to 1."),
    Parameter("profile", about="A name that /profiles has; the served one without."),
)
SEARCH = (
    QUERY,
    Parameter("k", "whole", "How many papers.", 10, 1, 1000),
    *_SETTINGS,
    *_FILTERS,
    Parameter("explain", "flag", "Every term's part in each hit; takes no value."),
)
ASK = (
    Parameter("question", about="What to ask.", required=True),
    Parameter("words", "whole", "Words that are quoted at most.", 300, 10, 5000),
    *_SETTINGS,
    *_FILTERS,
    Parameter("stream", about="false for the whole answer as JSON; events else."),
)


def add_own(app: FastAPI, service: Service, facts: dict[str, Any]) -> None:
    """The routes of the workbench itself. `facts` are about the service: version, workers."""

    def add(
        path: str,
        work: Any,
        about: str,
        answer: dict[str, Any],
        more: Any = (),
        other: Mapping[int | str, dict[str, Any]] = MappingProxyType({}),
    ) -> None:
        app.add_api_route(
            path,
            work,
            methods=["GET"],
            response_model=None,
            response_class=Response,
            summary=about,
            responses={**described(about, answer), **other},
            openapi_extra={"parameters": [known.openapi() for known in more]},
            operation_id=path.strip("/").replace("/", "_").replace(".", "_") or "page",
            tags=["workbench"],
        )

    anything = {JSON: {"schema": {"type": "object"}}}
    events = {"text/event-stream": {}, **anything}
    told = {JSON: {"schema": Message.model_json_schema()}}
    unavailable: dict[int | str, dict[str, Any]] = {
        503: {"description": UNAVAILABLE, "content": told}
    }
    not_ready: dict[int | str, dict[str, Any]] = {
        503: {"description": UNAVAILABLE, "content": anything}
    }

    async def search(request: Request) -> Response:
        values = read_parameters(request, SEARCH)
        key = "search", repr(sorted(values.items(), key=lambda item: item[0]))
        content = await service.answer(key, partial(_search, service, values))
        return Response(content, media_type=JSON)

    async def ask(request: Request) -> Response:
        values = read_parameters(request, ASK)
        if values["stream"] == "false":
            key = "ask", repr(sorted(values.items(), key=lambda item: item[0]))
            content = await service.answer(key, partial(_answer, service, values))
            return Response(content, media_type=JSON)
        stream = await service.compute(("begin", id(request)), partial(_begin, service, values))
        return StreamingResponse(
            _events(service, stream),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    async def profiles(_: Request) -> Response:
        return Response(orjson.dumps(_profiles(service)), media_type=JSON)

    async def live(_: Request) -> Response:
        return Response(orjson.dumps({"status": "live"}), media_type=JSON)

    async def ready(_: Request) -> Response:
        status = 503 if service.away else 200
        return Response(orjson.dumps(_ready(service, facts)), status, media_type=JSON)

    async def health(_: Request) -> Response:
        found = _ready(service, facts)
        return Response(orjson.dumps({**found, "status": "healthy"}), media_type=JSON)

    async def metrics(_: Request) -> Response:
        known = service.serving.known
        about = {"version": facts["version"], "fingerprint": known.fingerprint if known else ""}
        content = exposition(service.meters.board, about)
        return Response(content, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def page(_: Request) -> Response:
        return FileResponse(STATIC / "page.html", media_type="text/html", headers=_POLICY)

    async def static(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _FILES:
            raise Refused(404, "Not Found")
        return FileResponse(STATIC / name, media_type=_FILES[name], headers=_POLICY)

    add("/search", search, "Papers with each signal's share of their score.", anything, SEARCH,
        unavailable)  # fmt: skip
    add("/ask", ask, "An answer made of quotes, as server-sent events or as JSON.", events, ASK,
        unavailable)  # fmt: skip
    add("/profiles", profiles, "The profiles that a request may name.", anything)
    add("/health/live", live, "Whether the worker runs.", anything)
    add("/health/ready", ready, "What is served, what is loaded, what it may take.", anything,
        other=not_ready)  # fmt: skip
    add("/health", health, "The same, as an earlier service answered.", anything)
    add("/metrics", metrics, "Numbers of all workers, for Prometheus.",
        {"text/plain": {"schema": {"type": "string"}}})  # fmt: skip
    app.add_api_route("/", page, methods=["GET"], include_in_schema=False, response_model=None)
    app.add_api_route(
        "/static/{name}", static, methods=["GET"], include_in_schema=False, response_model=None
    )


_POLICY = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}


def _profile(service: Service, values: dict[str, Any]) -> Profile:
    """The profile that a request names, or the served one."""
    name = values["profile"]
    if not name:
        return service.profile
    if name not in list_profiles():
        known = ", ".join(list_profiles())
        raise Refused(400, f"there is no profile {name[:64]!r}; there are {known}")
    try:
        return Profile.named(name)
    except ProfileError as error:
        raise Refused(400, f"the file of profile {name!r} is damaged; give another") from error


def _weights(text: str | None) -> dict[str, float] | None:
    """The weights that a request gives; None where it gives none."""
    weights: dict[str, float] = {}
    for part in listed(text):
        name, mark, number = part.partition("=")
        try:
            weights[name.strip()] = float(number)
        except ValueError:
            mark = ""
        if not mark:
            raise Refused(400, f"weights has {part[:60]!r}; write dense=0.7,bm25=0.3")
    return weights or None


def _filters(values: dict[str, Any]) -> Any:
    year = None if values["year"] is None else read_years(values["year"])
    names: dict[str, Any] = {
        name: listed(values[name]) or None for name in ("venue", "author", "field", "ids")
    }
    return make_filters(year=year, **names)


def _search(service: Service, values: dict[str, Any], state: Opened) -> bytes:
    found = state.ranking(values["query"], _filters(values), _profile(service, values))
    ranking = found.reweigh(_weights(values["weights"]), k=values["k"])
    content = ranking.to_dict()
    for hit, record in zip(ranking, content["hits"], strict=True):
        record |= {"abstract": hit.paper.abstract, "doi": hit.paper.doi, "url": hit.paper.url}
    if values["explain"]:
        for hit, record in zip(ranking, content["hits"], strict=True):
            record["terms"] = {
                signal: {term: float(part) for term, part in parts.items()}
                for signal, parts in ranking.explain(hit).terms.items()
            }
    return orjson.dumps({**content, "corpus": state.fingerprint})


def _begin(service: Service, values: dict[str, Any], state: Opened) -> AnswerStream:
    return state.bench.ask(
        values["question"],
        stream=True,
        words=values["words"],
        writer=service.options.writer,
        profile=_profile(service, values),
        weights=_weights(values["weights"]),
        filters=_filters(values),
        seconds=service.options.seconds,
    )


def _answer(service: Service, values: dict[str, Any], state: Opened) -> bytes:
    answer = _begin(service, values, state).finish()
    return orjson.dumps(answer.to_dict(), default=str)


async def _events(service: Service, stream: AnswerStream) -> AsyncIterator[bytes]:
    """The events of an answer as they are made; none is made once the client is gone."""
    deadline = Deadline(service.options.seconds)
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    def put(content: bytes | None) -> None:
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(queue.put_nowait, content)

    def make() -> None:
        try:
            with limited(deadline):
                for event in stream:
                    deadline.check()
                    values = event_to_dict(event)
                    put(_event(str(values["kind"]), values))
        except DeadlineExceeded as error:
            put(_event("error", body(504, str(error))))
        except Exception as error:
            refused = refusal(service.serving.explained(error))
            put(_event("error", body(refused.status, refused.message)))
        finally:
            put(None)

    thread = threading.Thread(target=make, name="ask", daemon=True)
    thread.start()
    try:
        while (content := await queue.get()) is not None:
            yield content
    finally:
        stream.stop()
        deadline.cancel()


def _event(kind: str, values: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + orjson.dumps(values, default=str) + b"\n\n"


def _profiles(service: Service) -> dict[str, Any]:
    served = service.profile
    named = {}
    for name in list_profiles():
        with suppress(ProfileError):  # a file of a person's own that cannot be read
            named[name] = Profile.named(name).to_dict()
    return {"served": served.to_dict(), "fingerprint": served.fingerprint, "profiles": named}


def _ready(service: Service, facts: dict[str, Any]) -> dict[str, Any]:
    known = service.serving.known
    corpus: dict[str, Any] = {"open": False}
    if known is not None:
        manifest = known.engine.manifest
        corpus = {
            "open": True,
            "fingerprint": known.fingerprint,
            "generation": manifest.generation,
            "papers": manifest.papers,
            "passages": manifest.passages,
            "model": manifest.model,
            "loaded": known.bench.loaded(),
        }
    redis = service.redis
    cache = "memory" if redis is None else "redis, away" if redis.away else "redis"
    return {
        "status": service.away or "ready",
        **facts,
        "profile": service.profile.name,
        "cache": cache,
        "corpus": corpus,
    }
