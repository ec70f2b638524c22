"""How a service is run: everything that `workbench serve` may be told, checked."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from workbench.corpus.manifest import NAME
from workbench.errors import ServiceError, whole_number
from workbench.models.embedders.runtimes import settings_of
from workbench.profiles import Profile, serve_key

LOCAL = "127.0.0.1"
LIMITS = {
    "port": (0, 65535),
    "workers": (1, 256),
    "threads": (0, 256),
    "queue": (0, 10_000),
    "max_body": (1_000, 1 << 30),
    "max_url": (1_000, 900_000),
}


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """A service: what it serves, where, with how much, and what it refuses.

    `folder` is a corpus, or None with a cluster's `engine` URL ("" for that of the environment) and
    `index` alone. `profile` holds a profile's settings (`Profile.to_dict`). `cluster` holds other
    settings of `wb.Elasticsearch`, by name; with the fields of somebody else's index (`text_fields`
    and so on) that one is served, and `model` and `runtime` say what made its vectors. `cache` is
    "" for memory alone, or a Redis URL.
    `workers` processes of `threads` threads each (0: two, or 16 over a cluster, which is waited
    for); beyond those, `queue` requests a worker wait, and the next are refused with 429. A
    request ends after `seconds`. `max_body` and `max_url` in bytes. A service of this machine
    without a key answers only what is asked of `localhost`, a loopback address, `host`, or one of
    `names`: a page elsewhere whose name was made to lead here (DNS rebinding) is another one.

    Raises ServiceError for a value out of range, and for another host than this machine without
    a key or `insecure`.
    """

    folder: str | None = None
    engine: str | None = None
    index: str = "papers"
    vectors: str = "flat"
    cluster: dict[str, Any] = field(default_factory=dict)
    model: str | None = None
    runtime: str | None = None
    profile: dict[str, Any] = field(default_factory=dict)
    host: str = LOCAL
    port: int = 8000
    workers: int = 1
    threads: int = 0
    queue: int = 32
    seconds: float = 30.0
    max_body: int = 1 << 20
    max_url: int = 262_144
    cache: str = ""
    preload: bool = False
    api_key: str = field(default="", repr=False)
    insecure: bool = False
    names: tuple[str, ...] = ()
    log: bool = True
    log_queries: bool = False
    writer: str = "extractive"

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(name.lower() for name in self.names))  # from JSON
        if self.folder is None and self.engine is None:
            raise ServiceError("nothing to serve; give a corpus folder, or the URL of a cluster")
        for name, (least, most) in LIMITS.items():
            whole_number(name, getattr(self, name), least, most, ServiceError)
        if not 0.01 <= self.seconds <= 3600:
            raise ServiceError(f"seconds is {self.seconds}; give 0.01 to 3600")
        if self.cache and not self.cache.startswith(("redis://", "rediss://", "unix://")):
            raise ServiceError(
                "cache is no Redis URL; write redis://HOST:6379, or leave it out for memory"
            )
        if not (self.is_local or self.api_key or self.insecure):
            raise ServiceError(
                f"host is {self.host!r}: others could search without a key; set "
                "WORKBENCH_SERVE_KEY, or give --insecure where a proxy keeps them out"
            )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the service."""
        return _is_loopback(self.host)

    def is_own(self, host: str) -> bool:
        """Whether a request's Host header, with or without a port, names this service."""
        if self.api_key or not (self.is_local or self.names):
            return True  # the key keeps others out; without either, a proxy has to
        name = host.lower().strip()
        name = name[1:].partition("]")[0] if name[:1] == "[" else name.partition(":")[0]
        return _is_loopback(name) or name in (self.host.lower(), *self.names)

    @property
    def many(self) -> int:
        """Threads of a worker."""
        return self.threads or (2 if self.engine is None else 16)

    def to_json(self) -> str:
        """For another process; it holds the key."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> ServeOptions:
        """The options that `to_json` gave. Raises ServiceError."""
        try:
            values = json.loads(text)
            known = {f.name for f in fields(ServeOptions)}
            return ServeOptions(**{name: values[name] for name in values if name in known})
        except (ValueError, TypeError) as error:
            raise ServiceError(f"options that cannot be read ({error})") from error

    def read_profile(self) -> Profile:
        """The profile that is served. Raises ProfileError."""
        return Profile(**self.profile)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def on_cluster(spec: Any) -> dict[str, Any]:
    """The options of a service over what `wb.Elasticsearch` names."""
    cluster = spec.settings()
    place = {"engine": cluster.pop("url", "")}
    place |= {name: cluster.pop(name) for name in ("index", "vectors") if name in cluster}
    return {**place, "cluster": cluster}


def served(bench: Any, keeper: Any, options: dict[str, Any]) -> ServeOptions:
    """The options of a service over a session's corpus, with its profile. Raises ServiceError for
    an option that is none, and for an engine that another process cannot open."""
    unknown = sorted(set(options) - {f.name for f in fields(ServeOptions)})
    if unknown:
        raise ServiceError(f"{', '.join(unknown)}: no option; see ServeOptions")
    place: dict[str, Any] = {"folder": str(Path(bench.folder).absolute())}
    spec = getattr(keeper, "spec", None)
    if spec is not None:
        own = (Path(bench.folder) / NAME).exists()
        place = {"folder": place["folder"] if own else None, **on_cluster(spec)}
        if spec.attached:  # its vectors do not say what made them
            place["model"] = bench.embedder.name
            place["runtime"] = settings_of(bench.embedder.fingerprint).get("runtime")
    elif not (Path(bench.folder) / NAME).exists():
        raise ServiceError(
            f"{keeper.name} cannot be opened by another process; serve a corpus folder or an index "
            "on a cluster"
        )
    given = {"port": 0, "log": False, "profile": bench.profile.to_dict(), **place, **options}
    if "api_key" not in options:
        given["api_key"] = serve_key()
    return ServeOptions(**given)
