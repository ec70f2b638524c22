"""What a cluster's refusals mean, as errors that name the URL, the index and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from workbench.errors import (
    ClusterBusy,
    ClusterDenied,
    ClusterError,
    ClusterReadOnly,
    ClusterTimeout,
    ClusterUnavailable,
    CorpusMismatch,
    CorpusNotFound,
    QueryError,
    WorkbenchError,
)

_AWAY = {502, 503, 504}
_HEADER = re.compile(r"\b(basic|bearer|apikey)[ :]+[\w+/=.:~-]{6,}", re.IGNORECASE)
"""What an Authorization header holds, also of a proxy's own."""


def from_status(status: int, body: Any, where: str, secrets: Iterable[str] = ()) -> WorkbenchError:
    """The error for an answer with a status of 400 or more. `where` names URL and index;
    `secrets` are taken out of what the server says, which may repeat a request's headers."""
    kind, reason = (_without(text, secrets) for text in _cause(body))
    known = _unwritable(status, kind, reason, where) or _unfit(kind, reason, where)
    return known or _unanswered(status, kind, reason, where)


def _unwritable(status: int, kind: str, reason: str, where: str) -> WorkbenchError | None:
    if "cluster_block" in kind and status in (403, 429):
        return ClusterReadOnly(
            f"{where}: the index is blocked ({reason}); free disk space on the nodes if a "
            "flood-stage watermark set this, then remove index.blocks.read_only_allow_delete or "
            "index.blocks.write (of the cluster: cluster.blocks.*), and run the same again"
        )
    if status in (401, 403):
        return ClusterDenied(
            f"{where}: the cluster refuses these credentials (status {status}); set "
            "WORKBENCH_ES_API_KEY, or WORKBENCH_ES_USER and WORKBENCH_ES_PASSWORD, of a user with "
            "rights on this index"
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
    if status in _AWAY or "all shards failed" in reason or "no_shard_available" in kind:
        return ClusterUnavailable(
            f"{where}: the cluster answers but cannot search this index ({kind or status}: "
            f"{reason or 'no detail'}); see GET _cluster/health, wait until it is yellow or "
            "green, and ask again"
        )
    return ClusterError(f"{where}: status {status}, {kind or 'no type'}: {reason or 'no reason'}")


def from_transport(error: Exception, where: str, timeout: float) -> WorkbenchError:
    """The error where no answer came at all."""
    from elastic_transport import ConnectionTimeout, TlsError

    if isinstance(error, ConnectionTimeout):
        return ClusterTimeout(
            f"{where}: no answer within {timeout:g} s; the cluster may be overloaded: ask again, "
            "or give more time with wb.Elasticsearch(timeout=...)"
        )
    if isinstance(error, TlsError):
        return ClusterDenied(
            f"{where}: its certificate is not trusted; set WORKBENCH_ES_CA_CERTS to the file of "
            "the authority that signed it"
        )
    return ClusterUnavailable(
        f"{where}: not reachable ({type(error).__name__}); check that the cluster runs and the "
        "URL is right, then ask again"
    )


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
