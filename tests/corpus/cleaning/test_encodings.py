"""Encodings that nothing in the file tells: guessed, and never silently."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.corpus.fakes import build
from workbench.corpus.formats.reading import read_file
from workbench.corpus.inspecting import inspect_source

NAMES = {
    "cp1252": ["García, P.; Müller, J.", "Étude des forêts à Besançon", "“Größe” – l’été, 5 µm",
               "Østergaard, Søren; Muñoz; Štefan; œuvre; così è", "São Paulo, ½ cup, £5, 10 °C"],
    "cp1250": ["Łukasz Kołodziej, Gdańsk", "Dvořák, Antonín; Němcová, Božena",
               "Świątek; Żółć; Kraków"],
    "mac_roman": ["García, P.; Müller, J.", "Étude des forêts à Besançon", "Größe der Wälder",
                  "Sørensen; Ångström; Muñoz"],
    "cp932": ["機械学習による情報検索の研究", "田中 太郎", "Kelp 昆布の森"],
    "euc_jp": ["情報検索の研究"],
    "gb18030": ["基于深度学习的信息检索研究", "王芳; 李明"],
    "big5": ["資訊檢索研究"],
    "cp1251": ["Исследование поиска", "Иванов, Иван"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("encoding", "text"), [(name, text) for name, texts in NAMES.items() for text in texts]
)
def test_what_can_be_told_is_read_rightly_and_named(
    encoding: str, text: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.ris"
    path.write_bytes(f"TY  - JOUR\nTI  - {text}\nER  - \n".encode(encoding))
    [entry] = read_file(path)
    assert entry.record is not None
    assert entry.record["title"] == text
    assert f"read as {encoding}, a guess" in entry.note
    assert f"{encoding} (guessed)" in inspect_source(path).summary
    assert f"read as {encoding}, a guess" in str(build(tmp_path / "index", path))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_what_the_bytes_tell_is_no_guess(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.ris"
    path.write_bytes("TY  - JOUR\nTI  - Größe, 検索, Łódź\nER  - \n".encode(encoding))
    [entry] = read_file(path)
    assert ((entry.record or {})["title"], entry.note) == ("Größe, 検索, Łódź", "")


def test_letters_far_into_a_file_count(tmp_path: Path) -> None:
    path = tmp_path / "a.ris"
    record = "TY  - JOUR\nTI  - Plain\nER  - \n\n" * 5000
    path.write_bytes((record + "TY  - JOUR\nTI  - Świątek; Żółć\nER  - \n").encode("cp1250"))
    *_, last = read_file(path)
    assert (last.record or {})["title"] == "Świątek; Żółć"


def test_stray_bytes_in_utf_8_do_not_spoil_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "a.ris"
    text = "TY  - JOUR\nTI  - 検索 の 研究\nAU  - M\xfcller, J\nER  - \n"
    path.write_bytes(text.encode().replace("\xfc".encode(), b"\xfc"))
    [entry] = read_file(path)
    assert (entry.record or {})["title"] == "検索 の 研究"
    assert (entry.record or {})["authors"] == ["J Müller"]
