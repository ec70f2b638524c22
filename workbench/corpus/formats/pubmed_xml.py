"""PubMed's XML: articles and books, tags inside titles and abstracts, MathML. Streams."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from workbench.corpus.cleaning.record import paper_fields
from workbench.corpus.formats.entry import Entry
from workbench.corpus.formats.xml_stream import found, shown, xml_records

ARTICLES = ("PubmedArticle", "PubmedBookArticle")
_DATES = ("Journal/JournalIssue/PubDate", "ArticleDate", "Book/PubDate", "ContributionDate")


def read_pubmed_xml(path: Path) -> Iterator[Entry]:
    """The articles of a set; a broken file gives those before the break, then a reject."""
    return xml_records(path, ARTICLES, "PubMed XML", lambda number, e: _entry(path, number, e))


def _entry(path: Path, number: int, article: ET.Element) -> Entry:
    raw = {"PubmedArticle": ET.tostring(article, encoding="unicode")}
    document = article.find("MedlineCitation")
    if document is None:
        document = article.find("BookDocument")
    if document is None:
        cure = "export the record again as XML or in PubMed format"
        problem = "an article without MedlineCitation or BookDocument"
        return Entry(str(path), number, None, problem, cure, raw, "PubMed XML")
    return Entry(str(path), number, _record(article, document), "", "", raw, "PubMed XML")


def _record(article: ET.Element, document: ET.Element) -> dict[str, Any]:
    inner = document.find("Article")
    part = document if inner is None else inner
    ids = {
        node.get("IdType", ""): shown(node)
        for node in article.iterfind(".//ArticleIdList/ArticleId")
    }
    places = {n.get("EIdType", ""): shown(n) for n in part.iterfind("ELocationID")}
    kinds = " ".join(shown(node) for node in part.iterfind(".//PublicationType")).lower()
    title = found(part, "ArticleTitle", "VernacularTitle", "Book/BookTitle")
    return paper_fields(
        title=title.strip("[]") if title.startswith("[") else title,
        abstract=_abstract(part),
        authors=[name for node in _authors(part) if (name := _person(node))],
        year=[shown(node) for place in _DATES for node in part.iterfind(f"{place}/*")],
        venue=found(part, "Journal/Title", "Journal/ISOAbbreviation", "Book/BookTitle"),
        keywords=[
            shown(node)
            for place in (".//MeshHeading/DescriptorName", ".//KeywordList/Keyword")
            for node in document.iterfind(place)
        ],
        doi=ids.get("doi") or places.get("doi", ""),
        pmid=found(document, "PMID"),
        status="retracted" if "retracted publication" in kinds else "",
        pmcid=ids.get("pmc", ""),
    )


def _authors(part: ET.Element) -> list[ET.Element]:
    lists = [node for node in part.iterfind(".//AuthorList") if node.get("Type") != "editors"]
    return [author for node in lists[:1] for author in node.iterfind("Author")]


def _person(author: ET.Element) -> str:
    names = (found(author, "ForeName", "Initials"), found(author, "LastName"),
             found(author, "Suffix"))  # fmt: skip
    return " ".join(part for part in names if part) or found(author, "CollectiveName")


def _abstract(part: ET.Element) -> str:
    """Sections with their labels, each a paragraph."""
    texts = []
    for node in part.iterfind("Abstract/AbstractText"):
        label, text = node.get("Label", ""), shown(node)
        texts.append(f"{label}: {text}" if label and text and label != "UNLABELLED" else text)
    return "\n\n".join(text for text in texts if text)
