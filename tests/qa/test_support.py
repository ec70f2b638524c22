"""What its quotes do not carry is stopped, and what they carry passes."""

from __future__ import annotations

import pytest

from tests.conftest import ROOT
from workbench.corpus.readers import read_entries
from workbench.qa.sentences import sentence_spans
from workbench.qa.support import numbers, problem_of, useless

QUOTE = (
    "DistilBERT is 40 percent smaller and about 60 percent faster while keeping 97 percent of the "
    "performance on GLUE."
)


@pytest.mark.parametrize(
    ("sentence", "quote"),
    [
        ("DistilBERT keeps 97% of the performance while being 40% smaller.", QUOTE),
        ("The index shrinks by six to ten times.", "It shrinks the index by 6 to 10 times."),
        ("RRF needs no calibration.", "Because ranks are used, no calibration is needed."),
        ("It does not add inference latency.", "It adds no inference latency."),
        ("Over 1000 runs were made.", "Over 1,000 runs were made."),
        ("The gain is 0.50 points.", "The gain is 0.5 points."),
        ("ANCE “encodes the entire corpus” anew.", "ANCE encodes the entire corpus anew."),
    ],
)
def test_a_carried_sentence_passes(sentence: str, quote: str) -> None:
    assert problem_of(sentence, [quote]) == ""


@pytest.mark.parametrize(
    ("sentence", "quote", "problem"),
    [
        ("DistilBERT keeps 99% of the performance on GLUE.", QUOTE, "number 99"),
        ("DistilBERT is 40 percent smaller on SQuAD.", QUOTE, "name SQuAD"),
        ("The method improves recall.", "The method does not improve recall.", "drops the"),
        ("Training never improves recall.", "Training improves recall.", "says “not”"),
        ("Cats sleep on warm mats.", QUOTE, "something else"),
        ("It is “smaller than all the others” and faster.", QUOTE, "quotes “smaller"),
        ("The student has five layers and is smaller.", QUOTE, "number 5"),
        ("!!!", QUOTE, "says nothing"),
    ],
)
def test_what_is_not_carried_is_stopped(sentence: str, quote: str, problem: str) -> None:
    assert problem in problem_of(sentence, [quote])


def test_a_sentence_without_quotes_is_stopped() -> None:
    assert problem_of("Anything.", []) == "names no quote"


def test_every_sentence_of_the_sample_carries_itself_and_not_another_papers() -> None:
    entries = list(read_entries(ROOT / "data" / "landmarks" / "papers.jsonl"))
    abstracts = [str(entry.record["abstract"]) for entry in entries if entry.record]
    firsts = []
    for abstract in abstracts:
        sentences = [abstract[a:b] for a, b in sentence_spans(abstract)]
        assert [s for s in sentences if problem_of(s, [s])] == []
        firsts.append(sentences[1])
    moved = [*firsts[1:], firsts[0]]
    passed = sum(not problem_of(s, [other]) for s, other in zip(firsts, moved, strict=True))
    assert passed == 0


def test_numbers_have_one_form() -> None:
    assert numbers("1,000 and 0.50 and twenty-one 5% \u22123") >= {"1000", "0.5", "20", "5", "-3"}


def test_a_citation_that_says_nothing_of_a_sentence_is_known() -> None:
    assert useless("DistilBERT is faster.", [QUOTE, "Cats sleep on warm mats."]) == [1]
