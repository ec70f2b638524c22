"""PubMed's XML: articles and books, tags inside titles and abstracts, MathML. Streams."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET  # expat 2.6 and later bound what entities expand to

from workbench.corpus.cleaning.encoding import open_bytes
from workbench.corpus.cleaning.record import paper_fields
from workbench.corpus.formats.entry import Entry

ARTICLES = ("PubmedArticle", "PubmedBookArticle")
_DATES = ("Journal/JournalIssue/PubDate", "ArticleDate", "Book/PubDate", "ContributionDate")
_HIDDEN = frozenset({"annotation", "annotation-xml"})
_FORMULA = frozenset(["mi", "mn", "mo", "ms", "mtext"])


def read_pubmed_xml(path: Path) -> Iterator[Entry]:
    """The articles of a set; a broken file gives those before the break, then a reject."""
    number = 0
    with open_bytes(path) as stream:
        try:
            for _, element in ET.iterparse(stream, events=("end",)):  # noqa: S314
                if _local(element.tag) in ARTICLES:
                    number += 1
                    yield _entry(path, number, element)
                    element.clear()
        except ET.ParseError as error:
            line = error.position[0]
            cure = "fetch the file again; articles before this line are taken"
            yield Entry(str(path), line, None, f"not XML: {error}", cure, None, "PubMed XML")


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
    title = _found(part, "ArticleTitle", "VernacularTitle", "Book/BookTitle")
    return paper_fields(
        title=title.strip("[]") if title.startswith("[") else title,
        abstract=_abstract(part),
        authors=[name for node in _authors(part) if (name := _person(node))],
        year=[shown(node) for place in _DATES for node in part.iterfind(f"{place}/*")],
        venue=_found(part, "Journal/Title", "Journal/ISOAbbreviation", "Book/BookTitle"),
        keywords=[
            shown(node)
            for place in (".//MeshHeading/DescriptorName", ".//KeywordList/Keyword")
            for node in document.iterfind(place)
        ],
        doi=ids.get("doi") or places.get("doi", ""),
        pmid=_found(document, "PMID"),
        status="retracted" if "retracted publication" in kinds else "",
        pmcid=ids.get("pmc", ""),
    )


def _authors(part: ET.Element) -> list[ET.Element]:
    lists = [node for node in part.iterfind(".//AuthorList") if node.get("Type") != "editors"]
    return [author for node in lists[:1] for author in node.iterfind("Author")]


def _person(author: ET.Element) -> str:
    names = (_found(author, "ForeName", "Initials"), _found(author, "LastName"),
             _found(author, "Suffix"))  # fmt: skip
    return " ".join(part for part in names if part) or _found(author, "CollectiveName")


def _abstract(part: ET.Element) -> str:
    """Sections with their labels, each a paragraph."""
    texts = []
    for node in part.iterfind("Abstract/AbstractText"):
        label, text = node.get("Label", ""), shown(node)
        texts.append(f"{label}: {text}" if label and text and label != "UNLABELLED" else text)
    return "\n\n".join(text for text in texts if text)


def _found(element: ET.Element, *paths: str) -> str:
    for path in paths:
        node = element.find(path)
        if node is not None and (text := shown(node)):
            return text
    return ""


def shown(element: ET.Element) -> str:
    """All text in an element, tags inside it included; formulas without the blanks of markup."""
    return " ".join("".join(_pieces(element)).split())


def _pieces(element: ET.Element) -> Iterator[str]:
    name = _local(element.tag)
    if name in _HIDDEN:
        return
    text = element.text or ""
    math = "math" in str(element.tag).lower() or "MathML" in str(element.tag)
    yield text.strip() if math or name in _FORMULA else text
    for child in element:
        yield from _pieces(child)
        yield (child.tail or "").strip() if math else child.tail or ""


def _local(tag: Any) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""
