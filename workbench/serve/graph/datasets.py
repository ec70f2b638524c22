"""The corpus as a release of Semantic Scholar's Datasets API: one release, its state now."""

from __future__ import annotations

from typing import Any

from workbench.serve.faults import Refused
from workbench.serve.graph.asked import Asked
from workbench.serve.graph.fields import Tree
from workbench.serve.graph.parameters import OFFSET, limit
from workbench.serve.graph.paths import Path
from workbench.serve.graph.schemas import Body

RELEASES = "/datasets/v1"
PART = 5_000
"""Papers of a file."""

_PAPER: Tree = {name: {} for name in (
    "corpusId", "externalIds", "url", "title", "abstract", "authors", "venue", "year",
    "isOpenAccess", "s2FieldsOfStudy",
)}  # fmt: skip


class Dataset(Body):
    """A dataset of a release."""

    name: str
    description: str
    README: str
    files: list[str] | None = None


class Release(Body):
    """A state of the corpus."""

    release_id: str
    README: str
    datasets: list[Dataset]


class Diffs(Body):
    """What changed between two releases."""

    dataset: str
    start_release: str
    end_release: str
    diffs: list[Any]


class Part(Body):
    """A file: some of the papers."""

    papers: list[dict[str, Any]]


def releases(asked: Asked) -> list[str]:
    """GET datasets/v1/release: the one state that is served."""
    return [asked.state.fingerprint]


def release(asked: Asked) -> dict[str, Any]:
    """GET datasets/v1/release/{release_id}; `latest` is a name for it."""
    _check(asked, asked.values["release_id"])
    name = asked.state.fingerprint
    return {"release_id": name, "README": _README, "datasets": [_papers()]}


def dataset(asked: Asked) -> dict[str, Any]:
    """GET datasets/v1/release/{release_id}/dataset/{dataset_name}: where its files are."""
    _check(asked, asked.values["release_id"])
    _check_name(asked.values["dataset_name"])
    path = f"{RELEASES}/release/{asked.state.fingerprint}/dataset/papers/part"
    count = asked.state.engine.manifest.papers
    files = [f"{path}?offset={n}&limit={PART}" for n in range(0, max(count, 1), PART)]
    return {**_papers(), "files": files}


def part(asked: Asked) -> dict[str, Any]:
    """GET datasets/v1/release/{release_id}/dataset/papers/part: a file of papers, by id."""
    _check(asked, asked.values["release_id"])
    first = asked.values["offset"]
    ids = asked.state.catalogue.ids(first, asked.values["limit"])
    return {"papers": asked.papers(ids, _PAPER)}


def diffs(asked: Asked) -> dict[str, Any]:
    """GET datasets/v1/diffs/{start}/to/{end}/{dataset_name}: none is kept but of a release to
    itself."""
    _check_name(asked.values["dataset_name"])
    start, end = asked.values["start"], asked.values["end"]
    _check(asked, start)
    _check(asked, end)
    name = asked.state.fingerprint
    return {"dataset": "papers", "start_release": name, "end_release": name, "diffs": []}


_README = (
    "The papers of one corpus of the Paper Search Workbench. Each paper has the rights that its "
    "source gives it."
)


def _papers() -> dict[str, Any]:
    return {"name": "papers", "description": "Every paper, as JSON.", "README": _README}


def _check(asked: Asked, release_id: str) -> None:
    if release_id not in (asked.state.fingerprint, "latest"):
        raise Refused(404, f"Release {release_id[:100]} not found; there is one, 'latest'")


def _check_name(name: str) -> None:
    if name != "papers":
        raise Refused(404, f"Dataset {name[:100]} not found; there is one, 'papers'")


DATASETS = (
    Path(f"{RELEASES}/release/", releases, list[str], ()),
    Path(f"{RELEASES}/release/{{release_id}}", release, Release, ()),
    Path(f"{RELEASES}/release/{{release_id}}/dataset/{{dataset_name}}", dataset, Dataset, ()),
    Path(
        f"{RELEASES}/release/{{release_id}}/dataset/papers/part",
        part,
        Part,
        (OFFSET, limit(PART, PART)),
    ),
    Path(f"{RELEASES}/diffs/{{start}}/to/{{end}}/{{dataset_name}}", diffs, Diffs, ()),
)
