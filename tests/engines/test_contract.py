"""What every engine must do, whatever it stores and wherever it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.engines.base import Engine
from workbench.engines.embedded.engine import EmbeddedEngine
from workbench.errors import CorpusError, CorpusMismatch, FilterError, ProfileError
from workbench.ranking.fusion import rank_papers
from workbench.records import Candidates, Filters, Paper, Query

Papers = tuple[Paper, ...]
Make = Callable[[Sequence[Paper]], Engine]
Change = Callable[..., Engine]
Ask = Callable[..., Query]
Key = tuple[str, int]
TrueValues = Callable[[Papers, Query], dict[Key, tuple[float, float, float]]]

CLOSE = {"rel": 1e-5, "abs": 1e-5}
"""Engines store float32; the true values are float64."""

ALL = 1000
"""More than there are passages."""

QUERIES = (
    "ranking functions for relevance",
    "dense vectors for question answering",
    "how do cats hunt birds?",
    "volcanoes volcanoes index compression",
    "query",
)

WORDS = ("rank", "relevance", "query", "part", "cat", "xylophone")


def keys(candidates: Candidates) -> list[Key]:
    numbers = candidates.numbers.tolist()
    return [(str(name), n) for name, n in zip(candidates.paper_ids, numbers, strict=True)]


def papers_of(fingerprint: str) -> str:
    """What papers and settings decide of it; which rows an approximate arm reads follows a "+",
    and hangs on the order in which they came."""
    return fingerprint.partition("+")[0]


def found_papers(engine: Engine, query: Query, n: int = ALL, **filters: object) -> set[str]:
    return {name for name, _ in keys(engine.candidates(query, n, Filters(**filters)))}


def best(values: dict[Key, float], n: int) -> set[Key]:
    """The n best; a tie at the cut would make the expectation arbitrary."""
    order = sorted(values, key=lambda key: -values[key])
    cut = [values[key] for key in order[n - 1 : n + 1]]
    assert len(cut) < 2 or cut[0] - cut[1] > 1e-6, "tie at the cut: choose another query or n"
    return set(order[:n])


# Papers


def test_known_ids_are_those_of_living_papers(
    make: Callable[[Sequence[Paper]], Engine], change: Change, papers: Papers
) -> None:
    kept, gone = papers[0].id, papers[1].id
    after = change(make(papers[:3]), delete=[gone])
    assert after.known([kept, gone, "nobody", kept]) == {kept}
    assert after.known([f"no {n}" for n in range(6_000)] + [kept]) == {kept}
    assert after.known([]) == set()


# Complete values


@pytest.mark.parametrize("text", QUERIES)
@pytest.mark.parametrize("arms", ["both", "lexical", "dense"])
def test_every_signal_of_every_candidate_has_its_true_value(
    engine: Engine, papers: Papers, ask: Ask, true_values: TrueValues, text: str, arms: str
) -> None:
    query = ask(text, arms)
    found = engine.candidates(query, 3)
    expected = true_values(papers, query)
    assert len(found)
    for key, row in zip(keys(found), found.values, strict=True):
        assert row.tolist() == pytest.approx(expected[key], **CLOSE), key


@settings(max_examples=40, deadline=None)
@given(words=st.lists(st.sampled_from(WORDS), min_size=1), n=st.integers(1, 20))
def test_a_value_does_not_depend_on_how_deep_one_looks(
    engine: Engine, ask: Ask, words: list[str], n: int
) -> None:
    query = ask(" ".join(words))
    deep = engine.candidates(query, ALL)
    values = dict(zip(keys(deep), deep.values.tolist(), strict=True))
    shallow = engine.candidates(query, n)
    for key, row in zip(keys(shallow), shallow.values.tolist(), strict=True):
        assert row == pytest.approx(values[key], **CLOSE)


def test_term_weights_multiply_the_terms_scores(
    engine: Engine, papers: Papers, ask: Ask, true_values: TrueValues
) -> None:
    query = replace(ask("ranking relevance query"), terms={"rank": 2.5, "relev": 1.0, "queri": 0.3})
    expected = true_values(papers, query)
    found = engine.candidates(query, ALL)
    for key, row in zip(keys(found), found.values, strict=True):
        assert row.tolist() == pytest.approx(expected[key], **CLOSE), key


def test_terms_unknown_to_the_corpus_change_nothing(engine: Engine, ask: Ask) -> None:
    query = ask("ranking functions")
    with_unknown = replace(query, terms={"zzyzx": 1.0, **query.terms, "qqq": 3.0})
    plain, more = engine.candidates(query, 3), engine.candidates(with_unknown, 3)
    assert keys(plain) == keys(more)
    assert np.array_equal(plain.values, more.values)


def test_only_unknown_terms_and_no_vector_find_nothing(engine: Engine) -> None:
    assert not len(engine.candidates(Query("zzyzx", {"zzyzx": 1.0}), 5))


def test_a_query_of_nothing_finds_nothing(engine: Engine) -> None:
    found = engine.candidates(Query(""), 5)
    assert (len(found), found.values.shape) == (0, (0, 3))


# Which candidates


@pytest.mark.parametrize(("text", "n"), [(QUERIES[0], 1), (QUERIES[1], 1), (QUERIES[3], 2)])
def test_candidates_are_the_union_of_each_arms_best(
    engine: Engine, papers: Papers, ask: Ask, true_values: TrueValues, text: str, n: int
) -> None:
    query = ask(text)
    values = true_values(papers, query)
    body = {key: bm25 for key, (bm25, _, _) in values.items() if bm25 > 0}
    title = {key: title for key, (_, title, _) in values.items() if title > 0 and key[1] == 0}
    dense = {key: cosine for key, (_, _, cosine) in values.items()}
    expected = best(body, n) | best(title, n) | best(dense, n)
    assert set(keys(engine.candidates(query, n))) == expected


def test_a_lexical_arm_leaves_out_what_matches_no_term(engine: Engine, ask: Ask) -> None:
    found = engine.candidates(ask("volcanoes", "lexical"), ALL)
    assert {name for name, _ in keys(found)} == {"long"}
    assert (found.column("bm25") > 0).all()


def test_the_dense_arm_reaches_every_passage(
    engine: Engine, papers: Papers, ask: Ask, true_values: TrueValues
) -> None:
    query = ask("anything", "dense")
    assert set(keys(engine.candidates(query, ALL))) == set(true_values(papers, query))


@pytest.mark.parametrize("arms", ["lexical", "dense"])
def test_more_candidates_contain_the_fewer(engine: Engine, ask: Ask, arms: str) -> None:
    query = ask("ranking queries by relevance", arms)
    sets = [set(keys(engine.candidates(query, n))) for n in (1, 2, 4, 8, ALL)]
    assert all(few <= more for few, more in pairwise(sets))
    assert len(sets[0]) < len(sets[-1])


def test_the_dense_arm_alone_gives_exactly_n(engine: Engine, ask: Ask) -> None:
    assert [len(engine.candidates(ask("birds", "dense"), n)) for n in (1, 2, 5)] == [1, 2, 5]


def test_an_absent_arm_has_value_zero(engine: Engine, ask: Ask) -> None:
    assert not engine.candidates(ask("ranking", "lexical"), 5).column("dense").any()
    assert not engine.candidates(ask("ranking", "dense"), 5).column("bm25").any()


# Shape


def test_rows_stand_in_order_of_paper_id_and_passage(engine: Engine, ask: Ask) -> None:
    found = keys(engine.candidates(ask("question answering and cats"), ALL))
    assert found == sorted(found)
    assert len(found) == len(set(found))


def test_signals_are_named_and_bounded_below(engine: Engine, ask: Ask) -> None:
    found = engine.candidates(ask("dense question answering"), ALL)
    assert found.signals == engine.signals == ("bm25", "title", "dense")
    assert found.lower.tolist() == [0.0, 0.0, -1.0]
    assert (found.values >= found.lower).all()


def test_arrays_have_the_contracts_types(engine: Engine, ask: Ask) -> None:
    found = engine.candidates(ask("dense"), 3)
    assert found.values.dtype == found.lower.dtype == np.float64
    assert found.values.shape == (len(found), 3)
    assert found.paper_ids.dtype.kind == "U"
    assert found.numbers.dtype == np.int32


def test_an_exact_dense_arm_is_had_or_refused(
    engine: Engine, papers: Papers, ask: Ask, true_values: TrueValues
) -> None:
    if not engine.exact and not isinstance(engine, EmbeddedEngine):
        with pytest.raises(ProfileError, match="give dense='auto'"):
            engine.exactly()
        return
    query, exactly = ask(QUERIES[0], arms="dense"), engine.exactly()
    assert exactly.exact
    assert (exactly.fingerprint == engine.fingerprint) == engine.exact
    dense = {key: values[2] for key, values in true_values(papers, query).items()}
    assert best(dense, 3) <= set(keys(exactly.candidates(query, 3)))


def test_candidates_carry_their_query_and_engine(engine: Engine, ask: Ask) -> None:
    query = ask("dense")
    found = engine.candidates(query, 3)
    assert found.query is query
    assert found.fingerprint == engine.fingerprint


# Filters

FILTERS: dict[str, tuple[Filters, set[str]]] = {
    "years between": (Filters(year=(2001, 2009)), {"zobel", "Robertson", "élan", "untitled"}),
    "one year": (Filters(year=(2020, 2020)), {"karpukhin"}),
    "from a year on": (Filters(year=(2020, None)), {"karpukhin", "10"}),
    "up to a year": (Filters(year=(None, 2001)), {"élan", "title-only"}),
    "up to the year 0": (Filters(year=(None, 0)), set()),
    "years beyond any integer type": (Filters(year=(10**30, None)), set()),
    "venue word": (Filters(venue=("SIGIR",)), {"10", "9"}),
    "venue in another case": (Filters(venue=("sigir forum",)), {"9"}),
    "venue without its accents": (Filters(venue=("francaise",)), {"élan"}),
    "venue across an apostrophe": (Filters(venue=("d'informatique",)), {"élan"}),
    "part of a word is no match": (Filters(venue=("SIG",)), set()),
    "words out of order are no match": (Filters(venue=("forum sigir",)), set()),
    "author's last name": (Filters(author=("manning",)), {"10", "9"}),
    "author's full name": (Filters(author=("Christopher D. Manning",)), {"10"}),
    "author without accents": (Filters(author=("jose garcia muller",)), {"élan"}),
    "author with accents": (Filters(author=("GARCÍA-MÜLLER",)), {"élan"}),
    "a name never spans two authors": (Filters(author=("Zobel Alistair",)), set()),
    "field": (Filters(field=("retrieval",)), {"karpukhin", "10"}),
    "alternatives": (Filters(venue=("EMNLP", "TREC")), {"karpukhin", "title-only"}),
    "ids": (Filters(ids=("9", "élan")), {"9", "élan"}),
    "ids are exact": (Filters(ids=("robertson", "zob")), set()),
    "an unknown id among known ones": (Filters(ids=("nobody", "long")), {"long"}),
    "kinds combine with and": (
        Filters(year=(2010, None), venue=("sigir",), author=("manning",)),
        {"10"},
    ),
    "a combination that nothing meets": (Filters(year=(2009, 2009), venue=("SIGIR",)), set()),
    "percent signs are no wildcards": (Filters(ids=("%",)), set()),
    "underscores are no wildcards": (Filters(ids=("_",)), set()),
    "quotes are no syntax": (Filters(author=("x' OR '1'='1",)), set()),
    "wildcards inside a name": (Filters(author=("Zob%",)), set()),
    "a very long name": (Filters(author=("a" * 100_000,)), set()),
}


@pytest.mark.parametrize(("filters", "expected"), FILTERS.values(), ids=FILTERS)
def test_filters_let_through_exactly_the_matching_papers(
    engine: Engine, ask: Ask, filters: Filters, expected: set[str]
) -> None:
    found = engine.candidates(ask("ranking"), ALL, filters)
    assert {name for name, _ in keys(found)} == expected


@pytest.mark.parametrize("arms", ["lexical", "dense"])
def test_filters_apply_before_retrieval_in_every_arm(engine: Engine, ask: Ask, arms: str) -> None:
    query = ask("ranking functions", arms)
    [winner] = found_papers(engine, query, 1)
    others = found_papers(engine, query) - {winner}
    assert others
    assert found_papers(engine, query, 1, ids=tuple(others)) <= others
    assert found_papers(engine, query, 1, ids=tuple(others))


def test_the_title_arm_retrieves_under_filters_too(engine: Engine, ask: Ask) -> None:
    query = ask("dense cats sparse", "lexical")
    filters = Filters(ids=("karpukhin",))
    assert keys(engine.candidates(query, 1, filters)) == [("karpukhin", 0)]


def test_values_are_the_same_under_a_filter(engine: Engine, ask: Ask) -> None:
    query = ask("ranking functions")
    free, filtered = (engine.candidates(query, ALL, f) for f in (Filters(), Filters(ids=("long",))))
    rows = free.paper_ids == "long"
    assert filtered.values == pytest.approx(free.values[rows], **CLOSE)


@pytest.mark.parametrize(
    "filters",
    [
        Filters(year=(2010, 2000)),
        Filters(year=("2000", None)),
        Filters(venue=("%",)),
        Filters(author=("_",)),
        Filters(field=("",)),
        Filters(field=(3,)),
    ],
    ids=repr,
)
def test_filters_that_cannot_be_meant_are_refused(
    engine: Engine, ask: Ask, filters: Filters
) -> None:
    with pytest.raises(FilterError):
        engine.candidates(ask("ranking"), 5, filters)


# Papers and passages


def test_papers_come_back_whole_and_in_order(engine: Engine, papers: Papers) -> None:
    backwards = papers[::-1]
    assert engine.papers([paper.id for paper in backwards]) == list(backwards)


def test_passages_are_spans_of_their_papers(engine: Engine, papers: Papers, ask: Ask) -> None:
    texts = {paper.id: paper.text for paper in papers}
    found = keys(engine.candidates(ask("anything", "dense"), ALL))
    for key, passage in zip(found, engine.passages(found), strict=True):
        assert (passage.paper_id, passage.number) == key
        assert passage.text == texts[key[0]][passage.start : passage.end]
        assert passage.text


def test_a_long_paper_is_found_by_the_passage_that_answers(engine: Engine, ask: Ask) -> None:
    found = engine.candidates(ask("volcanoes"), ALL)
    assert (found.paper_ids == "long").sum() > 3
    for signal in ("bm25", "dense"):
        rows, _ = rank_papers(found, found.column(signal), 1)
        [passage] = engine.passages([keys(found)[rows[0]]])
        assert passage.paper_id == "long"
        assert "volcanoes" in passage.text


def test_a_title_counts_once_for_its_paper(engine: Engine, ask: Ask) -> None:
    found = engine.candidates(ask("long survey"), ALL)
    titles = found.column("title")[found.paper_ids == "long"]
    assert titles[0] > 0
    assert (titles == titles[0]).all()


def test_an_unknown_paper_is_an_error_that_names_it(engine: Engine) -> None:
    with pytest.raises(CorpusError, match="nobody"):
        engine.papers(["zobel", "nobody"])
    with pytest.raises(CorpusError, match="nobody"):
        engine.passages([("nobody", 0)])
    with pytest.raises(CorpusError, match="nobody"):
        engine.term_scores(Query("x", {"x": 1.0}), "nobody", 0)


@pytest.mark.parametrize("number", [-1, 1, 999])
def test_an_unknown_passage_is_an_error_that_names_its_paper(engine: Engine, number: int) -> None:
    with pytest.raises(CorpusError, match="zobel"):
        engine.passages([("zobel", number)])
    with pytest.raises(CorpusError, match="zobel"):
        engine.term_scores(Query("x", {"rank": 1.0}), "zobel", number)


def test_a_vector_of_another_dimension_names_both_dimensions(engine: Engine) -> None:
    with pytest.raises(CorpusMismatch, match=r"(?s)\b7\b.*\b384\b"):
        engine.candidates(Query("x", vector=np.ones(7, dtype=np.float32)), 5)


# Explanation


@pytest.mark.parametrize(
    "weights",
    [{}, {"rank": 0.3}, {"rank": 2.0, "relev": 0.7, "zzyzx": 1.0}],
    ids=["plain", "one weighted", "all weighted, one unknown"],
)
def test_parts_of_the_terms_add_up_to_the_value_exactly(
    engine: Engine, ask: Ask, weights: dict[str, float]
) -> None:
    query = ask("ranking functions and relevance of query terms in compression")
    query = replace(query, terms={**query.terms, **weights})
    found = engine.candidates(query, ALL)
    assert found.column("bm25").any()
    for key, row in zip(keys(found), found.values, strict=True):
        parts = engine.term_scores(query, *key)
        for signal in ("bm25", "title"):
            total = np.float32(0)
            for part in parts[signal].values():
                total += np.float32(part)
            assert float(total) == row[found.signals.index(signal)], (key, signal)


def test_parts_name_the_known_terms_of_the_query(engine: Engine, ask: Ask) -> None:
    parts = engine.term_scores(ask("ranking zzyzx cats"), "9", 0)
    assert set(parts) == {"bm25", "title"}
    assert set(parts["bm25"]) == {"rank", "cat"}
    assert parts["bm25"]["cat"] > parts["bm25"]["rank"] == 0.0


# Change


@pytest.fixture
def small(papers: Papers) -> Papers:
    return papers[:4]


def test_a_deleted_paper_never_appears(make: Make, change: Change, small: Papers, ask: Ask) -> None:
    after = change(make(small), delete=["karpukhin"])
    for arms in ("both", "lexical", "dense"):
        assert "karpukhin" not in found_papers(after, ask("dense passage retrieval", arms))
    assert not found_papers(after, ask("dense passage retrieval"), ids=("karpukhin",))
    assert not found_papers(after, ask("dense passage retrieval"), venue=("EMNLP",))


def test_a_deleted_paper_is_an_unknown_paper(make: Make, change: Change, small: Papers) -> None:
    after = change(make(small), delete=["karpukhin"])
    with pytest.raises(CorpusError, match="karpukhin"):
        after.papers(["karpukhin"])
    with pytest.raises(CorpusError, match="karpukhin"):
        after.passages([("karpukhin", 0)])


def test_a_replaced_paper_appears_in_its_new_version_only(
    make: Make, change: Change, small: Papers, ask: Ask
) -> None:
    new = replace(small[2], title="Volcanoes", abstract="Lava flows.", year=1999, venue="Nature")
    after = change(make(small), [new])
    assert found_papers(after, ask("volcanoes", "lexical")) == {new.id}
    assert not found_papers(after, ask("passage encoders", "lexical"))
    assert not found_papers(after, ask("lava"), venue=("EMNLP",))
    assert found_papers(after, ask("lava"), year=(1999, 1999)) == {new.id}
    assert after.papers([new.id]) == [new]


@pytest.mark.parametrize("way", ["delete", "replace", "add"])
def test_a_changed_corpus_scores_as_if_made_anew(
    make: Make, change: Change, papers: Papers, ask: Ask, way: str
) -> None:
    before, fresh = {
        "delete": (papers[:5], papers[:4]),
        "replace": ((*papers[:3], replace(papers[3], abstract="Once something else.")), papers[:4]),
        "add": (papers[:3], papers[:4]),
    }[way]
    changed = change(make(before), fresh, delete=[papers[4].id])
    query = ask("relevance of expanded query terms in ranking")
    one, other = (engine.candidates(query, ALL) for engine in (changed, make(fresh)))
    assert keys(one) == keys(other)
    assert one.values == pytest.approx(other.values, **CLOSE)
    assert papers_of(one.fingerprint) == papers_of(other.fingerprint)


def test_a_corpus_without_papers_finds_nothing(
    make: Make, change: Change, small: Papers, ask: Ask
) -> None:
    after = change(make(small), delete=[paper.id for paper in small])
    assert not len(after.candidates(ask("ranking"), 5))


def test_fingerprints_tell_corpora_apart(make: Make, small: Papers) -> None:
    first, again = make(small), make(small[::-1])
    assert papers_of(first.fingerprint) == papers_of(again.fingerprint)
    other_text = make((*small[:3], replace(small[3], abstract="Changed.")))
    fewer = make(small[:3])
    assert len({first.fingerprint, other_text.fingerprint, fewer.fingerprint}) == 3


# Threads


def test_threads_get_the_same_candidates_as_one(engine: Engine, ask: Ask) -> None:
    asked = [ask(text) for text in QUERIES] * 8
    alone = [engine.candidates(query, 4) for query in asked]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda query: engine.candidates(query, 4), asked))
    for one, other in zip(alone, together, strict=True):
        assert keys(one) == keys(other)
        assert np.array_equal(one.values, other.values)


def test_threads_read_papers_and_parts(engine: Engine, papers: Papers, ask: Ask) -> None:
    query = ask(QUERIES[0])

    def read(paper: Paper) -> tuple[Paper, float]:
        parts = engine.term_scores(query, paper.id, 0)["bm25"]
        return engine.papers([paper.id])[0], sum(parts.values())

    alone = [read(paper) for paper in papers]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, papers * 8)) == alone * 8


def test_threads_may_use_different_filters(engine: Engine, ask: Ask) -> None:
    query = ask("ranking", "dense")
    years = list(range(1950, 2030)) * 8

    def matching(year: int) -> set[str]:
        return found_papers(engine, query, year=(year, None))

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(matching, years))
    assert together[:80] == [matching(year) for year in years[:80]]
    assert together == together[:80] * 8
