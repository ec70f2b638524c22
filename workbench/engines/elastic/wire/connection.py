"""The connection to a cluster: credentials, retries, time-outs, a circuit breaker, typed errors."""

from __future__ import annotations

import json
import random
import time
import tomllib
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from workbench.engines.elastic.spec import ClusterSpec, checked_urls
from workbench.engines.elastic.wire.failures import from_status, from_transport
from workbench.errors import (
    ClusterBusy,
    ClusterTimeout,
    ClusterUnavailable,
    MissingDependency,
    ProfileError,
    WorkbenchError,
)
from workbench.profiles import elastic_environment
from workbench.system.breaker import Breaker
from workbench.system.deadline import check_deadline, seconds_left
from workbench.system.fork import Lock, abandon, renew_in_children

SECRETS = ("api_key", "user", "password", "cloud_id", "ca_certs")
ATTEMPTS = 3
"""Of a request whose connection was lost; a time-out is not tried again."""

REJECTED_ATTEMPTS = 7
"""Of searches that a busy cluster rejects: some six seconds."""

_JSON = "application/vnd.elasticsearch+json; compatible-with=8"
_NDJSON = "application/vnd.elasticsearch+x-ndjson; compatible-with=8"
SMILE = "application/vnd.elasticsearch+smile"


class Connection:
    """Requests to one cluster. Safe to share between threads; connects on the first request.

    Raises the errors of `failures`; a query after an outage works as soon as the cluster is back.
    """

    def __init__(self, spec: ClusterSpec) -> None:
        self.spec = spec
        self.urls, self._options = _settings(spec)
        self._lock = Lock()
        self._client: Any = None
        self._breaker = Breaker()
        self.several_shards = spec.shards > 1
        self.session = f"workbench-{uuid4().hex[:12]}"
        renew_in_children(self)

    def after_fork(self) -> None:
        """A forked child connects anew: two processes on one socket would get each other's
        answers."""
        abandon(self._client)
        self._client = None

    def __repr__(self) -> str:
        return f"Connection({self.where!r})"

    @property
    def where(self) -> str:
        """URL and index, for messages; no secret is part of it."""
        place = ", ".join(self.urls) if self.urls else "the cluster of WORKBENCH_ES_CLOUD_ID"
        return f"{place}, index {self.spec.index!r}"

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        kind: str = _JSON,
        timeout: float | None = None,
        missing_ok: bool = False,
        exists_ok: bool = False,
    ) -> Any:
        """The answer's body. With `missing_ok` a 404 gives None instead of an error; with
        `exists_ok` so does the refusal to make an index that is there."""
        refused = self._breaker.refused_for()
        if refused:
            raise ClusterUnavailable(
                f"{self.where}: it did not answer the last requests; the next try is in "
                f"{refused:.1f} s"
            )
        seconds = max(0.05, seconds_left(self.spec.timeout if timeout is None else timeout))

        def forgiven(status: int, reason: str) -> bool:
            there = exists_ok and reason == "resource_already_exists_exception"
            return there or (missing_ok and status == 404)

        for attempt in range(ATTEMPTS):
            check_deadline()
            try:
                answer = self._once(method, path, body, params, kind, seconds, forgiven)
            except ClusterUnavailable as error:
                away = isinstance(error.__cause__, Exception)
                if away:
                    self._breaker.failed()
                if isinstance(error, ClusterTimeout) or attempt + 1 == ATTEMPTS:
                    raise
            except ClusterBusy:
                if attempt + 1 == ATTEMPTS:
                    raise
            except WorkbenchError:
                self._breaker.succeeded()  # it answered, if not with what was wanted
                raise
            else:
                self._breaker.succeeded()
                return answer
            _wait(attempt)
        raise AssertionError("every attempt returned or raised")

    def searches(self, requests: Sequence[Mapping[str, Any]], index: str) -> list[dict[str, Any]]:
        """Several searches in one round trip, in order; the first that failed is raised.

        Those that a busy cluster rejects are asked again, alone and one after the other.
        """
        answers: dict[int, dict[str, Any]] = {}
        for attempt in range(REJECTED_ATTEMPTS):
            left = [place for place in range(len(requests)) if place not in answers]
            busy: ClusterBusy | None = None
            found = self._searched([requests[place] for place in left], index, gently=attempt > 0)
            for place, response in zip(left, found, strict=True):
                if "error" not in response:
                    response.setdefault("hits", {}).setdefault("hits", [])  # left out where empty
                    answers[place] = response
                    continue
                error = self.failure(int(response.get("status", 500)), response)
                if not isinstance(error, ClusterBusy):
                    raise error
                busy = busy or error
            if busy is None:
                break
            if attempt + 1 == REJECTED_ATTEMPTS:
                raise busy
            _wait(attempt)
        return [answers[place] for place in range(len(requests))]

    def _searched(
        self, requests: Sequence[Mapping[str, Any]], index: str, *, gently: bool
    ) -> list[dict[str, Any]]:
        header = {"index": index, "allow_partial_search_results": False}
        # All round trips of a query ask the same copy: a copy with deleted documents counts them.
        header["preference"] = self.session
        if self.several_shards:
            header["search_type"] = "dfs_query_then_fetch"  # document frequencies of all shards
        first = json.dumps(header)
        lines = [line for r in requests for line in (first, json.dumps(r, ensure_ascii=False))]
        answer = self.call(
            "POST",
            "/_msearch",
            ("\n".join(lines) + "\n").encode("utf-8", errors="replace"),
            params={
                "filter_path": "responses.hits.hits._id,responses.hits.hits._score,"
                "responses.hits.hits.fields,"
                "responses.hits.hits._source,responses.hits.hits.matched_queries,"
                "responses.hits.total,responses.aggregations,responses.error,responses.status",
                "include_named_queries_score": "true",
                **({"max_concurrent_searches": 1} if gently else {}),
            },
            kind=_NDJSON,
        )
        return list(answer["responses"])

    def bulk(self, parts: Iterable[bytes], index: str, *, timeout: float = 60.0) -> dict[str, Any]:
        """Send encoded SMILE parts (`smile.document`); the answer with an item a document."""
        answer: dict[str, Any] = self.call(
            "POST",
            f"/{index}/_bulk",
            b"".join(parts),
            params={"filter_path": "errors,items.*._id,items.*.status,items.*.error"},
            kind=f"{SMILE}; compatible-with=8",
            timeout=max(timeout, self.spec.timeout),
        )
        return answer

    def version(self) -> tuple[int, ...]:
        """The lowest version among the nodes. Raises the connection's errors."""
        path = {"filter_path": "nodes.*.version"}
        nodes = self.call("GET", "/_nodes/_all/info", params=path).get("nodes", {})
        versions = [str(node["version"]) for node in nodes.values()]
        if not versions:  # hosted clusters may hide their nodes
            versions = [str(self.call("GET", "/")["version"]["number"])]
        return min(tuple(int(p) for p in v.split("-")[0].split(".")[:3]) for v in versions)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _once(
        self,
        method: str,
        path: str,
        body: Any,
        params: Mapping[str, Any] | None,
        kind: str,
        seconds: float,
        forgiven: Callable[[int, str], bool],
    ) -> Any:
        from elastic_transport import TransportError
        from elasticsearch import ApiError, UnsupportedProductError

        headers = {"accept": _JSON}
        if body is not None:
            headers["content-type"] = kind
        client = self._connected().options(request_timeout=seconds)
        try:
            answer = client.perform_request(method, path, params=params, headers=headers, body=body)
        except UnsupportedProductError as error:
            raise ProfileError(
                f"{self.where}: this server is not Elasticsearch; give the URL of one"
            ) from error
        except ApiError as error:
            if forgiven(error.meta.status, error.error):
                return None
            location = error.meta.headers.get("location") or ""
            raise self.failure(error.meta.status, error.body, location) from None
        except TransportError as error:
            raise from_transport(error, self.where, seconds) from error
        return answer.body

    def failure(self, status: int, body: Any, location: str = "") -> WorkbenchError:
        """`from_status` with this connection's place, and without its secrets."""
        return from_status(status, body, self.where, location, secrets_of(self._options))

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = _client(self.urls, self._options)
            return self._client


