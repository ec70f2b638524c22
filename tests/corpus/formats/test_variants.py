"""The same file in other encodings, with other line ends and separators, gives the same papers."""

from __future__ import annotations

import contextlib
import csv
import io
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus.properties import patient
from workbench.corpus.formats.reading import read_file, read_source
from workbench.corpus.inspecting import paper_of
from workbench.errors import RecordError

SAMPLES = {
    "BibTeX": """@string{n = "Nature"}
@article{k1,
  title = {Naïve café},
  author = {Müller, Jörg}, journal = n # { Reviews}, year = 2019}

@misc{,title="No key", year=2001}
""",
    "RIS": """TY  - JOUR
TI  - Naïve café
AU  - Müller, Jörg
PY  - 2019/03//
DO  - 10.1000/x
AB  - One line
and the next
ER  -

TY  - CONF
T1  - Second
A1  - Poe, E. A.
ER  -
""",
    "MEDLINE": """
PMID- 123
TI  - Naïve café in a title that goes on
      to the next line
FAU - Müller, Jörg
DP  - 2019 Mar
AID - 10.1000/x [doi]

PMID- 124
TI  - Second
""",
    "EndNote": """%0 Journal Article
%A Müller, Jörg
%T Naïve café
%D 2019

%0 Book
%T Second
""",
    "Web of Science": """FN Clarivate
VR 1.0
PT J
AU Müller, J
AF Müller, Jörg
TI Naïve café
   again
PY 2019
DI 10.1000/x
ER

PT J
TI Second
ER

EF
""",
    "CSV": """Title,Authors,Year,DOI
Naïve café,Müller Jörg; Poe Edgar,2019,10.1000/x
Second,,2001,
""",
    "JSON": """{"_id": "a", "title": "Naïve café", "text": "x"}
{"_id": "b", "title": "Second"}
""",
}
VARIANTS = {
    "BOM": lambda text: text.encode("utf-8-sig"),
    "cp1252": lambda text: text.encode("cp1252"),
    "UTF-16 with BOM": lambda text: text.encode("utf-16"),
    "UTF-16-LE": lambda text: text.encode("utf-16-le"),
    "UTF-16-BE": lambda text: text.encode("utf-16-be"),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "CR": lambda text: text.replace("\n", "\r").encode(),
}


def papers(content: bytes, folder: Path) -> list[dict[str, Any]]:
    path = folder / "without.ending"
    path.write_bytes(content)
    found = list(read_file(path))
    assert [entry.problem for entry in found if entry.record is None] == []
    return [dict(entry.record or {}) for entry in found]


@pytest.mark.parametrize("kind", SAMPLES)
def test_told_by_content(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "anything"
    path.write_text(SAMPLES[kind], encoding="utf-8")
    found = list(read_file(path))
    assert {entry.format for entry in found} <= {kind, "records"}
    assert len(found) == 2
    assert found[0].record is not None
    assert found[0].record["title"].startswith("Naïve café")


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kind", SAMPLES)
def test_identical_papers_from_every_variant(kind: str, variant: str, tmp_path: Path) -> None:
    text = SAMPLES[kind]
    assert papers(VARIANTS[variant](text), tmp_path) == papers(text.encode(), tmp_path)


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_identical_papers_with_other_separators(separator: str, tmp_path: Path) -> None:
    rows = list(csv.reader(io.StringIO(SAMPLES["CSV"])))
    out = io.StringIO()
    csv.writer(out, delimiter=separator).writerows(rows)
    assert papers(out.getvalue().encode(), tmp_path) == papers(SAMPLES["CSV"].encode(), tmp_path)


@given(st.binary(max_size=400) | st.sampled_from(sorted(SAMPLES)).flatmap(
    lambda kind: st.tuples(st.integers(0, 200), st.binary(max_size=20)).map(
        lambda cut: SAMPLES[kind].encode()[: cut[0]] + cut[1] + SAMPLES[kind].encode()[cut[0] :]
    )
))  # fmt: skip
@patient
def test_any_bytes_end_as_papers_or_rejects_with_reason(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(content)
        found = list(read_file(path))
    assert found
    for entry in found:
        assert (entry.record is None) == bool(entry.problem)


NAMES = """
id title abstract text authors author year DOI doi issued container-title type itemType creators
tags authors_parsed versions submitter corpusid externalids content abstract_inverted_index ids
authorships topics primary_location locations subject published note keyword Paper date-parts name
family raw
""".split()  # noqa: SIM905 - names read better without quotes
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6))
@patient
def test_any_record_of_any_service_is_an_entry(record: dict[str, Any]) -> None:
    for entry in read_source([record]):
        with contextlib.suppress(RecordError):
            assert paper_of(entry).text


def test_one_broken_entry_costs_one_entry(tmp_path: Path) -> None:
    path = tmp_path / "broken.bib"
    path.write_text(
        "@article{a, title={Open {brace}\n@article{b, title={Good}}\n@book{c, }\n@x{d,,}"
    )
    found = list(read_file(path))
    assert [(e.line, (e.record or {}).get("title")) for e in found][1] == (2, "Good")


def test_crossref_macros_joins_and_others(tmp_path: Path) -> None:
    path = tmp_path / "x.bib"
    path.write_text(
        '@string{sig = "SIGIR"}\n'
        "@inproceedings{child, title={A \\& B}, author={Ann Lee and others}, crossref={Parent}}\n"
        "@proceedings{parent, title=sig # { } # 2019, year=2019, editor={Zed, X}}\n"
    )
    child = next(e.record for e in read_file(path) if e.record and e.record["id"] == "child")
    assert child["title"] == "A & B"
    assert child["venue"] == "SIGIR 2019"
    assert child["year"] == 2019
    assert child["authors"] == ["Ann Lee"]
