"""Choice, sections and excerpts, on made evidence."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.qa.choose import SHARPNESS, SPREAD, choose
from workbench.qa.evaluation.baselines import BASELINES
from workbench.qa.joining import LONGEST, NEGATION, excerpt_text, excerpts
from workbench.qa.outline import make_outline
from workbench.qa.question import Asked
from workbench.qa.records import Evidence, Quote
from workbench.qa.sentences import sentence_spans
from workbench.records import Paper

SENTENCES = (
    "Graphs link near vectors.",
    "They do not need a coarse structure.",
    "The beam trades recall for speed.",
    "However, memory grows with links.",
    "Codes of few bits fit main memory.",
    "Distances come from lookup tables.",
)


@st.composite
def evidences(draw: st.DrawFn) -> tuple[Evidence, dict[str, Paper]]:
    """Papers of known sentences and evidence of all of them with any scores and vectors."""
    papers, quotes = {}, []
    for number in range(draw(st.integers(1, 4))):
        some = draw(st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=7))
        paper = Paper(id=f"p{number}", title=f"Title {number}", abstract=" ".join(some))
        papers[paper.id] = paper
        for start, end in sentence_spans(paper.text):
            score = draw(st.floats(0, 1))
            text = paper.text[start:end]
            signals = {"bm25": 0.0, "dense": score, "passage": 0.0}
            quotes.append(Quote("", paper.id, 0, start, end, text, score, signals))
    generator = np.random.default_rng(draw(st.integers(0, 99)))
    vectors = generator.normal(size=(len(quotes), 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Evidence("how do graphs fit memory", tuple(quotes), vectors, 0.7), papers


def value(evidence: Evidence, rows: list[int]) -> float:
    """The value of a set as the docstring of `choose` has it, sentence by sentence."""
    weights = [quote.score**SHARPNESS for quote in evidence.quotes]
    if not any(weights):
        weights = [1.0] * len(weights)
    papers = [quote.paper_id for quote in evidence.quotes]
    cover = spread = whole = 0.0
    for i, weight in enumerate(weights):
        likeness = [float(evidence.vectors[i] @ evidence.vectors[j]) for j in rows]
        cover += weight * max([0.0, *likeness])
    for paper in set(papers):
        spread += sum(weights[j] for j in rows if papers[j] == paper) ** 0.5
        whole += sum(w for w, p in zip(weights, papers, strict=True) if p == paper) ** 0.5
    return (1 - SPREAD) * cover / sum(weights) + SPREAD * spread / whole


@settings(max_examples=40, deadline=None)
@given(evidences(), st.integers(3, 60), st.integers(1, 4))
def test_choice_keeps_to_words_papers_and_wordings(
    made: tuple[Evidence, dict[str, Paper]], words: int, most: int
) -> None:
    evidence, _ = made
    rows = choose(evidence, words, most)
    quotes = [evidence.quotes[row] for row in rows]
    assert rows == choose(evidence, words, most)
    assert sum(quote.words for quote in quotes) <= words
    assert len({(q.paper_id, q.text) for q in quotes}) == len(quotes)
    for at, row in enumerate(rows):
        so_far = [evidence.quotes[earlier] for earlier in rows[:at]]
        counts = Counter(quote.paper_id for quote in so_far)
        if counts[evidence.quotes[row].paper_id] >= most:  # then no other paper adds anything
            left = words - sum(quote.words for quote in so_far)
            worth = value(evidence, rows[:at])
            for other, quote in enumerate(evidence.quotes):
                told = {(q.paper_id, q.text) for q in so_far}
                fits = quote.words <= left and (quote.paper_id, quote.text) not in told
                if fits and counts[quote.paper_id] < most:
                    assert value(evidence, [*rows[:at], other]) <= worth + 1e-12
    for name, other in BASELINES.items():
        taken = other(evidence, words)
        assert sum(evidence.quotes[row].words for row in taken) <= words, name
        assert len(set(taken)) == len(taken)


@settings(max_examples=40, deadline=None)
@given(evidences())
def test_every_chosen_quote_is_in_one_section_and_every_excerpt_is_honest(
    made: tuple[Evidence, dict[str, Paper]],
) -> None:
    evidence, papers = made
    rows = choose(evidence, 200)
    outline = make_outline(evidence, rows, Asked("q", {"graph": 1.0}), papers)
    placed = [quote for plan in outline.plans for quote in plan.quotes]
    chosen = {(evidence.quotes[r].paper_id, evidence.quotes[r].start) for r in rows}
    assert sorted((q.paper_id, q.start) for q in placed) == sorted(chosen)
    assert len({q.id for q in placed}) == len(placed)
    assert {q.id for q in outline.tldr} <= {q.id for q in placed}
    assert 1 <= len(outline.tldr) <= 3
    assert all(plan.title for plan in outline.plans)
    for plan in outline.plans:
        groups = list(excerpts(plan.quotes, papers))
        assert sorted(q.id for g in groups for q in g) == sorted(q.id for q in plan.quotes)
        for group in groups:
            text = papers[group[0].paper_id].text
            assert len({q.paper_id for q in group}) == 1
            assert [q.start for q in group] == sorted(q.start for q in group)
            gaps = [text[a.end : b.start] for a, b in itertools.pairwise(group)]
            assert not any(NEGATION.search(gap) for gap in gaps)
            assert excerpt_text(group, papers).count("…") == sum(bool(g.strip()) for g in gaps)
            assert len(group) == 1 or sum(q.words for q in group) <= LONGEST


def test_nothing_gives_nothing() -> None:
    empty = Evidence("q", (), np.zeros((0, 4), np.float32))
    assert choose(empty, 100) == []
    assert make_outline(empty, [], Asked("q", {}), {}).plans == ()


@pytest.mark.parametrize("words", ["do not", "didn't", "However", "fails to", "without", "unless"])
def test_a_turning_word_is_known(words: str) -> None:
    assert NEGATION.search(f"They {words} need it.")


def test_the_likelier_sentence_comes_first_and_a_copy_is_not_worth_its_words() -> None:
    vectors = np.array([[1, 0, 0], [1, 0, 0], [0.6, 0.8, 0]], np.float32)
    texts = ("First finding of it.", "First finding again told.", "Another finding here told.")
    quotes = tuple(
        Quote("", f"p{i}", 0, 0, len(t), t, score)
        for i, (t, score) in enumerate(zip(texts, (0.9, 0.85, 0.8), strict=True))
    )
    assert choose(Evidence("q", quotes, vectors), 8) == [0, 2]
