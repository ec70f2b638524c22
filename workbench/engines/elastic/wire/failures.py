"""What a cluster's refusals mean, as errors that name the URL, the index and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from workbench.errors import (
    ClusterBusy,
    ClusterDenied,
    ClusterError,
    ClusterReadOnly,
    ClusterTimeout,
    ClusterTooLarge,
    ClusterUnavailable,
    CorpusMismatch,
    CorpusNotFound,
    ProfileError,
    QueryError,
    WorkbenchError,
)

_AWAY = {408, 502, 503, 504}
_PASSING = (
    "no_shard_available",
    "node_",
    "transport",
    "master_not",
    "unavailable_shards",
    "shard_state",
    "closed",
    "timeout",
    "recover",
)
"""In the types of failures that end when nodes and shards are back."""

_PLAIN_HTTP = ("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
"""What OpenSSL says of an answer that is no TLS."""

_HEADER = re.compile(r"\b(basic|bearer|apikey)[ :]+[\w+/=.:~-]{6,}", re.IGNORECASE)
"""What an Authorization header holds, also of a proxy's own."""


def from_status(
    status: int, body: Any, where: str, location: str = "", secrets: Iterable[str] = ()
) -> WorkbenchError:
    """The error for an answer with a status of 300 or more. `where` names URL and index;
    `location` is where the answer points to; `secrets` are taken out of what the server says, which
    may repeat a request's headers."""
    kind, reason = (_without(text, secrets) for text in _cause(body))
    known = (
        _elsewhere(status, where, location)
        or _unwritable(status, kind, reason, where)
        or _unfit(kind, reason, where)
    )
    return known or _unanswered(status, kind, reason, where)


def _elsewhere(status: int, where: str, location: str) -> WorkbenchError | None:
    if not 300 <= status < 400:
        return None
    parts = urlsplit(location)
    host = parts.netloc.rpartition("@")[2]  # whatever stands before it may be a secret
    place = f" to {parts.scheme}://{host}" if host else ""
    return ProfileError(
        f"{where}: the server redirects{place} (status {status}), which is not followed; give the "
        "URL where Elasticsearch itself answers"
    )


def _unwritable(status: int, kind: str, reason: str, where: str) -> WorkbenchError | None:
    if "cluster_block" in kind and status in (403, 429):
        return ClusterReadOnly(
            f"{where}: the index is blocked ({reason}); free disk space on the nodes if a "
            "flood-stage watermark set this, then remove index.blocks.read_only_allow_delete or "
            "index.blocks.write (of the cluster: cluster.blocks.*), and run the same again"
        )
    if status == 401:
        return ClusterDenied(
            f"{where}: the cluster does not accept these credentials ({reason or 'status 401'}); "
            "set WORKBENCH_ES_API_KEY, or WORKBENCH_ES_USER and WORKBENCH_ES_PASSWORD"
        )
    if status == 403:
        return ClusterDenied(
            f"{where}: the cluster does not allow this ({reason or 'status 403'}); use credentials "
            "with the privileges that docs/elasticsearch.md lists"
        )
    if status == 413:
        return ClusterTooLarge(
            f"{where}: a request is larger than the cluster, or a proxy before it, takes (413); "
            "send less at once with wb.Elasticsearch(bulk_bytes=...), or raise "
            "http.max_content_length (nginx: client_max_body_size)"
        )
    return None


def _unfit(kind: str, reason: str, where: str) -> WorkbenchError | None:
    if "index_not_found" in kind:
        return CorpusNotFound(
            f"{where}: no such index on this cluster; check the name, or make it with "
            "wb.open(folder, engine=...) or wb.index(source, into=...)"
        )
    if "more than one indices" in reason or "has more than one" in reason:
        return CorpusMismatch(
            f"{where}: an alias over several indices ({reason}); name one of the indices"
        )
    if "too_many" in kind or "maxClauseCount" in reason:
        return QueryError(f"{where}: the query has too many words for this cluster ({reason})")
    return None


def _unanswered(status: int, kind: str, reason: str, where: str) -> WorkbenchError:
    if status == 429 or "rejected_execution" in kind or "circuit_breaking" in kind:
        return ClusterBusy(
            f"{where}: the cluster rejects requests ({reason or 'status 429'}); send fewer at "
            "once, or wait and run the same again: what was stored stays"
        )
    if status in _AWAY or (status >= 500 and _passes(kind, reason)):
        return ClusterUnavailable(
            f"{where}: the cluster answers but cannot search this index ({kind or status}: "
            f"{reason or 'no detail'}); see GET _cluster/health, wait until it is yellow or "
            "green, and ask again"
        )
    if status < 500 and _SEARCH in kind:
        return QueryError(
            f"{where}: the cluster refuses this search for good ({reason}); ask for less, or "
            "change the setting or the field that the reason names"
        )
    return ClusterError(f"{where}: status {status}, {kind or 'no type'}: {reason or 'no reason'}")


def _passes(kind: str, reason: str) -> bool:
    """Whether waiting may help. A search without any shard fails without a cause of its own."""
    causes = [part for part in kind.split() if part != _SEARCH]
    if not causes:
        return "all shards failed" in reason or not kind
    return any(sign in cause for cause in causes for sign in _PASSING)


_SEARCH = "search_phase_execution_exception"


def from_transport(error: Exception, where: str, timeout: float) -> WorkbenchError:
    """The error where no answer came at all."""
    from elastic_transport import ConnectionTimeout, TlsError

    said = str(getattr(error, "message", error))
    if isinstance(error, ConnectionTimeout):
        return ClusterTimeout(
            f"{where}: no answer within {timeout:g} s; the cluster may be overloaded: ask again, "
            "or give more time with wb.Elasticsearch(timeout=...)"
        )
    if isinstance(error, TlsError):
        if any(sign in said for sign in _PLAIN_HTTP):
            return ProfileError(
                f"{where}: this port answers without TLS; give its URL with http://, or the port "
                "that speaks https"
            )
        return ClusterDenied(
            f"{where}: its certificate is not trusted ({_certificate(said)}); set "
            "WORKBENCH_ES_CA_CERTS to the file of the authority that signed it, and give the URL "
            "with the host's name in the certificate"
        )
    hint = "check that the cluster runs and the URL is right"
    if "aborted" in said or "reset" in said:
        hint += " (a port that speaks https wants https:// in its URL)"
    return ClusterUnavailable(
        f"{where}: not reachable ({type(error).__name__}); {hint}, then ask again"
    )


def _certificate(said: str) -> str:
    """What OpenSSL found wrong, without its codes and lines of C."""
    text = said.partition("certificate verify failed: ")[2] or said
    return text.partition(" (_ssl")[0].strip("() ")[:200]


def _without(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "(secret)")
    return _HEADER.sub(r"\1 (secret)", text)[:500]


def _cause(body: Any) -> tuple[str, str]:
    """(types, reason) of an error's body, its root causes included."""
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, dict):
        return "", str(error or "")
    kinds = [str(error.get("type", ""))]
    reason = str(error.get("reason", ""))
    for cause in [*error.get("root_cause", []), error.get("caused_by") or {}]:
        kinds.append(str(cause.get("type", "")))
        detail = str(cause.get("reason", ""))
        if detail and detail not in reason:
            reason = f"{reason}; {detail}" if reason else detail
    return " ".join(dict.fromkeys(kinds)).strip(), reason
