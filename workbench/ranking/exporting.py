"""Papers to files that other tools read: BibTeX, RIS, CSV, CSL-JSON. What is written reads back."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.corpus.cleaning.names import PARTICLES
from workbench.corpus.faults import as_path, disk_faults
from workbench.engines.base import Engine
from workbench.errors import CorpusNotFound, UnsupportedSource, shown
from workbench.ranking.bibtex import bibtex_entry, bibtex_key
from workbench.records import Hit, Judgment, Paper
from workbench.system.files import replacing

Extra = Mapping[str, Any]
"""What stands beside a paper: its rank and score, or a query and a grade."""

_GIVE = "give a Ranking, judgments, an answer, papers or their ids"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_SUFFIX = re.compile(r"(?:Jr|Sr)\.?|II|III|IV")
COLUMNS = (
    "id",
    "title",
    "authors",
    "year",
    "venue",
    "doi",
    "arxiv_id",
    "url",
    "keywords",
    "abstract",
)


def export_papers(
    papers: Sequence[Paper], path: str | Path, extras: Sequence[Extra] | None = None
) -> int:
    """Write papers to a file whose ending says how: .bib, .ris, .csv or .json (CSL-JSON).

    `extras`, one a paper, are columns of the CSV and notes elsewhere. An earlier file is replaced
    when all is written. Returns how many papers. Raises UnsupportedSource for another ending.
    """
    path = as_path(path)
    ending = path.suffix.lower()
    if ending not in _WRITERS:
        raise UnsupportedSource(f"{path}: no format for {ending!r}; use {', '.join(_WRITERS)}")
    text = _WRITERS[ending](papers, extras or [{}] * len(papers))
    with disk_faults(path), replacing(path) as stream:
        stream.write(text)
    return len(papers)


def export_from(engine: Engine, what: Any, path: str | Path) -> int:
    """`Workbench.export`."""
    rows = list(_rows(what))
    wanted = list(dict.fromkeys(row for row, _ in rows if isinstance(row, str)))
    missing = sorted(set(wanted) - engine.known(wanted))
    if missing:
        raise CorpusNotFound(
            f"{len(missing):,} of the papers are not in this corpus: {missing[0]!r} is the first; "
            "leave them out, or open the corpus that has them"
        )
    stored = dict(zip(wanted, engine.papers(wanted), strict=True))
    papers = [stored[row] if isinstance(row, str) else row for row, _ in rows]
    return export_papers(papers, path, [extra for _, extra in rows])


def _rows(what: Any) -> Iterable[tuple[Paper | str, Mapping[str, Any]]]:
    """(paper or its id, what stands beside it) of anything with papers."""
    if isinstance(what, str | Paper | Hit):
        what = [what]
    items = getattr(what, "quotes", what)
    if isinstance(items, Mapping) or not isinstance(items, Iterable):
        raise UnsupportedSource(f"{shown(what)}: no papers; {_GIVE}")
    for item in items:
        if isinstance(item, Hit):
            yield item.paper, {"rank": item.rank, "score": item.score}
        elif isinstance(item, Judgment):
            yield item.paper_id, {"query": item.query_id, "grade": item.grade}
        elif isinstance(item, Paper | str):
            yield item, {}
        elif isinstance(name := getattr(item, "paper_id", None), str):
            yield name, {"quote": getattr(item, "text", "")}
        else:
            raise UnsupportedSource(f"{shown(item)}: no paper; {_GIVE}")


def _bibtex(papers: Sequence[Paper], extras: Sequence[Extra]) -> str:
    used: dict[str, int] = {}
    entries = []
    for paper, extra in zip(papers, extras, strict=True):
        key = bibtex_key(paper)
        used[key] = used.get(key, 0) + 1
        words = "; ".join(paper.fields)
        more = {"keywords": words, "abstract": paper.abstract, "note": _note(extra)}
        key = key if used[key] == 1 else f"{key}-{used[key]}"
        entries.append(bibtex_entry(paper, key, more))
    return "\n\n".join(entries) + "\n" * bool(entries)


def _ris(papers: Sequence[Paper], extras: Sequence[Extra]) -> str:
    return "\n".join(_ris_record(*pair) for pair in zip(papers, extras, strict=True))


def _ris_record(paper: Paper, extra: Extra) -> str:
    lines = [
        ("TY", "JOUR" if paper.venue else "GEN"),
        ("ID", paper.id),
        ("TI", paper.title),
        *(("AU", last_first(name)) for name in paper.authors),
        ("PY", str(paper.year or "")),
        ("T2", paper.venue),
        ("DO", paper.doi),
        ("UR", paper.url),
        ("UR", f"https://arxiv.org/abs/{paper.arxiv_id}" if paper.arxiv_id else ""),
        *(("KW", word) for word in paper.fields),
        *(("AB", part) for part in paper.abstract.split("\n\n")),
        ("N1", _note(extra)),
    ]
    filled = [f"{tag}  - {' '.join(value.split())}\n" for tag, value in lines if value]
    return "".join([*filled, "ER  - \n"])


def _csv(papers: Sequence[Paper], extras: Sequence[Extra]) -> str:
    """RFC 4180; a cell that a spreadsheet would take for a formula begins with an apostrophe."""
    names = list(dict.fromkeys(name for extra in extras for name in extra))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*names, *COLUMNS])
    for paper, extra in zip(papers, extras, strict=True):
        values = {
            **{name: getattr(paper, name, "") for name in COLUMNS},
            "authors": "; ".join(paper.authors),
            "keywords": "; ".join(paper.fields),
        }
        writer.writerow([safe_cell(v) for v in (*(extra.get(n) for n in names), *values.values())])
    return out.getvalue()


def safe_cell(value: Any) -> Any:
    """A cell's value that no spreadsheet runs; numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith((*_FORMULA, "'")):
        return f"'{value}"
    return value


