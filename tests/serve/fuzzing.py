"""Requests of random parts, as no client would write them, and what came back."""

from __future__ import annotations

import json
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, RemoteDisconnected
from urllib.parse import quote_from_bytes

from workbench.serve.gate import ANCESTOR
from workbench.serve.graph.datasets import DATASETS
from workbench.serve.graph.paths import PATHS
from workbench.serve.own import ASK, SEARCH

DOCUMENTED = frozenset((200, 400, 403, 404, 405, 429, 504))
"""Every code that a request can be answered with, but for a fault of the service."""

_OWN = {
    "/search": SEARCH,
    "/ask": ASK,
    "/profiles": (),
    "/metrics": (),
    "/health/ready": (),
    "/": (),
}
_KNOWN = {path.path: path.parameters for path in (*PATHS, *DATASETS)} | _OWN
_PARAMETERS = sorted({known.name for some in _KNOWN.values() for known in some})
_TEXTS = (
    "late interaction", "title", "title,authors.name", "paperId", "2019", "2015-2020", ":2019-03",
    "SIGIR", "10.1145/3511808.3557325", "DOI:10.1/x", "CorpusId:12345", "ARXIV:2205.09707",
    "dense=0.7", '"a b"~3', "(a | b) -c", "a*", "NEAR(a, 3)", "'; DROP TABLE papers; --",
    "<script>", "../../etc/passwd", "%s%n", "{}", "null", "true", "-1", "0", "9" * 30, "1e9", "NaN",
    "a" * 3000, "\x00", "\u202e", "é", "e\u0301", "🧪", " ", "",
)  # fmt: skip
_METHODS = ("GET",) * 12 + ("POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW")


def fuzz(url: str, count: int, seed: int = 0, threads: int = 4) -> tuple[Counter[int], list[str]]:
    """`count` requests to a service: answers by status, and what is wrong with any."""
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(lambda n: _some(url, count // threads, seed + n), range(threads)))
    statuses: Counter[int] = Counter()
    for found, _ in parts:
        statuses.update(found)
    return statuses, [fault for _, faults in parts for fault in faults]


def _some(url: str, count: int, seed: int) -> tuple[Counter[int], list[str]]:
    draw = random.Random(seed)
    connection = HTTPConnection(url.removeprefix("http://"), timeout=120)
    statuses: Counter[int] = Counter()
    faults: list[str] = []
    for _ in range(count):
        method, path, body, headers = _request(draw)
        try:
            try:
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
            except RemoteDisconnected:  # the kept connection was over
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
            content = answer.read()
        except OSError as error:
            connection.close()
            faults.append(f"{method} {path[:200]}: {error!r}")
            continue
        statuses[answer.status] += 1
        if wrong := _fault(answer.status, answer.headers.get("content-type", ""), content, method):
            faults.append(f"{method} {path[:200]} {body[:200]!r}: {answer.status}, {wrong}")
    connection.close()
    return statuses, faults


def _fault(status: int, kind: str, content: bytes, method: str) -> str:
    if status not in DOCUMENTED:
        return "no documented code"
    if b"Traceback" in content or b"site-packages" in content:
        return "tells of the program"
    if method == "HEAD":
        return ""
    if status != 200 and kind != "application/json":
        return f"an error as {kind}"
    if kind == "application/json":
        told = json.loads(content)
        if status != 200 and not set(told) <= {"error", "message", "code"}:
            return "an error of another form"
    return ""


def _request(draw: random.Random) -> tuple[str, str, bytes, dict[str, str]]:
    template = draw.choice(list(_KNOWN))
    path = "/".join(
        quote_from_bytes(_text(draw), safe=draw.choice(("", "/:"))) if part[:1] == "{" else part
        for part in template.split("/")
    )
    if draw.random() < 0.05:
        path = draw.choice(
            (f"{ANCESTOR}{path}", f"{path}/", f"//{path}", "/" + quote_from_bytes(_text(draw)))
        )
    own = [known.name for known in _KNOWN[template]]
    names = [draw.choice(own) for _ in range(draw.randint(0, 3))] if own else []
    if "query" in own and draw.random() < 0.8:
        names.append("query")
    if draw.random() < 0.1:
        names.append(draw.choice(_PARAMETERS))
    pairs = [f"{name}={quote_from_bytes(_text(draw))}" for name in names]
    headers = {"x-request-id": draw.choice(("a", "b" * 80, "c d")), "accept": "*/*"}
    body = b""
    post = any(path.body and path.path == template for path in (*PATHS, *DATASETS))
    method = draw.choice(("POST", draw.choice(_METHODS))) if post else draw.choice(_METHODS)
    if method in ("POST", "PUT", "PATCH"):
        body = _body(draw)
        headers["content-type"] = draw.choice(("application/json", "text/plain", "x"))
    return method, path + ("?" + "&".join(pairs) if pairs else ""), body, headers


def _text(draw: random.Random) -> bytes:
    kind = draw.random()
    if kind < 0.7:
        return draw.choice(_TEXTS).encode()
    if kind < 0.85:
        return draw.randbytes(draw.randint(1, 40))
    return " ".join(draw.choice(_TEXTS) for _ in range(3)).encode()


def _body(draw: random.Random) -> bytes:
    texts = [draw.choice(_TEXTS) for _ in range(draw.choice((0, 1, 3, 20, 600)))]
    bodies = (
        json.dumps({"ids": texts}),
        json.dumps({"positivePaperIds": texts, "negativePaperIds": texts[:2]}),
        json.dumps({"ids": draw.choice((None, 1, {}, [1], [[]], "a"))}),
        "[" * draw.choice((10, 2000)),
        json.dumps(draw.choice((None, 1, "a", texts))),
        '{"ids": ["' + "a" * draw.choice((10, 2_000_000)) + '"]}',
    )
    return draw.choice(bodies).encode() if draw.random() < 0.9 else draw.randbytes(50)
