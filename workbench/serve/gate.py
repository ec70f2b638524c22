"""What every request passes before a route sees it: its id, the key, limits, the queue, the log.

Plain ASGI: a middleware of Starlette's base class would buffer streams and hide disconnects.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import MutableMapping
from hmac import compare_digest
from typing import Any
from uuid import uuid4

import orjson

from workbench.serve.faults import BUSY, Refused, body, refusal
from workbench.serve.metrics import Meters
from workbench.serve.options import ServeOptions

Scope = MutableMapping[str, Any]

ANCESTOR = "/api/v1/semantic_scholar_api"
"""Where an earlier service of this kind had the API; its clients keep working."""

OPEN = ("/health/", "/metrics", "/static/")
"""What needs no key, beside the page: no word of a paper or a query is in it."""

FREE = ("/health/", "/metrics", "/static/", "/profiles", "/openapi.json", "/docs")
"""What never waits in the queue."""

_GROUPS = (
    ("/graph/v1/paper/search/bulk", "bulk"),
    ("/graph/v1/paper/search/match", "match"),
    ("/graph/v1/paper/search", "paper_search"),
    ("/graph/v1/paper/autocomplete", "autocomplete"),
    ("/graph/v1/paper/batch", "batch"),
    ("/graph/v1/paper/", "paper"),
    ("/graph/v1/author/", "author"),
    ("/graph/v1/snippet/", "snippet"),
    ("/recommendations/", "recommendations"),
    ("/datasets/", "datasets"),
    ("/search", "search"),
    ("/ask", "ask"),
    ("/profiles", "profiles"),
)
_REQUEST_ID = re.compile(r"[\w.-]{1,64}")
_log = logging.getLogger("workbench.serve")


class Gate:
    """The application behind its gate. `draining` makes each answer the last of its connection."""

    def __init__(self, app: Any, options: ServeOptions, meters: Meters) -> None:
        self._app = app
        self._options = options
        self._meters = meters
        self._key = options.api_key.encode()
        self._room = options.many + options.queue
        self.active = 0
        self.draining = False

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request = _Passing(self, scope, receive, send)
        scope["request_id"] = request.id
        try:
            self._check(scope)
            if _starts(scope["path"], FREE) or scope["path"] == "/":
                await self._app(scope, request.receive, request.send)
            else:
                await self._admitted(scope, request)
        except Refused as error:
            await request.refuse(error)
        except Exception as error:
            # Starlette raises again what its routes did not catch, once it has answered.
            _log.exception("request %s failed", request.id)
            await request.refuse(refusal(error))
        finally:
            seconds = time.perf_counter() - started
            self._meters.answered(_group(scope["path"]), request.status, seconds)
            if self._options.log:
                self._write(scope, request, seconds)

    def _check(self, scope: Scope) -> None:
        """Raises Refused for a request that is answered at once."""
        host = next((v for k, v in scope["headers"] if k == b"host"), None)
        if host is not None and not self._options.is_own(host.decode("latin-1")):
            raise Refused(403, "Forbidden: the Host header names another service; --name adds one")
        path = scope["path"]
        if path.startswith(ANCESTOR):
            rest = path.removeprefix(ANCESTOR) or "/"
            known = ("/graph/", "/recommendations/", "/datasets/", "/health")
            path = rest if rest.startswith(known) else f"/graph/v1{rest}"
            path = "/health" if path == "/health" else path
            scope["path"], scope["raw_path"] = path, path.encode()
        if len(path) + len(scope["query_string"]) > self._options.max_url:
            raise Refused(400, f"the URL is longer than {self._options.max_url:,} characters")
        if self._key and not (_starts(path, OPEN) or path in ("/", "/health")):
            given = next((v for k, v in scope["headers"] if k == b"x-api-key"), b"")
            if not compare_digest(given, self._key):
                raise Refused(403, "Forbidden")

    async def _admitted(self, scope: Scope, request: _Passing) -> None:
        """Let a request in where there is room, in a thread or in the queue."""
        if self.active >= self._room:
            raise Refused(429, BUSY)
        self.active += 1
        self._tell()
        try:
            await self._app(scope, request.receive, request.send)
        finally:
            self.active -= 1
            self._tell()

    def _tell(self) -> None:
        self._meters.gauge("in_flight", self.active)
        self._meters.gauge("waiting", max(0, self.active - self._options.many))

    def _write(self, scope: Scope, request: _Passing, seconds: float) -> None:
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "request": request.id,
            "method": scope["method"],
            "path": scope["path"][:200] if self._options.log_queries else _plain(scope["path"]),
            "status": request.status,
            "ms": round(seconds * 1e3, 2),
            "bytes": request.sent,
        }
        if self._options.log_queries:
            line["query"] = scope["query_string"].decode("latin-1")[:2000]
        sys.stderr.write(json.dumps(line) + "\n")


class _Passing:
    """One request on its way: counts what comes in, marks what goes out."""

    def __init__(self, gate: Gate, scope: Scope, receive: Any, send: Any) -> None:
        self._gate, self._receive, self._send = gate, receive, send
        self._most = gate._options.max_body
        self._came = 0
        given = next((v for k, v in scope["headers"] if k == b"x-request-id"), b"")
        text = given.decode("latin-1")
        self.id = text if _REQUEST_ID.fullmatch(text) else uuid4().hex[:16]
        self.status = 0
        self.sent = 0
        length = next((v for k, v in scope["headers"] if k == b"content-length"), b"0")
        self._announced = int(length) if length.isdigit() and len(length) < 20 else 0

    async def receive(self) -> Any:
        if self._announced > self._most:
            raise self._too_large()
        message = await self._receive()
        self._came += len(message.get("body", b""))
        if self._came > self._most:
            raise self._too_large()
        return message

    def _too_large(self) -> Refused:
        # 413 makes clients of the API return nothing, silently.
        return Refused(400, f"the body is larger than {self._most:,} bytes")

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            if self.status:
                return
            self.status = message["status"]
            headers = [*message.get("headers", []), (b"x-request-id", self.id.encode())]
            headers.append((b"x-content-type-options", b"nosniff"))
            if self._gate.draining:
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        else:
            self.sent += len(message.get("body", b""))
        await self._send(message)

    async def refuse(self, error: Refused) -> None:
        """Answer with an error, unless an answer has begun."""
        if self.status:
            return
        content = orjson.dumps(body(error.status, error.message))
        headers = [(b"content-type", b"application/json")]
        headers.append((b"content-length", str(len(content)).encode()))
        if self._announced > self._most:
            headers.append((b"connection", b"close"))  # the rest of the body is not read
        await self.send({"type": "http.response.start", "status": error.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": content})


def _starts(path: str, beginnings: tuple[str, ...]) -> bool:
    return path.startswith(beginnings)


def _group(path: str) -> str:
    if path == "/":
        return "page"
    return next((name for begin, name in _GROUPS if path.startswith(begin)), "other")


def _plain(path: str) -> str:
    """The path without what a person put into it."""
    for begin, _ in _GROUPS:
        if path.startswith(begin):
            rest = path.removeprefix(begin)
            return begin + ("…" if rest.strip("/") else rest)
    return path[:100]
