"""Hits, terms and details as the browser gets them: plain values, texts in marked pieces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from workbench.present.latex import readable
from workbench.present.words import authors_line
from workbench.ranking.details import PaperDetails
from workbench.ranking.editing import QueryTerm
from workbench.ranking.ranking import Ranking
from workbench.ranking.suggestions import Suggestion
from workbench.ranking.view import COLOURS, OTHER_COLOUR, marked, shorten
from workbench.records import Paper, Passage

MORE_COLOURS = (OTHER_COLOUR, "#56B4E9", "#D55E00", "#F0E442")
"""The rest of Okabe and Ito's palette, for signals that have no colour of their own."""


def colours(signals: Iterable[str]) -> dict[str, str]:
    """A colour a signal, the same each time."""
    spare = iter(MORE_COLOURS)
    return {name: COLOURS.get(name) or next(spare, OTHER_COLOUR) for name in signals}


def card(paper: Paper, passage: Passage, terms: Mapping[str, float]) -> dict[str, Any]:
    """What stands on a card beside rank and score, which change with the weights."""
    place = " ".join(str(part) for part in (readable(paper.venue), paper.year) if part)
    by = authors_line(paper.authors)
    title = readable(paper.title)
    named = [by and f"{by}.", f"{title.rstrip('.')}.", place and f"{place}."]
    web = links(paper)
    return {
        "id": paper.id,
        "title": title,
        "by": by,
        "place": place,
        "year": paper.year,
        "text": pieces(shorten(readable(passage.text), terms), terms),
        "links": web,
        "citation": " ".join([part for part in named if part] + [url for _, url in web[:1]]),
    }


def cards(ranking: Ranking, rows: Iterable[int] | None = None) -> dict[str, dict[str, Any]]:
    """A card a row of the candidates, the hits' without `rows`; keys are texts, as in JSON."""
    found, terms = ranking.candidates, ranking.candidates.query.terms
    asked = ranking.rows.tolist() if rows is None else list(rows)
    known = [row for row in asked if 0 <= row < len(found)]
    ids = [str(found.paper_ids[row]) for row in known]
    papers = ranking.engine.papers(ids)
    keys = [(name, int(found.numbers[row])) for name, row in zip(ids, known, strict=True)]
    made = zip(known, papers, ranking.engine.passages(keys), strict=True)
    return {str(row): card(paper, passage, terms) for row, paper, passage in made}


def pieces(text: str, terms: Mapping[str, float]) -> list[tuple[str, int]]:
    """The text in pieces, each with 1 where it is a word of the query."""
    return [(piece, int(matches)) for piece, matches in marked(text, terms)]


def term_chip(term: QueryTerm) -> dict[str, Any]:
    """One analysed term."""
    return {
        "term": term.term,
        "word": term.word,
        "weight": term.weight,
        "papers": term.papers,
        "of": term.of,
        "idf": term.idf,
        "state": term.state,
        "factor": term.factor,
        "required": term.required,
    }


def suggestion_chip(suggestion: Suggestion) -> dict[str, Any]:
    """One suggested term."""
    return {"term": suggestion.term, "word": suggestion.word, "papers": suggestion.papers}


def details(
    found: PaperDetails, terms: Mapping[str, float], words: Mapping[str, str]
) -> dict[str, Any]:
    """Abstract, passages with scores, explanation and BibTeX of one hit. `words`: each term of the
    query as the person wrote it."""
    # A paper of one passage would show the same text twice.
    only = len(found.passages) == 1 and found.passages[0].passage.text == found.paper.abstract
    return {
        "abstract": "" if only else readable(found.paper.abstract),
        "passages": [
            {
                "text": pieces(readable(scored.passage.text), terms),
                "scores": _scores(scored.score, scored.values),
                "best": scored.best,
            }
            for scored in found.passages
        ],
        "rows": [_explained(row, words) for row in found.explanation.rows()],
        "score": f"{found.hit.score:.4f}",
        "bibtex": found.bibtex,
        "links": links(found.paper),
    }


def _scores(score: float | None, values: Mapping[str, float]) -> str:
    raw = ", ".join(f"{name} {value:.3f}" for name, value in values.items())
    return f"no candidate ({raw})" if score is None else f"{score:.3f} ({raw})"


def _explained(row: Mapping[str, Any], words: Mapping[str, str]) -> dict[str, Any]:
    term = str(row["term"])
    shown: dict[str, Any] = {
        "signal": str(row["signal"]),
        "term": words.get(term, term),
        "value": f"{row['value']:.4f}",
        "nothing": bool(term) and not row["value"],
    }
    if not row["term"]:
        shown["normalised"] = f"{row['normalised']:.4f}"
        shown["weight"] = f"{row['weight']:.3g}"
        shown["contribution"] = f"{row['contribution']:.4f}"
    return shown


def links(paper: Paper) -> list[tuple[str, str]]:
    """Where the paper is on the web; only http and https, since a paper's url is anybody's text."""
    found = [("DOI", f"https://doi.org/{quote(paper.doi)}")] if paper.doi else []
    if paper.arxiv_id:
        found.append(("arXiv", f"https://arxiv.org/abs/{quote(paper.arxiv_id)}"))
    if urlsplit(paper.url).scheme in {"http", "https"}:
        found.append(("Link", paper.url))
    return found
