"""Authors labelled by hand, in the styles of all sources: at least 95 % come out right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.conftest import ROOT
from workbench.corpus.cleaning.names import split_names
from workbench.corpus.formats.bibtex import bibtex_record
from workbench.corpus.formats.reading import read_file
from workbench.corpus.formats.tagged_fields import ris_record

LABELLED = ROOT / "tests" / "data" / "authors.tsv"
"""Style, the authors as a source has them, and their names as "First Last" between "|"."""


def test_95_percent_of_500_labelled_authors(tmp_path: Path) -> None:
    def from_ovid(text: str) -> list[str]:
        report = tmp_path / "report.txt"
        report.write_text(f"<1>\nAuthor\n  {text}\nTitle\n  A title\n", encoding="utf-8")
        [entry] = read_file(report)
        return list((entry.record or {}).get("authors", []))

    readers: dict[str, Callable[[str], list[str]]] = {
        "text": split_names,
        "bibtex": lambda text: bibtex_record({"author": text}).get("authors", []),
        "list": lambda text: ris_record({"AU": text.split(" ¦ ")}).get("authors", []),
        "ovid": from_ovid,
    }
    right = total = 0
    wrong = []
    for line in LABELLED.read_text(encoding="utf-8").splitlines():
        style, text, names = line.split("\t")
        expected, found = names.split("|"), readers[style](text)
        total += len(expected)
        right += sum(name in found for name in expected) if len(found) == len(expected) else 0
        if found != expected:
            wrong.append((text, found, expected))
    assert total >= 500
    assert right / total >= 0.95, wrong
    print(f"{right} of {total}", *wrong, sep="\n")  # shown by pytest -s: the rest, to be read
