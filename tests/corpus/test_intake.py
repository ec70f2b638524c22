"""Anything into a corpus: every entry ends as a paper, a duplicate or a reject; kept up to date."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.corpus.fakes import FakeEmbedder, build
from workbench.corpus.identity.duplicates import Duplicates, find_groups
from workbench.corpus.identity.library import Library
from workbench.corpus.ingest import IngestReport
from workbench.corpus.manifest import LIBRARY, STORE
from workbench.corpus.store import Store
from workbench.engines.embedded.indexing import Indexer
from workbench.errors import CorpusNotFound
from workbench.records import Paper

BIB = """@article{colbert, title={Late interaction over contextual vectors}, year=2020,
  author={Khattab, Omar and Zaharia, Matei}, doi={10.1145/3397271.3401075}, journal={SIGIR}}
@article{dpr, title={Dense passage retrieval for questions}, author={Karpukhin, V.}, year=2020}
"""
RIS = """TY  - JOUR
TI  - LATE INTERACTION OVER CONTEXTUAL VECTORS
AU  - Khattab, O.
PY  - 2020
DO  - https://doi.org/10.1145/3397271.3401075
AB  - We keep one vector a token.
ER  -

TY  - JOUR
TI  - RETRACTED: A study that was wrong
ER  -

TY  - JOUR
ER  -
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    (tmp_path / "a.bib").write_text(BIB)
    (tmp_path / "b.ris").write_text(RIS)
    return [tmp_path / "a.bib", tmp_path / "b.ris"]


def refresh(folder: Path, **options: Any) -> IngestReport:
    return Indexer(folder, FakeEmbedder()).refresh(**options)


def papers(folder: Path) -> dict[str, Paper]:
    with closing(Store(folder / STORE)) as store:
        found = {name: store.paper(name, store.paper_count) for name in store.living_ids()}
    return {name: one[1] for name, one in found.items() if one}


def duplicates(folder: Path) -> Duplicates:
    with closing(Library(folder / LIBRARY, write=False)) as library:
        groups = list(find_groups(library))
        flagged = dict(library.flagged())
    return Duplicates(groups, flagged, Indexer(folder, FakeEmbedder()).regroup)


def test_several_files_at_once(folder: Path, sources: list[Path]) -> None:
    report = build(folder, sources)
    assert (report.added, report.duplicates, report.rejected, report.flagged) == (3, 1, 1, 1)
    assert report.formats == {"BibTeX": 2, "RIS": 2}
    assert report.coverage == {
        "abstract": 1, "authors": 2, "year": 2, "venue": 1, "doi": 1, "body": 0
    }  # fmt: skip
    merged = papers(folder)["colbert"]
    assert merged.abstract == "We keep one vector a token."
    assert merged.title == "Late interaction over contextual vectors"
    assert merged.authors == ("Omar Khattab", "Matei Zaharia")
    [reject] = [json.loads(line) for line in (folder / "rejects.jsonl").read_text().splitlines()]
    assert (reject["file"], reject["line"]) == (str(sources[1]), 13)
    assert "no text" in reject["problem"]
    retracted = next(p for p in papers(folder).values() if p.title.startswith("RETRACTED"))
    assert retracted.fields == ("retracted",)


def test_reading_again_changes_nothing(folder: Path, sources: list[Path]) -> None:
    build(folder, sources)
    before = papers(folder)
    report = build(folder, list(reversed(sources)))
    assert (report.added, report.replaced, report.unchanged, report.duplicates) == (0, 0, 3, 0)
    assert papers(folder) == before


@pytest.mark.parametrize(
    "source",
    [
        pd.DataFrame({"Paper name": ["Kelp forests"], "People": ["Lee, Ann; Fry, Bo"]}),
        [{"Paper name": "Kelp forests", "People": "Ann Lee and Bo Fry"}],
        {"title": "Kelp forests", "authors": ["Ann Lee", "Bo Fry"]},
        [Paper("k", "Kelp forests", authors=("Ann Lee", "Bo Fry"))],
        iter([Paper("k", "Kelp forests", authors=("Ann Lee", "Bo Fry"))]),
    ],
    ids=["frame", "dicts", "dict", "papers", "iterator"],
)
def test_frames_dicts_and_papers(folder: Path, source: Any) -> None:
    assert build(folder, source).added == 1
    [paper] = papers(folder).values()
    assert (paper.title, paper.authors) == ("Kelp forests", ("Ann Lee", "Bo Fry"))


