"""Which service or tool a JSON record is from, and its fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from workbench.corpus.cleaning.record import paper_fields
from workbench.corpus.cleaning.years import year_of
from workbench.corpus.formats.columns import Columns
from workbench.corpus.formats.entry import Entry
from workbench.corpus.formats.zotero_items import zotero_record

Raw = Mapping[str, Any]

OWN = "records"
"""Records that have the workbench's own names already, and are taken as they are."""

_OWN_TEXTS = ("title", "abstract", "text", "contents", "summary", "body", "full_text", "fulltext")
_ARXIV_OLD = re.compile(r"(?:[a-z-]+(?:\.[A-Z]{2})?/)(\d\d)\d{5}")
_ARXIV_NEW = re.compile(r"(\d\d)\d\d\.\d{4,5}")


def json_record(raw: Raw, columns: Columns) -> tuple[str, dict[str, Any] | Raw] | None:
    """(format, the paper's fields); None for what is no paper: notes, attachments."""
    if columns.given:
        return "JSON", columns.record(raw)
    for name, fits, read in _SHAPES:
        if fits(raw):
            record = read(raw)
            return None if record is None else (name, record)
    if any(raw.get(name) is not None for name in _OWN_TEXTS):
        return OWN, raw
    guessed = columns.guess([str(name) for name in raw])
    return ("JSON", guessed.record(raw)) if guessed.mapping else (OWN, raw)


