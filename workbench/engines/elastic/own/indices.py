"""Versions of an index behind one alias: what is live, what is being built, the switch."""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from workbench.corpus.manifest import Manifest
from workbench.engines.elastic.own.layout import (
    FORMAT,
    Layout,
    fingerprint,
    manifest_of,
    read_layout,
)
from workbench.engines.elastic.own.mapping import MARKS, index_body, live_settings
from workbench.engines.elastic.wire.connection import Connection
from workbench.errors import (
    ClusterDenied,
    ClusterError,
    ClusterReadOnly,
    ClusterUnavailable,
    CorpusMismatch,
    CorpusNotFound,
    WorkbenchError,
)

COPY = "copy"
"""The build of a version that was copied to be changed; one left by a kill is of no use."""

COPY_TRIES = 8
"""Of a copy, whose block on writing another writer may take away too early."""

_SUFFIX = re.compile(r"-(\d{6,})(?:-x[0-9a-f]{7})?")
"""Of a version: its number, and what makes the name this writer's alone."""


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

    number: int = 0


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


def live_names(connection: Connection) -> set[str]:
    """The indices that the alias names now; none where it is gone."""
    return set(connection.call("GET", f"/{connection.spec.index}/_alias", missing_ok=True) or {})


def is_version(alias: str, name: str) -> bool:
    """Whether a name is one that a version of an alias has."""
    return _number(alias, name) is not None


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
    manifest = manifest_of(
        layout,
        generation=_number(connection.spec.index, index) or 0,
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
    """The versioned indices `NAME-000001-x1234567`, ... behind the alias NAME.

    No two writers make an index of one name, so one that "already exists" when a lost answer is
    asked for again is the writer's own.
    """

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
            number = _number(self._alias, name)
            if number is None or "workbench" not in body.get("mappings", {}).get("_meta", {}):
                continue
            layout, build = _read_meta(self._connection, name, body)
            live = self._alias in body.get("aliases", {})
            versions.append(Version(name, layout, build, live, number))
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
        name, number = self._next(versions)
        body = index_body(self._connection.spec, layout, build)
        self._connection.call("PUT", f"/{name}", body, timeout=60, exists_ok=True)
        return Version(name, layout, build, live=False, number=number), False

    def copy(self, source: str, runtimes: tuple[str, ...] | None = None) -> Version:
        """A new version with the same content: the cluster links its files, nothing is sent.
        `runtimes` are those of the layout from now on, None as they were.

        Searches of the source go on; writes to it are refused for a moment.
        """
        call = self._connection.call
        name, number = self._next(self.all())
        try:
            self._clone(source, name)
        finally:
            self._block(source, None)
        [(_, found)] = call("GET", f"/{name}/_mapping").items()
        layout, _ = _read_meta(self._connection, name, found)
        layout = layout if runtimes is None else replace(layout, runtimes=runtimes)
        call("PUT", f"/{name}/_mapping", {"_meta": layout.to_meta(COPY)}, timeout=60)
        return Version(name, layout, COPY, live=False, number=number)

    def deleted(self, version: Version) -> int | None:
        """Documents of one version that are deleted and still counted; None as in `sizes`."""
        return sizes(self._connection, version.name)["deleted"]

    def publish(self, version: Version, over: str | None) -> bool:
        """Give the alias to a loaded index in one step, if it still stands for `over` (None: for
        nothing). False, and nothing is changed, where another writer was first.

        Older versions go, but for `over`, which stays for sessions that have it open.
        """
        call = self._connection.call
        settings = live_settings(self._connection.spec)
        call("PUT", f"/{version.name}/_settings", settings, timeout=60)
        # An alias has one write index at most, so a second first build is refused too.
        add = {"index": version.name, "alias": self._alias, "is_write_index": True}
        actions: list[dict[str, Any]] = [{"add": add}]
        if over is not None:
            remove = {"index": over, "alias": self._alias, "must_exist": True}
            actions.insert(0, {"remove": remove})
        try:
            call("POST", "/_aliases", {"actions": actions}, timeout=60)
        except WorkbenchError:
            live = self.live()
            if (live and live.name) == over:
                raise
            if live is None or live.name != version.name:  # else an answer was lost on its way
                return False
        for old in self.all():
            if not old.live and old.name != over and old.number < version.number:
                self._delete(old)
        return True

    def discard(self, version: Version) -> None:
        """Delete one version, unless a writer of the same build gave it the alias meanwhile."""
        live = self.live()
        if live is None or live.name != version.name:
            self._delete(version)

    def remove(self) -> None:
        """Delete every version, the alias with them."""
        for version in self.all():
            self._delete(version)

    def _delete(self, version: Version) -> None:
        self._connection.call("DELETE", f"/{version.name}", missing_ok=True, timeout=60)

    def _next(self, versions: list[Version]) -> tuple[str, int]:
        """A name that nobody else makes, and its number."""
        number = max((version.number for version in versions), default=0) + 1
        return f"{self._alias}-{number:06d}-x{uuid4().hex[:7]}", number

    def _clone(self, source: str, name: str) -> None:
        """Where another writer copies the same version, its end lifts the block of this one."""
        call = self._connection.call
        settings = {"blocks.write": None, "refresh_interval": "-1", "number_of_replicas": 0}
        body = {"settings": {"index": {**settings, "auto_expand_replicas": False}}}
        query = {"wait_for_active_shards": "all", "timeout": "60s"}
        path = f"/{source}/_clone/{name}"
        for attempt in range(COPY_TRIES):
            self._block(source, True)
            try:
                made = call("PUT", path, body, params=query, timeout=90, exists_ok=True)
            except (ClusterUnavailable, ClusterReadOnly, ClusterDenied):
                raise
            except ClusterError:
                if attempt + 1 == COPY_TRIES or (attempt > 1 and self._blocked(source)):
                    raise
                time.sleep(0.1 * 2**attempt * (0.5 + random.random()))  # noqa: S311, jitter
                continue
            if made is None:  # made by an attempt whose answer was lost: it may still be starting
                ready = {"wait_for_status": "yellow", "timeout": "60s"}
                call("GET", f"/_cluster/health/{name}", params=ready, timeout=90)
            return

    def _block(self, source: str, value: bool | None) -> None:
        settings = {"index": {"blocks.write": value}}
        self._connection.call("PUT", f"/{source}/_settings", settings, timeout=60)

    def _blocked(self, source: str) -> bool:
        path = f"/{source}/_settings/index.blocks.write"
        found = self._connection.call("GET", path, params={"flat_settings": "true"})
        settings = found.get(source, {}).get("settings", {})
        return bool(settings.get("index.blocks.write") == "true")

    def _check_name(self) -> None:
        """An index of the alias's own name is somebody else's, and stays as it is."""
        found = self._connection.call("GET", f"/{self._alias}/_alias", missing_ok=True) or {}
        foreign = [name for name in found if _number(self._alias, name) is None]
        if foreign:
            raise CorpusMismatch(
                f"{self._connection.where}: that name is taken by the index {foreign[0]!r}, which "
                "the workbench did not make; choose another name, or attach to it with "
                "wb.Elasticsearch(text_fields=..., vector_field=...)"
            )


def _number(alias: str, name: str) -> int | None:
    """The number of an alias's version, or None for the name of another index."""
    found = _SUFFIX.fullmatch(name.removeprefix(alias)) if name.startswith(alias) else None
    return int(found[1]) if found else None


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
        return read_layout(meta), str(meta.get("build", ""))
    except KeyError as error:
        raise ClusterError(
            f"{connection.where}: {index!r} lacks the setting {error} in its mapping's _meta; "
            "index the source anew"
        ) from None
