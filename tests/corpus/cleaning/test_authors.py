"""Authors labelled by hand, in the styles of all sources: at least 95 % come out right."""

from __future__ import annotations

from pathlib import Path

from workbench.corpus.cleaning.names import split_names

LABELLED = Path(__file__).with_name("authors.tsv")


def test_95_percent_of_labelled_authors() -> None:
    right = total = 0
    wrong = []
    for line in LABELLED.read_text(encoding="utf-8").splitlines():
        text, _, names = line.rpartition("\t")
        expected, found = names.split("|"), split_names(text)
        total += len(expected)
        right += sum(name in found for name in expected) if len(found) == len(expected) else 0
        if found != expected:
            wrong.append((text, found))
    assert total >= 100
    assert right / total >= 0.95, wrong
