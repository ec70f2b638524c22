"""Which versions of Elasticsearch can be searched."""

from __future__ import annotations

from workbench.engines.elastic.wire.connection import Connection
from workbench.errors import ClusterDenied, ClusterError, ClusterUnavailable

LOWEST = (8, 18)
"""From here on quantised vectors can be rescored with full ones."""


class TooOld(ClusterError):
    """A cluster of a version that lacks what a search needs."""


def check_version(connection: Connection) -> tuple[int, ...]:
    """The cluster's version. Raises ClusterError for one that is too old."""
    version = connection.version()
    if version < LOWEST:
        raise TooOld(
            f"{connection.where}: version {dotted(version)}, the workbench needs "
            f"{dotted(LOWEST)} or newer; update the cluster"
        )
    return version


def check_at_start(connection: Connection) -> None:
    """The same, but a user who may not ask for the version may still search."""
    try:
        check_version(connection)
    except (TooOld, ClusterUnavailable):
        raise
    except (ClusterDenied, ClusterError):
        return


def dotted(version: tuple[int, ...]) -> str:
    """8.19.4 for (8, 19, 4)."""
    return ".".join(map(str, version))