def _csl(papers: Sequence[Paper], extras: Sequence[Extra]) -> str:
    items = [_csl_item(*pair) for pair in zip(papers, extras, strict=True)]
    return json.dumps(items, ensure_ascii=False, indent=1) + "\n"


def _csl_item(paper: Paper, extra: Extra) -> dict[str, Any]:
    notes = [f"arXiv: {paper.arxiv_id}"] if paper.arxiv_id else []
    item = {
        "id": paper.id,
        "type": "article-journal" if paper.venue else "article",
        "title": paper.title,
        "author": [_csl_name(name) for name in paper.authors],
        "issued": {"date-parts": [[paper.year]]} if paper.year else None,
        "container-title": paper.venue,
        "DOI": paper.doi,
        "URL": paper.url,
        "keyword": "; ".join(paper.fields),
        "abstract": paper.abstract,
        "note": "\n".join([*notes, *([_note(extra)] if extra else [])]),
    }
    return {name: value for name, value in item.items() if value}


def _csl_name(name: str) -> dict[str, str]:
    given, family = _parts(name)
    return {"given": given, "family": family} if given else {"literal": name}


def last_first(name: str) -> str:
    """ "Jan van der Berg" as "van der Berg, Jan"; one word, or with a comma, as it is."""
    given, family = _parts(name)
    return f"{family}, {given}" if given else name


def _parts(name: str) -> tuple[str, str]:
    words = name.split()
    if len(words) < 2 or "," in name:
        return "", name
    start = len(words) - 1
    if _SUFFIX.fullmatch(words[-1]) and len(words) > 2:
        start -= 1
    while start > 1 and words[start - 1] in PARTICLES:
        start -= 1
    return " ".join(words[:start]), " ".join(words[start:])


def _note(extra: Extra) -> str:
    return ", ".join(f"{name}: {value}" for name, value in extra.items() if value not in (None, ""))


_WRITERS: dict[str, Callable[[Sequence[Paper], Sequence[Extra]], str]] = {
    ".bib": _bibtex,
    ".ris": _ris,
    ".csv": _csv,
    ".json": _csl,
}
