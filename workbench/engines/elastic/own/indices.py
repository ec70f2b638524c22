"""Versions of an index behind one alias: what is live, what is being built, the switch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from workbench.corpus.manifest import Manifest
from workbench.engines.elastic.own.mapping import (
    FORMAT,
    MARKS,
    Layout,
    fingerprint,
    index_body,
    live_settings,
)
from workbench.engines.elastic.wire.connection import Connection
from workbench.errors import ClusterDenied, ClusterError, CorpusMismatch, CorpusNotFound

COPY = "copy"
"""The build of a version that was copied to be changed; one left by a kill is of no use."""


@dataclass(frozen=True, slots=True)
class LiveIndex:
    """The version that an alias names: its layout, what it holds, the sums of its marks."""

    name: str
    layout: Layout
    manifest: Manifest
    deleted: int | None = 0


@dataclass(frozen=True, slots=True)
class Version:
    """One index that the workbench made for an alias."""

    name: str
    layout: Layout
    build: str
    live: bool

    @property
    def number(self) -> int:
        return int(self.name.rpartition("-")[2])


def live_index(connection: Connection) -> LiveIndex:
    """What to search. Raises CorpusNotFound without one, CorpusMismatch for one that is not ours
    or made by a newer package."""
    name = connection.spec.index
    found = connection.call("GET", f"/{name}", params={"features": "mappings,settings"})
    if not found:
        raise CorpusNotFound(f"{connection.where}: no index of that name; check it")
    if len(found) > 1:
        raise CorpusMismatch(
            f"{connection.where}: an alias over several indices ({', '.join(sorted(found))}); "
            "name one of them"
        )
    [(index, body)] = found.items()
    layout, _ = _read_meta(connection, index, body)
    connection.several_shards = int(body["settings"]["index"]["number_of_shards"]) > 1
    return described(connection, index, layout)


def described(connection: Connection, index: str, layout: Layout) -> LiveIndex:
    """An index with the counts and the fingerprint of what a search sees in it now."""
    sums = {mark: {"sum": {"field": mark}} for mark in MARKS}
    body = {
        "size": 0,
        "track_total_hits": True,
        "aggs": {**sums, "papers": {"value_count": {"field": "mark0"}}},
    }
    [answer] = connection.searches([body], index)
    totals = answer["aggregations"]
    papers, passages = int(totals["papers"]["value"]), int(answer["hits"]["total"]["value"])
    manifest = Manifest(
        analyser=layout.analyser,
        chunking=layout.chunking,
        model=layout.model,
        model_fingerprint=layout.model_fingerprint,
        dimension=layout.dimension,
        k1=layout.k1,
        b=layout.b,
        generation=int(index.rpartition("-")[2]) if index.rpartition("-")[2].isdecimal() else 0,
        papers=papers,
        passages=passages,
        paper_rows=papers,
        passage_rows=passages,
        fingerprint=fingerprint(papers, (int(totals[m]["value"]) for m in MARKS), layout),
    )
    return LiveIndex(index, layout, manifest, sizes(connection, index)["deleted"])


def sizes(connection: Connection, index: str) -> dict[str, int | None]:
    """`deleted`: documents that are replaced or deleted and still counted in an index's statistics;
    `bytes` on disk. None for a user without the privilege `monitor`, which no search needs."""
    path = {"filter_path": "_all.primaries.docs,_all.primaries.store"}
    try:
        stats = connection.call("GET", f"/{index}/_stats/docs,store", params=path)
    except ClusterDenied:
        return {"deleted": None, "bytes": None}
    found = stats["_all"]["primaries"]
    return {
        "deleted": int(found["docs"]["deleted"]),
        "bytes": int(found["store"]["size_in_bytes"]),
    }


class Versions:
    """The versioned indices `NAME-000001`, ... behind the alias NAME."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._alias = connection.spec.index

    def all(self) -> list[Version]:
        """Every version that is ours, oldest first."""
        found = self._connection.call(
            "GET", f"/{self._alias}-*", params={"features": "mappings,aliases"}, missing_ok=True
        )
        versions = []
        for name, body in (found or {}).items():
            if name.rpartition("-")[0] != self._alias or not name.rpartition("-")[2].isdecimal():
                continue
            if "workbench" not in body.get("mappings", {}).get("_meta", {}):
                continue
            layout, build = _read_meta(self._connection, name, body)
            versions.append(Version(name, layout, build, self._alias in body.get("aliases", {})))
        return sorted(versions, key=lambda version: version.number)

    def live(self) -> Version | None:
        """The version that the alias names, or None."""
        return next((version for version in self.all() if version.live), None)

    def building(self, layout: Layout, build: str) -> tuple[Version, bool]:
        """The unfinished index of this build, and whether it was there before; made if absent."""
        self._check_name()
        versions = self.all()
        last = max((version.number for version in versions if version.live), default=0)
        for version in versions:
            unfinished = not version.live and version.number > last
            if unfinished and (version.layout, version.build) == (layout, build):
                return version, True
        number = max((version.number for version in versions), default=0) + 1
        name = f"{self._alias}-{number:06d}"
        spec = self._connection.spec
        self._connection.call("PUT", f"/{name}", index_body(spec, layout, build), timeout=60)
        return Version(name, layout, build, live=False), False

    def copy(self, source: str) -> Version:
        """A new version with the same content: the cluster links its files, nothing is sent.

        Searches of the source go on; writes to it are refused for a moment.
        """
        call = self._connection.call
        number = max(version.number for version in self.all()) + 1
        name = f"{self._alias}-{number:06d}"
        settings = {"blocks.write": None, "refresh_interval": "-1", "number_of_replicas": 0}
        settings["auto_expand_replicas"] = False
        call("PUT", f"/{source}/_settings", {"index": {"blocks.write": True}}, timeout=60)
        try:
            body = {"settings": {"index": settings}}
            query = {"wait_for_active_shards": "all", "timeout": "60s"}
            call("PUT", f"/{source}/_clone/{name}", body, params=query, timeout=90)
        finally:
            call("PUT", f"/{source}/_settings", {"index": {"blocks.write": None}}, timeout=60)
        [(_, found)] = call("GET", f"/{name}/_mapping").items()
        layout, _ = _read_meta(self._connection, name, found)
        call("PUT", f"/{name}/_mapping", {"_meta": layout.to_meta(COPY)}, timeout=60)
        return Version(name, layout, COPY, live=False)

    def deleted(self, version: Version) -> int | None:
        """Documents of one version that are deleted and still counted; None as in `sizes`."""
        return sizes(self._connection, version.name)["deleted"]

    def publish(self, version: Version) -> None:
        """Give the alias to a loaded index in one step; older ones go, but for the last.

        The one before stays for sessions that have it open.
        """
        call = self._connection.call
        spec = self._connection.spec
        call("PUT", f"/{version.name}/_settings", live_settings(spec), timeout=60)
        others = [v for v in self.all() if v.name != version.name]
        remove = [{"remove": {"index": v.name, "alias": self._alias}} for v in others if v.live]
        add = {"add": {"index": version.name, "alias": self._alias}}
        call("POST", "/_aliases", {"actions": [*remove, add]}, timeout=60)
        before = max((v.number for v in others if v.live), default=0)
        for old in others:
            if not old.live and old.number != before and old.number < version.number:
                self.discard(old)

    def discard(self, version: Version) -> None:
        """Delete one version."""
        self._connection.call("DELETE", f"/{version.name}", missing_ok=True, timeout=60)

    def remove(self) -> None:
        """Delete every version, the alias with them."""
        for version in self.all():
            self.discard(version)

    def _check_name(self) -> None:
        """An index of the alias's own name is somebody else's, and stays as it is."""
        found = self._connection.call("GET", f"/{self._alias}/_alias", missing_ok=True) or {}
        foreign = [name for name in found if name.rpartition("-")[0] != self._alias]
        if foreign:
            raise CorpusMismatch(
                f"{self._connection.where}: that name is taken by the index {foreign[0]!r}, which "
                "the workbench did not make; choose another name, or attach to it with "
                "wb.Elasticsearch(text_fields=..., vector_field=...)"
            )


def _read_meta(connection: Connection, index: str, body: dict[str, Any]) -> tuple[Layout, str]:
    meta = body.get("mappings", {}).get("_meta", {}).get("workbench")
    if not isinstance(meta, dict):
        raise CorpusMismatch(
            f"{connection.where}: {index!r} was not made by the workbench; attach to it by naming "
            "its fields: wb.Elasticsearch(text_fields={'title': 2, 'abstract': 1}, "
            "vector_field=..., id_field=...)"
        )
    if int(meta.get("format", 0)) > FORMAT:
        raise CorpusMismatch(
            f"{connection.where}: {index!r} was made by a newer version (format "
            f"{meta['format']}, this one reads {FORMAT}); update the package"
        )
    try:
        return Layout(**{f.name: meta[f.name] for f in fields(Layout)}), str(meta.get("build", ""))
    except KeyError as error:
        raise ClusterError(
            f"{connection.where}: {index!r} lacks the setting {error} in its mapping's _meta; "
            "index the source anew"
        ) from None