def test_columns_say_what_a_table_holds(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("A,B,Key\nKelp forests,Urchins graze,K7\n")
    assert build(folder, tmp_path / "x.csv", columns={"title": "A", "abstract": "B"}).added == 1
    [paper] = papers(folder).values()
    assert paper.id == "K7"
    assert (paper.title, paper.abstract) == ("Kelp forests", "Urchins graze")


def test_semantic_scholar_s_datasets_are_joined(folder: Path, tmp_path: Path) -> None:
    lines = {
        "abstracts": {"corpusid": 7, "abstract": "We study kelp."},
        "papers": {
            "corpusid": 7,
            "title": "Kelp",
            "year": 2001,
            "externalids": {"DOI": "10.1000/k"},
        },
        "s2orc": {"corpusid": 7, "content": {"text": "The whole text.", "annotations": {}}},
    }
    for name, record in lines.items():
        (tmp_path / name).write_text(json.dumps(record) + "\n")
    report = build(folder, [tmp_path / name for name in lines])
    assert (report.added, report.duplicates) == (1, 2)
    [paper] = papers(folder).values()
    assert (paper.id, paper.title, paper.abstract) == ("7", "Kelp", "We study kelp.")
    assert (paper.body, paper.doi, paper.year) == ("The whole text.", "10.1000/k", 2001)


def test_own_records_with_different_ids_are_different_papers(folder: Path, tmp_path: Path) -> None:
    record = {"title": "Kelp forests in winter", "authors": ["Ann Lee"], "year": 2001}
    lines = [json.dumps({"id": name, **record}) for name in "ab"]
    (tmp_path / "papers.jsonl").write_text("\n".join(lines))
    assert build(folder, tmp_path / "papers.jsonl").added == 2


def test_a_merge_is_explained_undone_and_made_again(folder: Path, sources: list[Path]) -> None:
    build(folder, sources)
    found = duplicates(folder)
    [group] = found
    assert [part.reason for part in group.parts] == ["", "same DOI 10.1145/3397271.3401075"]
    assert "abstract" in group.parts[1].taken
    assert "authors" in group.parts[0].taken
    assert list(found.flagged.values()) == ["retracted"]
    ids = found.separate("colbert")
    assert set(ids) <= papers(folder).keys()
    assert papers(folder)["colbert"].abstract == ""
    build(folder, sources)
    assert len(papers(folder)) == 4
    assert found.join(*ids) == "colbert"
    assert len(papers(folder)) == 3
    with pytest.raises(CorpusNotFound, match="no merged paper"):
        found.separate("dpr")


def test_refresh_adds_changes_and_removes(folder: Path, sources: list[Path]) -> None:
    build(folder, sources)
    bib = BIB.replace("Dense passage", "Sparse passage") + "@misc{new, title={A new entry here}}"
    sources[0].write_text(bib)
    report = refresh(folder)
    assert (report.added, report.replaced, report.unchanged) == (1, 1, 1)
    assert papers(folder)["dpr"].title.startswith("Sparse")
    sources[0].write_text(bib.replace("@misc{new, title={A new entry here}}", ""))
    assert refresh(folder).deleted == 1
    assert "new" not in papers(folder)


def test_refresh_reads_only_what_changed(folder: Path, sources: list[Path]) -> None:
    build(folder, sources)
    assert refresh(folder).formats == {}
    sources[1].write_text(RIS + "\n")
    assert refresh(folder).formats == {"RIS": 2}


def test_a_record_that_turned_bad_keeps_its_old_version(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "papers.jsonl"
    good = [json.dumps({"id": str(n), "title": f"Paper number {n}"}) for n in range(9)]
    source.write_text("\n".join(good))
    build(folder, source)
    source.write_text("\n".join([*good[:7], '{"id": "7", "title": ["bad"]}', '{"id": "8", "ti']))
    report = refresh(folder)
    assert report.rejected == 2
    assert len(papers(folder)) == 9
    assert "cannot be read" in report.notes[0]


def test_a_source_that_lost_most_of_its_records_keeps_them(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "papers.jsonl"
    lines = [json.dumps({"id": str(n), "title": f"Paper number {n}"}) for n in range(9)]
    source.write_text("\n".join(lines))
    build(folder, source)
    source.write_text(lines[0])
    report = refresh(folder)
    assert "half-written" in report.notes[0]
    assert len(papers(folder)) == 9
    source.unlink()
    assert "is gone" in refresh(folder).notes[0]
    source.write_text(lines[0] + "\n")
    assert refresh(folder, prune=True).deleted == 8
    assert list(papers(folder)) == ["0"]


def test_a_file_taken_out_of_a_folder_takes_its_papers_along(
    folder: Path, sources: list[Path], tmp_path: Path
) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for source in sources:
        source.rename(inbox / source.name)
    build(folder, inbox)
    (inbox / "a.bib").unlink()
    refresh(folder)
    assert sorted(p.title for p in papers(folder).values()) == [
        "LATE INTERACTION OVER CONTEXTUAL VECTORS",
        "RETRACTED: A study that was wrong",
    ]


def test_a_corpus_inside_the_folder_is_no_source(sources: list[Path], tmp_path: Path) -> None:
    first = build(tmp_path / "corpus", tmp_path)
    again = build(tmp_path / "corpus", tmp_path)
    assert (first.added, first.rejected) == (3, 1)
    assert (again.unchanged, again.rejected) == (3, 1)


ZOTERO = """
CREATE TABLE itemTypes(itemTypeID INTEGER PRIMARY KEY, typeName TEXT);
CREATE TABLE items(itemID INTEGER PRIMARY KEY, itemTypeID INT, key TEXT);
CREATE TABLE deletedItems(itemID INTEGER PRIMARY KEY);
CREATE TABLE fields(fieldID INTEGER PRIMARY KEY, fieldName TEXT);
CREATE TABLE itemData(itemID INT, fieldID INT, valueID INT);
CREATE TABLE itemDataValues(valueID INTEGER PRIMARY KEY, value TEXT);
CREATE TABLE creators(creatorID INTEGER PRIMARY KEY, firstName TEXT, lastName TEXT, fieldMode INT);
CREATE TABLE creatorTypes(creatorTypeID INTEGER PRIMARY KEY, creatorType TEXT);
CREATE TABLE itemCreators(itemID INT, creatorID INT, creatorTypeID INT, orderIndex INT);
CREATE TABLE tags(tagID INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE itemTags(itemID INT, tagID INT, type INT);
INSERT INTO itemTypes VALUES (1, 'journalArticle'), (2, 'attachment'), (3, 'note');
INSERT INTO items VALUES (1, 1, 'AAAA1111'), (2, 1, 'BBBB2222'), (3, 2, 'CCCC3333'), (4, 3, 'D');
INSERT INTO deletedItems VALUES (2);
INSERT INTO fields VALUES (1, 'title'), (2, 'date'), (3, 'DOI'), (4, 'abstractNote');
INSERT INTO itemDataValues VALUES (1, 'Kelp <i>forests</i>'), (2, '2001-05-00 May 2001'),
  (3, '10.1000/kelp'), (4, 'Urchins graze.'), (5, 'In the trash');
INSERT INTO itemData VALUES (1, 1, 1), (1, 2, 2), (1, 3, 3), (1, 4, 4), (2, 1, 5), (3, 1, 5);
INSERT INTO creators VALUES (1, 'Ann', 'Lee', 0), (2, '', 'Kelp Society', 1);
INSERT INTO creatorTypes VALUES (1, 'author'), (2, 'editor');
INSERT INTO itemCreators VALUES (1, 2, 1, 1), (1, 1, 1, 0);
INSERT INTO tags VALUES (1, 'marine');
INSERT INTO itemTags VALUES (1, 1, 0);
"""


@pytest.fixture
def zotero(tmp_path: Path) -> Iterator[tuple[Path, sqlite3.Connection]]:
    path = tmp_path / "zotero.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(ZOTERO)
        yield path, db


def test_zotero_while_it_runs_without_its_trash(
    folder: Path, zotero: tuple[Path, sqlite3.Connection]
) -> None:
    path, db = zotero
    db.execute("BEGIN EXCLUSIVE")  # as Zotero holds it
    report = build(folder, path)
    db.rollback()
    assert (report.added, report.formats) == (1, {"Zotero": 1})
    assert papers(folder)["AAAA1111"] == Paper(
        "AAAA1111", "Kelp forests", "Urchins graze.", authors=("Ann Lee", "Kelp Society"),
        year=2001, fields=("marine",), doi="10.1000/kelp",
    )  # fmt: skip
    db.execute("INSERT INTO deletedItems VALUES (1)")
    db.execute("DELETE FROM deletedItems WHERE itemID = 2")
    db.commit()
    refresh(folder, prune=True)
    assert list(papers(folder)) == ["BBBB2222"]


def test_a_foreign_database_is_a_reject(folder: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as db:
        db.execute("CREATE TABLE x(y)")
        db.commit()
    assert build(folder, tmp_path / "x.db").rejected == 1


def test_a_folder_in_mteb_s_layout_has_papers_in_its_corpus_alone(
    folder: Path, tmp_path: Path
) -> None:
    place = tmp_path / "set"
    (place / "corpus").mkdir(parents=True)
    documents = pd.DataFrame({"_id": ["d1"], "title": ["Kelp"], "text": ["Urchins graze."]})
    documents.to_parquet(place / "corpus" / "part-0.parquet")
    pd.DataFrame({"_id": ["q1"], "text": ["what grazes?"]}).to_parquet(place / "queries.parquet")
    assert build(folder, place).added == 1
    assert papers(folder)["d1"].abstract == "Urchins graze."


def test_a_collection_that_ir_datasets_knows_by_name(folder: Path, tmp_path: Path) -> None:
    import ir_datasets

    (tmp_path / "docs.tsv").write_text("d1\tUrchins graze kelp.\nd2\tSeagrass stores carbon.\n")
    made = ir_datasets.create_dataset(docs_tsv=str(tmp_path / "docs.tsv"))
    ir_datasets.registry.register("workbench-test", made)
    report = build(folder, "ir_datasets:workbench-test")
    assert report.added == 2
    assert papers(folder)["d2"].abstract == "Seagrass stores carbon."
    with pytest.raises(CorpusNotFound, match="knows no such collection"):
        build(folder, "ir_datasets:none-of-that-name")
