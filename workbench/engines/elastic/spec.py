"""Which cluster, which index, and how it is laid out. Holds no secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from workbench.errors import ProfileError, shown

VECTOR_TYPES = ("flat", "int8_hnsw", "bbq_hnsw")
"""Index types of the vectors: exact; graphs over quantised vectors, rescored with full ones."""

_FORBIDDEN = set('\\/*?"<>| ,#:')


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """The settings of `wb.Elasticsearch`, which describes them. Raises ProfileError for one that
    cannot be."""

    url: str = ""
    index: str = "papers"
    vectors: str = "flat"
    shards: int = 1
    replicas: int | None = None
    timeout: float = 10.0
    oversample: float = 3.0
    bulk_bytes: int | None = None
    credentials: str = ""
    text_fields: Mapping[str, float] = field(default_factory=dict)
    vector_field: str = ""
    id_field: str = ""
    paper_field: str = ""

    def __post_init__(self) -> None:
        for name in ("url", "index", "vectors", "credentials", "id_field", "paper_field"):
            _check_text(name, getattr(self, name))
        _check_text("vector_field", self.vector_field)
        if not isinstance(self.text_fields, Mapping):
            raise ProfileError(
                f"text_fields is {shown(self.text_fields)}; give field and boost, like "
                "{'title': 2, 'text': 1}"
            )
        checked_urls(self.url)
        _check_index(self.index, attached=self.attached)
        if self.vectors not in VECTOR_TYPES:
            raise ProfileError(
                f"vectors is {self.vectors!r}; choose one of {', '.join(VECTOR_TYPES)}"
            )
        _check_range("shards", self.shards, 1, 1024)
        _check_range("replicas", 0 if self.replicas is None else self.replicas, 0, 64)
        _check_range("timeout", self.timeout, 0.05, 3600)
        _check_range("oversample", self.oversample, 1, 10)
        _check_range("bulk_bytes", self.bulk_bytes or 2**20, 1000, 100 * 2**20)
        for name, boost in self.text_fields.items():
            _check_text("a name in text_fields", name)
            _check_range(f"boost of {name}", boost, 0, 1000)
        object.__setattr__(self, "text_fields", MappingProxyType(dict(self.text_fields)))

    @property
    def urls(self) -> tuple[str, ...]:
        """Each URL of `url`."""
        return checked_urls(self.url)

    def settings(self) -> dict[str, Any]:
        """What differs from the defaults, for another process; no secret is in it."""
        values = {known.name: getattr(self, known.name) for known in fields(ClusterSpec)}
        values["text_fields"] = dict(self.text_fields)
        return {name: value for name, value in values.items() if value != _DEFAULTS[name]}

    @property
    def attached(self) -> bool:
        """Whether the index is somebody else's."""
        return bool(self.text_fields or self.vector_field or self.id_field or self.paper_field)


_DEFAULTS: dict[str, Any] = {
    known.name: {} if known.default is MISSING else known.default for known in fields(ClusterSpec)
}


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str) or not (value.isprintable() or name == "url"):
        raise ProfileError(f"{name} is {shown(value)}; give a text")


def checked_urls(text: str) -> tuple[str, ...]:
    """The URLs in a text with commas. Raises ProfileError for credentials in it, and for what is no
    URL of a cluster."""
    if "@" in text:  # also where it has no scheme, or a comma or # in the password
        raise ProfileError(
            f"the URL of {text.rpartition('@')[2]!r} holds credentials; leave them out and "
            "set WORKBENCH_ES_USER and WORKBENCH_ES_PASSWORD, or WORKBENCH_ES_API_KEY"
        )
    urls = tuple(part.strip() for part in text.split(",") if part.strip())
    for url in urls:
        _check_url(url)
    return urls


def _check_url(url: str) -> None:
    """Raises ProfileError for what is no URL of a cluster."""
    try:
        parts = urlsplit(url)
        fit = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        plain = not (parts.query or parts.fragment)
    except ValueError:
        fit = plain = False
    if not fit or not plain:  # what else is in it may be a secret
        shown = url.partition("?")[0].partition("#")[0]
        shown = shown if fit or ":" not in (shown.partition("://")[2] or shown) else "not one"
        raise ProfileError(
            f"url is {shown!r}; give one like http://localhost:9200, without query and fragment"
        )


def _check_index(name: str, *, attached: bool) -> None:
    """Elasticsearch's rules; others' aliases may have capitals, and hidden indices a dot."""
    if not name or _FORBIDDEN & set(name) or name in (".", "..") or len(name.encode()) > 255:
        raise ProfileError(
            f"index is {name!r}; give one name of at most 255 bytes, without spaces or any of "
            f"{' '.join(sorted(_FORBIDDEN - {' '}))}"
        )
    if name[0] in "-_+" or (not attached and (name[0] == "." or name != name.lower())):
        raise ProfileError(
            f"index is {name!r}; what the workbench makes has a name in lower case that starts "
            "with a letter or digit; an alias of your own with capitals is attached to by naming "
            "its fields (text_fields=...)"
        )


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ProfileError(f"{name} is {value!r}; the limits are {low} and {high}")
