"""The API's paths as routes of an application."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from workbench.serve.faults import Refused
from workbench.serve.graph.asked import Asked
from workbench.serve.graph.datasets import DATASETS
from workbench.serve.graph.identity import MOST_ID
from workbench.serve.graph.parameters import read_parameters
from workbench.serve.graph.paths import PATHS, Path
from workbench.serve.graph.schemas import Body, described
from workbench.serve.service import Service
from workbench.serve.serving import Opened

JSON = "application/json"
_NAMES = re.compile(r"\{(\w+)")


def add_graph(app: FastAPI, service: Service) -> None:
    """Every path of the API, with its OpenAPI description."""
    for path in (*PATHS, *DATASETS):
        named = [_in_path(name) for name in _NAMES.findall(path.path)]
        extra: dict[str, Any] = {
            "parameters": [*named, *(known.openapi() for known in path.parameters)]
        }
        app.add_api_route(
            path.path,
            _handler(service, path),
            methods=["POST" if path.body else "GET"],
            response_model=None,
            response_class=Response,
            responses=described(path.about),
            openapi_extra=extra,
            summary=path.about,
            description=(path.work.__doc__ or "").strip(),
            operation_id=path.work.__name__ + path.path.replace("/", "_"),
            tags=[path.path.split("/")[1]],
        )


def _in_path(name: str) -> dict[str, Any]:
    """A part of the path as OpenAPI describes it."""
    schema = {"type": "string", "minLength": 1, "maxLength": MOST_ID}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _handler(service: Service, path: Path) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        values = read_parameters(request, path.parameters)
        values |= request.path_params
        if path.body is not None:
            values |= await _read_body(request, path.body)
        caller = request.client.host if request.client else ""

        def work(state: Opened) -> bytes:
            asked = Asked(state, service.profile, service.pages, values, caller)
            return orjson.dumps(path.work(asked))

        # A list with more pages belongs to who began it; all else is the same for everybody.
        key: tuple[Any, ...] = path.path, tuple(sorted((k, repr(v)) for k, v in values.items()))
        if not path.kept:
            key = (*key, caller)
        return Response(await service.answer(key, work, kept=path.kept), media_type=JSON)

    return handle


async def _read_body(request: Request, kind: type[Body]) -> dict[str, Any]:
    """The members of a JSON body. Raises Refused (400)."""
    try:
        given = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"the body is no JSON ({error})") from None
    if not isinstance(given, dict):
        raise Refused(400, "the body is no JSON object")
    values: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        items = given.get(name)
        if items is None and not field.is_required():
            values[name] = []
            continue
        most = next(m.max_length for m in field.metadata if hasattr(m, "max_length"))
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise Refused(400, f"{name} is missing, or no list of texts")
        if not items and field.is_required():
            raise Refused(400, f"{name} is empty; give at least one")
        if len(items) > most:
            raise Refused(400, f"{name} has {len(items):,} values, the limit is {most:,}")
        values[name] = items
    if unknown := sorted(set(given) - set(kind.model_fields)):
        raise Refused(
            400, f"Unacceptable members of the body: {', '.join(map(str, unknown))[:200]}"
        )
    return values