def json_entry(file: str, number: int, raw: Raw, columns: Columns) -> Entry | None:
    """The entry of a record; None for what is no paper.

    Values of any type may come in a service's fields: whatever they do, they make one reject.
    """
    try:
        found = json_record(raw, columns)
    except (ValueError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        problem = f"fields of an unknown shape ({type(error).__name__}: {error})"
        return Entry(
            file, number, None, problem, "mend the record, or name its fields", raw, "JSON"
        )
    if found is None:
        return None
    files = _attached(raw, Path(file).parent) if found[0] == "Zotero" else ()
    return Entry(file, number, found[1], "", "", raw, found[0], files)


def _attached(raw: Raw, folder: Path) -> tuple[str, ...]:
    """The PDFs of an item that Better BibTeX exported."""
    names = (_text(item.get("path")) for item in _mappings(raw.get("attachments")))
    return tuple(str(folder / name) for name in names if name.lower().endswith(".pdf"))


def _is_openalex(raw: Raw) -> bool:
    name = raw.get("id")
    return "abstract_inverted_index" in raw or (
        isinstance(name, str) and name.startswith("https://openalex.org/W")
    )


def _is_crossref(raw: Raw) -> bool:
    named = isinstance(raw.get("title"), list) and "DOI" in raw
    return named or isinstance(raw.get("container-title"), list)


def _is_csl(raw: Raw) -> bool:
    if "issued" in raw or "container-title" in raw or "citation-key" in raw:
        return "type" in raw or "title" in raw
    people = raw.get("author")
    return isinstance(people, list) and any(
        isinstance(name, Mapping) and ("family" in name or "literal" in name) for name in people
    )


def _openalex(raw: Raw) -> dict[str, Any]:
    """A work of OpenAlex: https://docs.openalex.org/api-entities/works/work-object."""
    ids = _mapping(raw.get("ids"))
    place = _mapping(_mapping(raw.get("primary_location")).get("source"))
    people = [
        _mapping(item.get("author")).get("display_name") or item.get("raw_author_name") or ""
        for item in _mappings(raw.get("authorships"))
    ]
    topics = [item.get("display_name") for item in _mappings(raw.get("topics"))]
    words = [item.get("display_name") for item in _mappings(raw.get("keywords"))]
    return paper_fields(
        paper_id=_tail(raw.get("id")),
        title=_text(raw.get("title") or raw.get("display_name")),
        abstract=abstract_of(raw.get("abstract_inverted_index")) or _text(raw.get("abstract")),
        authors=people,
        year=raw.get("publication_year") or raw.get("publication_date"),
        venue=_text(
            place.get("display_name") or _mapping(raw.get("host_venue")).get("display_name")
        ),
        keywords=_texts(dict.fromkeys([*topics, *words])),
        doi=_text(raw.get("doi") or ids.get("doi")),
        arxiv=_arxiv_place(raw),
        pmid=_tail(ids.get("pmid")),
        url=_text(raw.get("id")),
        status="retracted" if raw.get("is_retracted") is True else "",
        openalex=_tail(raw.get("id")),
    )


def abstract_of(index: Any) -> str:
    """The text of an inverted index {word: [positions]}; gaps are left out."""
    if not isinstance(index, Mapping):
        return ""
    places = [
        (position, word)
        for word, positions in index.items()
        if isinstance(positions, list)
        for position in positions
        if isinstance(position, int)
    ]
    return " ".join(str(word) for _, word in sorted(places))


def _arxiv_place(raw: Raw) -> str:
    urls = (_text(place.get("landing_page_url")) for place in _mappings(raw.get("locations")))
    return next((url for url in urls if "arxiv.org" in url), "")


def _arxiv(raw: Raw) -> dict[str, Any]:
    """A line of arXiv's metadata snapshot. The year is the first version's, not the update's."""
    parsed = raw.get("authors_parsed")
    people: str | list[str] = _text(raw.get("authors"))
    if isinstance(parsed, list) and parsed:
        people = [_parsed_name(name) for name in parsed if isinstance(name, list)]
    versions = _mappings(raw.get("versions"))
    created = versions[0].get("created") if versions else None
    number = _text(raw.get("id"))
    return paper_fields(
        paper_id=number,
        title=_text(raw.get("title")),
        abstract=_text(raw.get("abstract")),
        authors=people,
        year=year_of(created) or _arxiv_year(number) or raw.get("update_date"),
        venue=_text(raw.get("journal-ref")),
        keywords=_text(raw.get("categories")).split(),
        doi=_text(raw.get("doi")),
        arxiv=number,
        url=f"https://arxiv.org/abs/{number}" if number else "",
        comments=f"{_text(raw.get('comments'))}\n{_text(raw.get('abstract'))[:300]}",
        latex=True,
    )


def _parsed_name(name: list[Any]) -> str:
    """[last, first, suffix, affiliation, ...] as arXiv splits a name."""
    last, first, suffix = ([*(_text(part) for part in name), "", "", ""])[:3]
    return " ".join(part for part in (first, last, suffix) if part)


def _arxiv_year(number: str) -> int | None:
    match = _ARXIV_NEW.match(number) or _ARXIV_OLD.match(number)
    if match is None:
        return None
    year = int(match[1])
    return 1900 + year if year > 90 else 2000 + year


def _semantic_scholar(raw: Raw) -> dict[str, Any]:
    """A line of the bulk datasets papers, abstracts and s2orc, which share their corpusid."""
    ids = _mapping(raw.get("externalids"))
    journal = _mapping(raw.get("journal"))
    fields = [item.get("category") for item in _mappings(raw.get("s2fieldsofstudy"))]
    content = _mapping(raw.get("content") or raw.get("body"))
    number = raw.get("corpusid")
    return paper_fields(
        paper_id="" if number is None else str(number),
        title=_text(raw.get("title")),
        abstract=_text(raw.get("abstract")),
        body=_text(content.get("text")),
        authors=[_text(person.get("name")) for person in _mappings(raw.get("authors"))],
        year=raw.get("year") or raw.get("publicationdate"),
        venue=_text(raw.get("venue") or journal.get("name")),
        keywords=_texts(dict.fromkeys(fields)),
        doi=_text(ids.get("DOI")),
        arxiv=_text(ids.get("ArXiv")),
        pmid=_text(ids.get("PubMed")),
        url=_text(raw.get("url")),
        corpusid="" if number is None else str(number),
    )


def _crossref(raw: Raw) -> dict[str, Any]:
    """A work of Crossref's REST API; its abstracts are JATS."""
    title = _first(raw.get("title"))
    subtitle = _first(raw.get("subtitle"))
    updates = " ".join(_text(item.get("type")) for item in _mappings(raw.get("updated-by")))
    years = [raw.get(name) for name in ("published", "published-print", "issued", "created")]
    return paper_fields(
        title=f"{title}: {subtitle}" if subtitle and subtitle not in title else title,
        abstract=_text(raw.get("abstract")),
        authors=_csl_people(raw.get("author") or raw.get("editor")),
        year=years,
        venue=_first(raw.get("container-title")) or _text(raw.get("publisher")),
        keywords=_texts(raw.get("subject")),
        doi=_text(raw.get("DOI")),
        url=_text(raw.get("URL")),
        status="retracted" if "retraction" in updates else "",
    )


def _csl(raw: Raw) -> dict[str, Any]:
    """An item of CSL-JSON (citeproc): https://docs.citationstyles.org/en/stable/specification.html."""
    note = _text(raw.get("note"))
    keyword = raw.get("keyword") or raw.get("keywords") or ""
    return paper_fields(
        paper_id=str(raw.get("citation-key") or raw.get("id") or ""),
        title=_text(raw.get("title")),
        abstract=_text(raw.get("abstract")),
        authors=_csl_people(raw.get("author") or raw.get("editor") or raw.get("director")),
        year=[raw.get("issued"), raw.get("original-date")],
        venue=_first(raw.get("container-title")) or _text(raw.get("event-title")),
        keywords=keyword if isinstance(keyword, str) else _texts(keyword),
        doi=_text(raw.get("DOI")) or note,
        arxiv=note if "arxiv" in note.lower() else _text(raw.get("number")).removeprefix("arXiv:"),
        pmid=_text(raw.get("PMID")),
        url=_text(raw.get("URL")),
        comments=note,
        pmcid=_text(raw.get("PMCID")),
    )


def _csl_people(value: Any) -> list[str]:
    order = ("given", "dropping-particle", "non-dropping-particle", "family", "suffix")
    people = []
    for person in _mappings(value):
        name = " ".join(_text(person.get(part)) for part in order if person.get(part))
        people.append(name or _text(person.get("literal") or person.get("name")))
    return people


def _mapping(value: Any) -> Raw:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: Any) -> list[Raw]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _first(value: Any) -> str:
    return _text(next((item for item in value if item), "") if isinstance(value, list) else value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _texts(value: Any) -> list[str]:
    if isinstance(value, Iterable) and not isinstance(value, str | Mapping):
        return [str(item) for item in value if item]
    return []


def _tail(value: Any) -> str:
    return value.rstrip("/").rpartition("/")[2] if isinstance(value, str) else ""


_SHAPES: tuple[tuple[str, Callable[[Raw], bool], Callable[[Raw], dict[str, Any] | None]], ...] = (
    ("OpenAlex", _is_openalex, _openalex),
    ("Zotero", lambda raw: "itemType" in raw, zotero_record),
    (
        "arXiv",
        lambda raw: "authors_parsed" in raw or {"submitter", "versions"} <= raw.keys(),
        _arxiv,
    ),
    ("Semantic Scholar", lambda raw: "corpusid" in raw or "externalids" in raw, _semantic_scholar),
    ("Crossref", _is_crossref, _crossref),
    ("CSL-JSON", _is_csl, _csl),
)
"""Name, test and reader of each service's records, the surest tests first."""
