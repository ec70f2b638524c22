"""A paper as a BibTeX entry."""

from __future__ import annotations

import re
import unicodedata

from workbench.corpus.analysis import STOP_WORDS, fold
from workbench.records import Paper

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}
_WORD = re.compile(r"[a-z0-9]+")


def to_bibtex(paper: Paper) -> str:
    """One entry: `article` where the venue is known, else `misc`.

    What TeX would obey is escaped; letters with accents stay, as biber and current BibTeX read
    them. Fields that are not known are left out.
    """
    fields = {
        "title": _escaped(paper.title),
        "author": " and ".join(_author(name) for name in paper.authors),
        "year": str(paper.year or ""),
        "journal": _escaped(paper.venue),
        "doi": _verbatim(paper.doi),
        "eprint": _verbatim(paper.arxiv_id),
        "eprinttype": "arxiv" if paper.arxiv_id else "",
        "url": _verbatim(paper.url),
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    kind = "article" if paper.venue else "misc"
    return "\n".join([f"@{kind}{{{bibtex_key(paper)},", *lines, "}"])


def bibtex_key(paper: Paper) -> str:
    """Last name of the first author, year, first word of the title that is no stop word."""
    last = paper.authors[0].split(",")[0].split()[-1:] if paper.authors else []
    name = "".join(_WORD.findall(fold(last[0]))) if last else ""
    words = [word for word in _WORD.findall(fold(paper.title)) if word not in STOP_WORDS]
    key = f"{name}{paper.year or ''}{words[0] if words else ''}"
    return key or "".join(_WORD.findall(fold(paper.id))) or "paper"


def _author(name: str) -> str:
    # A name that holds " and " would be read as two people.
    escaped = _escaped(name)
    return f"{{{escaped}}}" if re.search(r"\band\b", escaped) else escaped


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(c, c) for c in _plain(text))


def _verbatim(text: str) -> str:
    """Fields that BibTeX takes literally may hold no brace and no backslash."""
    return re.sub(r"[{}\\\s]", "", _plain(text))


def _plain(text: str) -> str:
    """In one line, without control characters."""
    kept = (" " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c for c in text)
    return " ".join("".join(kept).split())
