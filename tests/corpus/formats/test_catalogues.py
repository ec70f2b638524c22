"""EndNote's XML, MARC with prefixes, ReDIF: small files with the quirks of real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workbench.corpus.formats import xml_stream
from workbench.corpus.formats.reading import read_file

ENDNOTE = """<?xml version="1.0" encoding="UTF-8" ?><xml><records><record>
<ref-type name="Journal Article">17</ref-type>
<contributors><authors><author><style face="normal">Lee, Ann</style></author>
<author>Fry, B.</author></authors></contributors>
<titles><title><style face="normal">Kelp &amp; </style><style face="italic">urchins</style></title>
<secondary-title>Marine Botany</secondary-title></titles>
<dates><year>2019</year></dates><abstract>Urchins graze.</abstract>
<electronic-resource-num>10.5555/kelp</electronic-resource-num>
<urls><related-urls><url>https://example.org/kelp</url></related-urls></urls>
</record></records></xml>"""

MARC = """<marc:collection xmlns:marc="http://www.loc.gov/MARC21/slim"><marc:record>
<marc:controlfield tag="001">7</marc:controlfield>
<marc:controlfield tag="008">230626s1999 |||| o||u| ||||||eng d</marc:controlfield>
<marc:datafield tag="100" ind1="1" ind2=" "><marc:subfield code="a">Lee, A. J.,</marc:subfield>
</marc:datafield>
<marc:datafield tag="245" ind1="1" ind2="0"><marc:subfield code="a">Kelp & urchins /</marc:subfield>
<marc:subfield code="c">by A. J. Lee</marc:subfield></marc:datafield>
</marc:record></marc:collection>"""

REDIF = """Template-Type: ReDIF-Paper 1.0
Author-Name: Ann Lee
Author-Name: Bo Fry
Title: The price
 of kelp
Abstract: It rises.
Creation-Date: 2004-11
Handle: RePEc:xxx:wpaper:1
Template-Type: ReDIF-Article 1.0
Title: The price of urchins
Year: 2006
Journal: Journal of Prices
Handle: RePEc:xxx:journl:2
"""


def read(path: Path, text: str) -> tuple[str, list[dict[str, Any]]]:
    path.write_text(text, encoding="utf-8")
    entries = list(read_file(path))
    assert [entry.problem for entry in entries] == [""] * len(entries)
    return entries[0].format, [dict(entry.record or {}) for entry in entries]


def test_endnote_xml(tmp_path: Path) -> None:
    name, [paper] = read(tmp_path / "a.xml", ENDNOTE)
    assert name == "EndNote XML"
    assert paper == {
        "title": "Kelp & urchins", "abstract": "Urchins graze.", "authors": ["Ann Lee", "B. Fry"],
        "year": 2019, "venue": "Marine Botany", "doi": "10.5555/kelp",
        "url": "https://example.org/kelp",
    }  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, 64 * 2**10])
def test_marc_with_prefixes_and_bare_ampersands(
    tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xml_stream, "HEAD", size)  # wherever a part of the file ends
    text = MARC if size > 100 else MARC.replace(' xmlns:marc="http://www.loc.gov/MARC21/slim"', "")
    text = text if size > 100 else text.replace("marc:", "")
    name, [paper] = read(tmp_path / "a.xml", text)
    assert name == "MARC XML"
    assert paper == {"title": "Kelp & urchins", "authors": ["A. J. Lee"], "year": 1999}


def test_redif(tmp_path: Path) -> None:
    name, papers = read(tmp_path / "a.rdf", REDIF)
    assert name == "ReDIF"
    assert [paper["title"] for paper in papers] == ["The price of kelp", "The price of urchins"]
    assert [paper["year"] for paper in papers] == [2004, 2006]
    assert papers[0]["authors"] == ["Ann Lee", "Bo Fry"]
    assert papers[1]["id"] == "RePEc:xxx:journl:2"