def _wait(attempt: int) -> None:
    time.sleep(0.1 * 2**attempt * (0.5 + random.random()))  # noqa: S311, jitter


def _settings(spec: ClusterSpec) -> tuple[tuple[str, ...], dict[str, str]]:
    """URLs and secrets: from the environment, then from the file that is named."""
    found = elastic_environment()
    file = spec.credentials or found.get("credentials", "")
    values = {**(_read_file(Path(file).expanduser()) if file else {}), **found}
    unfit = {"api_key", "user"} & set(values)
    if len(unfit) == 2:
        raise ProfileError("both an API key and a user are given for Elasticsearch; give one")
    urls = spec.urls or checked_urls(values.get("url", ""))
    if not urls and "cloud_id" not in values:
        raise ProfileError(
            "no cluster is named; give wb.Elasticsearch('http://localhost:9200'), or set "
            "WORKBENCH_ES_URL or WORKBENCH_ES_CLOUD_ID"
        )
    if authority := values.get("ca_certs"):
        _check_authority(authority, urls)
    return urls, {name: values[name] for name in SECRETS if name in values}


def _check_authority(file: str, urls: Sequence[str]) -> None:
    """Raises ProfileError for a file that holds no certificate, or URLs that use none."""
    plain = [url for url in urls if urlsplit(url).scheme != "https"]
    if plain:
        raise ProfileError(
            f"WORKBENCH_ES_CA_CERTS is set ({file}), but {plain[0]} does not use certificates; "
            "give a URL with https://, or unset it"
        )
    import ssl

    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:  # also ssl.SSLError
        raise ProfileError(
            f"WORKBENCH_ES_CA_CERTS names {file}, which cannot be read as certificates "
            f"({error.strerror or type(error).__name__}); give a PEM file of the authority"
        ) from None


