"""Collections that the package ir_datasets knows by name: its documents as papers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workbench.corpus.formats.entry import Entry
from workbench.corpus.formats.json_shapes import OWN
from workbench.errors import CorpusNotFound, MissingDependency

IR_DATASETS = "ir_datasets:"
"""Before a collection's name. Naming one is asking for it: what is not on this computer yet,
ir_datasets fetches."""

_TITLES = ("title", "headline", "subject")
_TEXTS = ("abstract", "text", "body", "contents", "summary", "description")


def read_ir_dataset(name: str) -> Iterator[Entry]:
    """Documents of a collection. Raises MissingDependency, CorpusNotFound for an unknown name or
    one without documents, both before anything is read."""
    try:
        import ir_datasets
    except ImportError:
        raise MissingDependency(
            f"{IR_DATASETS}{name}: needs ir_datasets; pip install ir_datasets"
        ) from None
    try:
        dataset = ir_datasets.load(name)
    except KeyError:
        raise CorpusNotFound(f"{name}: ir_datasets knows no such collection") from None
    if not dataset.has_docs():
        raise CorpusNotFound(f"{name}: a collection without documents; name the one that it is of")
    return _entries(name, dataset)


def _entries(name: str, dataset: Any) -> Iterator[Entry]:
    file, found = f"{IR_DATASETS}{name}", False
    for number, document in enumerate(dataset.docs_iter(), start=1):
        found = True
        raw = document._asdict()
        title = next((raw[key] for key in _TITLES if raw.get(key)), "")
        text = "\n\n".join(str(raw[key]) for key in _TEXTS if raw.get(key))
        record = {"id": str(document.doc_id), "title": str(title), "abstract": text}
        yield Entry(file, number, record, "", "", raw, OWN)
    if not found:  # its files can be there and hold nothing
        yield Entry(file, 1, None, "a collection without documents", "fetch it again")
