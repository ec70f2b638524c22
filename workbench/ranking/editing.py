"""Query tuning: terms muted, boosted, required or added.

Edits act on the lexical signals and on what may be retrieved; the query's vector stays that of the
text, since single words cannot be taken out of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from workbench.corpus.analysis import Analyser
from workbench.engines.base import Engine
from workbench.engines.bm25 import idf
from workbench.errors import QueryError, shown
from workbench.profiles.settings import finite
from workbench.records import Filters, Query

MAX_FACTOR = 1000.0
ADDED = 0.5
"""Weight of a term added without one: half of a word that the person wrote."""


@dataclass(frozen=True, slots=True)
class QueryEdits:
    """What a person changed about a query's terms. Words or index terms; words are analysed.

    `mute`: terms of the query that no longer count. `boost`: terms of the query by the factor of
    their weight, above 0. `require`: terms that a passage or its title must have. `add`: further
    terms by their weight, above 0, or several terms that take 0.5.
    Raises QueryError for a factor or weight that is not a finite number above 0 and up to 1,000.
    """

    mute: tuple[str, ...] = ()
    boost: Mapping[str, float] = field(default_factory=dict)
    require: tuple[str, ...] = ()
    add: Mapping[str, float] | Iterable[str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("mute", "require"):
            object.__setattr__(self, name, _words(name, getattr(self, name)))
        added = self.add
        if not isinstance(added, Mapping):
            added = dict.fromkeys(_words("add", added), ADDED)
        for name, given in (("boost", self.boost), ("add", added)):
            object.__setattr__(self, name, MappingProxyType(_factors(name, given)))

    def __hash__(self) -> int:
        return hash((self.mute, tuple(self.boost.items()), self.require, tuple(self.added.items())))

    def __bool__(self) -> bool:
        return bool(self.mute or self.boost or self.require or self.add)

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy can be neither copied nor sent to another process; its contents can.
        return QueryEdits, (self.mute, dict(self.boost), self.require, dict(self.added))

    @property
    def added(self) -> Mapping[str, float]:
        """`add` as a mapping of term and weight, which it always is after construction."""
        assert isinstance(self.add, Mapping)
        return self.add

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without what is empty."""
        values = {
            "mute": list(self.mute),
            "boost": dict(self.boost),
            "require": list(self.require),
            "add": dict(self.added),
        }
        return {name: value for name, value in values.items() if value}


@dataclass(frozen=True, slots=True)
class QueryTerm:
    """One term of a query: the words that gave it, its weight, and how rare it is.

    `papers` counts passages that have it (title included), of `of`; `idf` is BM25's. `state` is
    `plain`, `muted` or `added`; a required term has `required`.
    """

    term: str
    word: str
    weight: float
    papers: int
    of: int
    idf: float
    state: str = "plain"
    factor: float = 1.0
    required: bool = False


def edit_query(query: Query, edits: QueryEdits, analyser: Analyser, engine: Engine) -> Query:
    """The query with changed term weights. Raises QueryError for a term that it does not have."""
    terms = dict(query.terms)
    for name, factor in edits.boost.items():
        term = _own_term(name, terms, analyser, "boost")
        terms[term] *= factor
    for name in edits.mute:
        terms.pop(_own_term(name, query.terms, analyser, "mute"), None)
    for name, weight in edits.added.items():
        term = index_term(name, analyser, engine)
        terms[term] = terms.get(term, 0.0) + weight
    return replace(query, terms=terms)


def edit_filters(
    filters: Filters, edits: QueryEdits, analyser: Analyser, engine: Engine
) -> Filters:
    """The filters with the required terms."""
    required = tuple(index_term(name, analyser, engine) for name in edits.require)
    terms = tuple(dict.fromkeys((*filters.terms, *required)))
    return replace(filters, terms=terms)


def edits_for(text: str, edits: QueryEdits) -> QueryEdits:
    """The edits that still mean something for another text: what is added stays, the rest where
    its term is among the text's or was added."""
    analyser = Analyser()
    terms = set(analyser.counts(text))

    def there(name: str) -> bool:
        return name in terms or bool(terms.intersection(analyser.terms(name)))

    return QueryEdits(
        mute=tuple(filter(there, edits.mute)),
        boost={name: factor for name, factor in edits.boost.items() if there(name)},
        require=tuple(n for n in edits.require if there(n) or n in edits.added),
        add=edits.added,
    )


def index_term(name: str, analyser: Analyser, engine: Engine) -> str:
    """The index term of a word; a term of the index stands for itself, since a stem's stem may
    differ. Raises QueryError for what is not exactly one word."""
    if engine.document_frequencies([name])[0]:
        return name
    terms = analyser.terms(name)
    if len(terms) != 1:
        raise QueryError(f"{name!r} has {len(terms)} searchable words; give exactly one word")
    return terms[0]


def query_terms(
    text: str, edits: QueryEdits, analyser: Analyser, engine: Engine
) -> list[QueryTerm]:
    """Every term of a query in the order of its words, muted and added ones included."""
    words = _words_of(text, analyser)
    counts = analyser.counts(text)
    added = {index_term(n, analyser, engine): (n, w) for n, w in edits.added.items()}
    muted = {_own_term(name, counts, analyser, "mute") for name in edits.mute}
    boost = {_own_term(n, counts, analyser, "boost"): f for n, f in edits.boost.items()}
    required = {index_term(name, analyser, engine) for name in edits.require}
    found, of = engine.document_frequencies([*counts, *added, *required])

    def made(term: str, word: str, weight: float, state: str) -> QueryTerm:
        papers = found.get(term, 0)
        factor = boost.get(term, 1.0)
        weight = 0.0 if state == "muted" else weight * factor
        needed = term in required
        rarity = float(idf(of, papers))
        return QueryTerm(term, word, weight, papers, of, rarity, state, factor, needed)

    own = [
        made(term, words.get(term, term), float(count), "muted" if term in muted else "plain")
        for term, count in counts.items()
    ]
    more = [made(t, n, w, "added") for t, (n, w) in added.items() if t not in counts]
    return own + more


def _own_term(name: str, terms: Mapping[str, Any], analyser: Analyser, what: str) -> str:
    """The query's term that a word or term names."""
    if name in terms:
        return name
    stems = analyser.terms(name)
    if len(stems) == 1 and stems[0] in terms:
        return stems[0]
    raise QueryError(
        f"cannot {what} {name!r}: the query's terms are {', '.join(terms) or 'none'}; name one"
    )


def _words_of(text: str, analyser: Analyser) -> dict[str, str]:
    """Each term's first word as written."""
    words: dict[str, str] = {}
    for start, end, term in analyser.spans(text):
        words.setdefault(term, text[start:end])
    return words


def _words(name: str, given: Any) -> tuple[str, ...]:
    if not isinstance(given, str | Iterable):
        raise QueryError(f"{name} is {given!r}; give words")
    words = (given,) if isinstance(given, str) else tuple(given)
    if not all(isinstance(word, str) and word for word in words):
        raise QueryError(f"{name} is {given!r}; give words")
    return tuple(dict.fromkeys(words))


def _factors(name: str, given: Any) -> dict[str, float]:
    if not isinstance(given, Mapping):
        raise QueryError(f"{name} is {given!r}; give a mapping like {{'word': 2}}")
    for word, factor in given.items():
        number = finite(factor)
        if not isinstance(word, str) or number is None or not 0 < number <= MAX_FACTOR:
            raise QueryError(
                f"{name} of {shown(word)} is {shown(factor)}; give a number above 0, at most "
                f"{MAX_FACTOR:g}"
            )
    return {word: float(factor) for word, factor in given.items()}
