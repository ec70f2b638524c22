"""What a cluster offers the workbench, line by line, and what to do about what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from workbench.engines.elastic.attached.content import content_of
from workbench.engines.elastic.attached.fields import foreign_index
from workbench.engines.elastic.own.indices import LiveIndex, live_index
from workbench.engines.elastic.spec import ClusterSpec
from workbench.engines.elastic.wire.connection import SMILE, Connection
from workbench.engines.elastic.wire.smile import document
from workbench.engines.elastic.wire.version import check_version, dotted
from workbench.errors import ClusterError, CorpusNotFound, WorkbenchError
from workbench.present.finding import Finding


def examine(spec: ClusterSpec) -> list[Finding]:
    """All findings about a cluster and an index; nothing is written."""
    connection = Connection(spec)
    try:
        return list(_findings(connection))
    finally:
        connection.close()


def _findings(connection: Connection) -> Iterator[Finding]:
    reached = _asked("cluster", lambda: _cluster(connection))
    yield reached
    if not reached.ok:
        return
    yield _asked("version", lambda: dotted(check_version(connection)))
    yield _asked("bulk format", lambda: _smile(connection))
    if connection.spec.attached:
        yield _asked("index", lambda: _foreign(connection))
        return
    try:
        live = live_index(connection)
    except CorpusNotFound:
        found = f"no {connection.spec.index!r} yet; wb.open(folder, engine=...) makes it"
        yield Finding("index", True, found)
        return
    except WorkbenchError as error:
        yield Finding("index", False, "unfit", str(error))
        return
    yield Finding("index", True, _index(live))
    yield _asked("vectors", lambda: _vectors(connection, live))
    yield from _state(connection, live)


def _asked(name: str, ask: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, ask())
    except WorkbenchError as error:
        return Finding(name, False, type(error).__name__, str(error))


def _cluster(connection: Connection) -> str:
    health = connection.call("GET", "/_cluster/health")
    status, nodes = health["status"], health["number_of_nodes"]
    place = ", ".join(connection.urls) or "cloud id"
    if status == "red":
        raise ClusterError(
            f"{place}: status red, {health['unassigned_shards']} shards have no copy; see GET "
            "_cluster/allocation/explain"
        )
    return f"{place}, {health['cluster_name']}, {nodes} nodes, status {status}"


def _smile(connection: Connection) -> str:
    body = document({"size": 0})[:-1]
    kind = f"{SMILE}; compatible-with=8"
    connection.call("POST", "/_search", body, kind=kind, params={"filter_path": "took"})
    return "SMILE (binary), accepted"


def _foreign(connection: Connection) -> str:
    index = foreign_index(connection)
    content = content_of(connection, index)
    vectors = f"{index.dimension} dimensions, {index.similarity}" if index.vectors else "no vectors"
    if not content.readable:
        vectors += ", which cannot be read (kept out of _source): feedback leaves them out"
    held = f"{content.documents:,} documents, {content.papers:,} papers"
    return f"{index.name}: {held}; {', '.join(index.text_fields)}; {vectors}; never written to"


def _index(live: LiveIndex) -> str:
    manifest = live.manifest
    return f"{live.name}: {manifest.papers:,} papers, {manifest.passages:,} passages"


def _vectors(connection: Connection, live: LiveIndex) -> str:
    layout = live.layout
    body = {
        "size": 1,
        "_source": False,
        "query": {
            "knn": {
                "field": "vector",
                "query_vector": [1.0] + [0.0] * (layout.dimension - 1),
                "k": 1,
                "num_candidates": 1,
                **({} if layout.vectors == "flat" else {"rescore_vector": {"oversample": 1.0}}),
            }
        },
    }
    connection.searches([body], live.name)
    way = "exact" if layout.vectors == "flat" else "approximate, rescored with full vectors"
    return f"{layout.vectors} ({way}), {layout.dimension} dimensions, model {layout.model}"


def _state(connection: Connection, live: LiveIndex) -> Iterator[Finding]:
    body = connection.call("GET", f"/{live.name}/_settings", params={"flat_settings": "true"})
    settings = body[live.name]["settings"]
    blocks = [name for name, value in settings.items() if ".blocks." in name and value == "true"]
    remedy = f"remove {', '.join(blocks)}; a full disk sets it (flood-stage watermark)"
    yield Finding("writes", not blocks, "blocked" if blocks else "allowed", remedy)
    if live.deleted is None:
        yield Finding("deleted documents", True, "not known without the privilege monitor")
        return
    found = f"{live.deleted:,} still counted in BM25" if live.deleted else "none"
    remedy = f"POST {live.name}/_forcemerge?only_expunge_deletes=true" if live.deleted else ""
    yield Finding("deleted documents", not live.deleted, found, remedy)
