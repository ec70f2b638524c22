"""The application: all routes behind the gate."""

from __future__ import annotations

import logging
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from workbench.errors import WorkbenchError
from workbench.profiles import model_budget
from workbench.serve.corpus_files import CorpusFiles
from workbench.serve.faults import Refused, as_the_api, body, refusal
from workbench.serve.gate import Gate
from workbench.serve.graph.openapi import Described
from workbench.serve.graph.routes import add_graph
from workbench.serve.metrics import Meters
from workbench.serve.options import ServeOptions
from workbench.serve.own import add_own
from workbench.serve.service import Service

_log = logging.getLogger("workbench.serve")
_VERSION = str(import_module("workbench").__version__)
"""The package itself stands above all rooms; its number is all that is read of it."""

API = ("/graph/", "/recommendations/", "/datasets/")
ABOUT = """A corpus of papers: Semantic Scholar's Academic Graph API (`/graph/v1`), and the
workbench's own search and answers. What the corpus does not know is null."""


def make_app(
    options: ServeOptions,
    meters: Meters | None = None,
    folder: Path | None = None,
    files: CorpusFiles | None = None,
) -> tuple[Gate, Service]:
    """The application of one worker, and what it computes with. `folder` is the service's own, for
    what its workers share; without it, pages of a search are not held to one state of the corpus.
    `files` are the corpus's, as they were looked at before.
    """
    meters = Meters() if meters is None else meters
    service = Service(options, meters, folder, files)
    app = Described(
        title="Paper Search Workbench",
        version=_VERSION,
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a 307 is none of the API's codes
    )
    facts: dict[str, Any] = {
        "version": _VERSION,
        "workers": options.workers,
        "threads": options.many,
        "queue": options.queue,
        "budget": model_budget(),
    }
    add_graph(app, service)
    add_own(app, service, facts)

    async def answer_fault(request: Request, error: Exception) -> Response:
        refused = _as_refused(error)
        if refused.status in (500, 503) and isinstance(error, WorkbenchError):
            _log.error("request %s failed: %s", request.scope.get("request_id"), error)
        if request.scope["path"].startswith(API):
            refused = as_the_api(refused)
        content = orjson.dumps(body(refused.status, refused.message))
        return Response(content, refused.status, media_type="application/json")

    for kind in (Refused, WorkbenchError, HTTPException, Exception):
        app.add_exception_handler(kind, answer_fault)
    return Gate(app, options, meters), service


def _as_refused(error: Exception) -> Refused:
    """What a route raised, or the framework for a path or method that is not there."""
    if isinstance(error, HTTPException):
        status = error.status_code if error.status_code in (404, 405) else 400
        return Refused(status, str(error.detail))
    return refusal(error)
