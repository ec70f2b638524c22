"""A paper as a BibTeX entry."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

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
_BRACES = {"{": r"{\textbraceleft}", "}": r"{\textbraceright}"}
_MEETINGS = (
    " aaai acl aistats chi cikm clef coling colt conll cvpr eacl eccv ecir emnlp iccv icde icdm "
    " iclr icml ijcai interspeech kdd lrec naacl neurips nips recsys sdm sigir sigmod trec uai "
    " vldb wsdm www "
)
_MEETING = re.compile(r"\b(proceedings|conference|workshop|symposium|meeting)\b", re.IGNORECASE)
_WORD = re.compile(r"[a-z0-9]+")


def to_bibtex(paper: Paper) -> str:
    """One entry with the fields of a reference. See `bibtex_entry`."""
    return bibtex_entry(paper, bibtex_key(paper), {})


def bibtex_entry(paper: Paper, key: str, more: Mapping[str, str]) -> str:
    """One entry: `inproceedings` where the venue is a conference, `article` for another venue,
    else `misc`; `more` fields come last.

    What TeX would obey is escaped; letters with accents stay, as biber and current BibTeX read
    them. Fields that are not known are left out.
    """
    meeting = is_meeting(paper.venue)
    fields = {
        "title": _escaped(paper.title),
        "author": " and ".join(_author(name) for name in paper.authors),
        "year": str(paper.year or ""),
        "booktitle" if meeting else "journal": _escaped(paper.venue),
        "doi": _verbatim(paper.doi),
        "eprint": _verbatim(paper.arxiv_id),
        "eprinttype": "arxiv" if paper.arxiv_id else "",
        "url": _verbatim(paper.url),
        **{name: _escaped(value) for name, value in more.items()},
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    kind = "inproceedings" if meeting else "article" if paper.venue else "misc"
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def is_meeting(venue: str) -> bool:
    """Whether a venue is a conference, by its words or its usual short name ("SIGIR", "ACL 2020").
    A venue that is not known as one is taken for a journal."""
    words = _WORD.findall(fold(venue))
    return bool(_MEETING.search(venue)) or (0 < len(words) <= 3 and f" {words[0]} " in _MEETINGS)


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
    """What TeX shows as the text. BibTeX counts braces, escaped ones too: those that do not pair
    are written by name. Empty groups keep dashes and quotes from becoming others."""
    paragraphs = (_plain(part) for part in text.split("\n\n"))
    names = {} if _pairs(text) else _BRACES
    escaped = ("".join(names.get(c) or _SPECIAL.get(c, c) for c in part) for part in paragraphs)
    joined = r" \par ".join(part for part in escaped if part)
    return re.sub(r"([-`'])(?=\1)", r"\1{}", joined)


def _pairs(text: str) -> bool:
    """Whether the braces of a text are balanced."""
    depth = 0
    for mark in re.findall(r"[{}]", text):
        depth += 1 if mark == "{" else -1
        if depth < 0:
            return False
    return depth == 0


def _verbatim(text: str) -> str:
    """Fields that BibTeX takes literally may hold no brace and no backslash."""
    return re.sub(r"[{}\\\s]", "", _plain(text))


def _plain(text: str) -> str:
    """In one line, without control characters."""
    kept = (" " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c for c in text)
    return " ".join("".join(kept).split())