def secrets_of(options: Mapping[str, str]) -> tuple[str, ...]:
    """Credentials in each form in which a server may repeat them, longest first."""
    plain = [options[name] for name in ("api_key", "password") if options.get(name)]
    pair = f"{options.get('user', '')}:{options.get('password', '')}"
    plain += [pair] if "password" in options else []
    coded = [b64encode(text.encode()).decode() for text in plain]
    return tuple(sorted({*plain, *coded}, key=len, reverse=True))


def _read_file(path: Path) -> dict[str, str]:
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        kind = type(error).__name__  # the text of a parse error may quote a secret
        raise ProfileError(f"{path}: not a readable TOML file ({kind})") from None
    unknown = sorted(set(values) - {*SECRETS, "url"})
    if unknown or not all(isinstance(value, str) for value in values.values()):
        raise ProfileError(
            f"{path}: {', '.join(unknown) or 'a value'} is not a text of these: url, "
            f"{', '.join(SECRETS)}"
        )
    return values


def _client(urls: tuple[str, ...], options: Mapping[str, str]) -> Any:
    try:
        from elastic_transport import JsonSerializer
        from elasticsearch import Elasticsearch as Client
    except ImportError:
        raise MissingDependency(
            "Elasticsearch needs its client; pip install 'elasticsearch>=8.19,<9'"
        ) from None
    settings: dict[str, Any] = {
        "serializers": {SMILE: JsonSerializer()},  # passes bytes on as they are
        "max_retries": max(0, len(urls) - 1),
        "retry_on_status": (),
        "connections_per_node": 16,
    }
    if "cloud_id" in options and not urls:
        settings["cloud_id"] = options["cloud_id"]
    else:
        settings["hosts"] = [_with_port(url) for url in urls]
    if "api_key" in options:
        settings["api_key"] = options["api_key"]
    if "user" in options:
        settings["basic_auth"] = (options["user"], options.get("password", ""))
    if "ca_certs" in options:
        settings["ca_certs"] = options["ca_certs"]
    return Client(**settings)


def _with_port(url: str) -> str:
    """The client wants a port: Elasticsearch's own for http, the standard one for https."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 9200)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{port}{parts.path}"
