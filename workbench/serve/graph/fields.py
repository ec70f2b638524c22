"""What a client wants of a record: `fields=title,authors.name` as a tree, checked first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.serve.faults import Refused

Tree = dict[str, "Tree"]
"""By name, what is wanted of it; an empty tree is all of it."""

Known = Mapping[str, Any]
"""Names that may be asked for; the value is the names inside, or None where there are none."""

MOST_FIELDS = 4_000
"""Characters."""

_AUTHOR_FACTS = dict.fromkeys(
    ("authorId", "externalIds", "url", "name", "affiliations", "homepage", "paperCount",
     "citationCount", "hIndex")
)  # fmt: skip

_PAPER_FACTS: Known = {
    "paperId": None,
    "corpusId": None,
    "externalIds": dict.fromkeys(("CorpusId", "DOI", "ArXiv", "ACL", "MAG", "PubMed",
                                  "PubMedCentral", "DBLP")),
    "url": None,
    "title": None,
    "abstract": None,
    "venue": None,
    "publicationVenue": dict.fromkeys(("id", "name", "type", "alternate_names", "url")),
    "year": None,
    "referenceCount": None,
    "citationCount": None,
    "influentialCitationCount": None,
    "isOpenAccess": None,
    "openAccessPdf": dict.fromkeys(("url", "status", "license", "disclaimer")),
    "fieldsOfStudy": None,
    "s2FieldsOfStudy": dict.fromkeys(("category", "source")),
    "publicationTypes": None,
    "publicationDate": None,
    "journal": dict.fromkeys(("name", "pages", "volume")),
    "citationStyles": {"bibtex": None},
    "textAvailability": None,
    "embedding": dict.fromkeys(("model", "vector", "specter_v1", "specter_v2")),
    "tldr": dict.fromkeys(("model", "text")),
}  # fmt: skip

PAPER: Known = {
    **_PAPER_FACTS,
    "authors": _AUTHOR_FACTS,
    "citations": {**_PAPER_FACTS, "authors": _AUTHOR_FACTS},
    "references": {**_PAPER_FACTS, "authors": _AUTHOR_FACTS},
}
"""Fields of a paper."""

FLAT_PAPER: Known = {**_PAPER_FACTS, "authors": _AUTHOR_FACTS}
"""Fields of a paper where citations and references cannot be asked for."""

AUTHOR: Known = {**_AUTHOR_FACTS, "papers": FLAT_PAPER}
"""Fields of an author."""

PAPER_AUTHOR: Known = AUTHOR
"""Fields of an author of a paper."""

LINK: Known = {
    **dict.fromkeys(("contexts", "intents", "contextsWithIntent", "isInfluential")),
    **FLAT_PAPER,
    "citingPaper": FLAT_PAPER,
    "citedPaper": FLAT_PAPER,
}
"""Fields of a citation or reference."""

SNIPPET: Known = {
    "snippet": {
        "text": None,
        "snippetKind": None,
        "section": None,
        "snippetOffset": dict.fromkeys(("start", "end")),
        "annotations": {
            "sentences": dict.fromkeys(("start", "end")),
            "refMentions": dict.fromkeys(("start", "end", "matchedPaperCorpusId")),
        },
    }
}
"""Fields of a snippet; what says where it is from always comes along."""


def read_fields(text: str | None, known: Known, default: str) -> Tree:
    """The tree that `fields` asks for. Raises Refused (400) that names all that is not known."""
    if text is not None and len(text) > MOST_FIELDS:
        raise Refused(400, f"fields has {len(text):,} characters, the limit is {MOST_FIELDS:,}")
    names = [name.strip() for name in (text or default).split(",")]
    wrong = [name for name in names if name and not _is_known(name.split("."), known)]
    if wrong:
        raise Refused(400, f"Unrecognized or unsupported fields: [{', '.join(wrong)}]")
    tree: Tree = {}
    whole: set[tuple[str, ...]] = set()
    for name in filter(None, names):
        parts = name.split(".")
        at = tree
        for depth, part in enumerate(parts, start=1):
            at = at.setdefault(part, {})
            if depth == len(parts):
                at.clear()
                whole.add(tuple(parts))
            elif tuple(parts[:depth]) in whole:
                break  # all of it is asked for already
    return tree


def _is_known(parts: list[str], known: Known) -> bool:
    at: Any = known
    for part in parts:
        if not isinstance(at, Mapping) or part not in at:
            return False
        at = at[part]
    return True


def pick(value: Any, tree: Tree) -> Any:
    """What a tree wants of a value: of a record its keys, of a list each item's."""
    if not tree or value is None:
        return value
    if isinstance(value, list):
        return [pick(item, tree) for item in value]
    return {name: pick(value[name], inside) for name, inside in tree.items() if name in value}
