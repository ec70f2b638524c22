"""Records of the same paper find each other, whatever their order, and a merge can be undone."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpus.properties import patient
from workbench.corpus.formats.entry import Entry
from workbench.corpus.identity.arrivals import arrival, source_of
from workbench.corpus.identity.keys import conflict, derived_id, same_paper
from workbench.corpus.identity.library import Library, Placed
from workbench.corpus.identity.merging import merge
from workbench.errors import CorpusDamaged, RecordError

TITLE = "Late interaction over contextual vectors"
PUBLISHED = {"title": TITLE, "authors": ["Omar Khattab", "Matei Zaharia"], "year": 2020,
             "doi": "10.1145/3397271.3401075", "venue": "SIGIR", "abstract": "Short."}  # fmt: skip
PREPRINT = {"title": TITLE, "authors": ["O. Khattab", "M. Zaharia"], "year": 2020,
            "arxiv_id": "2004.12832", "abstract": "A longer abstract of the same.",
            "doi": "10.48550/arXiv.2004.12832"}  # fmt: skip
RIS = {"title": TITLE.upper(), "authors": ["Khattab"], "year": 2020}
OTHER = {"title": "Dense passage retrieval for open-domain questions", "authors": ["V. Karpukhin"]}


def put(
    library: Library, record: dict[str, Any], file: str, line: int = 1, own: bool = False
) -> Placed:
    entry = Entry(file, line, record, raw={"said": record.get("title", "")}, format="test")
    return library.place(entry, record, authoritative=own)


@pytest.fixture
def library() -> Library:
    made = Library(None)
    made.begin()
    return made


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_three_sources_of_one_paper_in_any_order(library: Library, order: tuple[int, ...]) -> None:
    records = [PUBLISHED, PREPRINT, RIS, OTHER]
    placed = [put(library, dict(records[i]), f"{i}.ris") for i in order]
    [group] = library.groups()
    assert len(library.members(group)) == 3
    merged = library.merged(group)
    assert merged["title"] == TITLE
    assert merged["authors"] == PUBLISHED["authors"]
    assert merged["doi"] == PUBLISHED["doi"]
    assert merged["arxiv_id"] == PREPRINT["arxiv_id"]
    assert merged["abstract"] == PREPRINT["abstract"]
    assert merged["venue"] == "SIGIR"
    assert sum(p.kind == "duplicate" for p in placed) == 2


def test_reading_again_adds_nothing(library: Library) -> None:
    first = [put(library, dict(r), "a.ris", n) for n, r in enumerate([PUBLISHED, OTHER, OTHER])]
    library.begin()
    again = [put(library, dict(r), "a.ris", n) for n, r in enumerate([PUBLISHED, OTHER, OTHER])]
    assert [p.kind for p in first] == ["new", "new", "duplicate"]
    assert [p.kind for p in again] == ["unchanged"] * 3
    assert [p.paper for p in again] == [p.paper for p in first]


def test_a_changed_record_leaves_the_paper_that_it_no_longer_is(library: Library) -> None:
    one = put(library, {**PUBLISHED, "id": "k1"}, "a.bib")
    put(library, {**PREPRINT, "id": "k2"}, "b.bib")
    library.begin()
    placed = put(library, {**OTHER, "id": "k1"}, "a.bib")
    assert one.paper == placed.paper == "k1"
    assert set(placed.remake) == set()
    assert [m.own for m in library.members("k2")] == ["k2"]
    assert library.groups() == []


def test_the_same_key_for_other_papers_in_another_file_makes_two_papers(library: Library) -> None:
    first = put(library, {**PUBLISHED, "id": "smith2020"}, "a.bib")
    second = put(library, {**OTHER, "id": "smith2020"}, "b.bib")
    assert first.paper == "smith2020"
    assert second.paper == derived_id(OTHER)


def test_own_ids_are_never_merged_and_never_twice(library: Library) -> None:
    put(library, {**PUBLISHED, "id": "a"}, "x.jsonl", own=True)
    put(library, {**PUBLISHED, "id": "b"}, "x.jsonl", own=True)
    assert library.groups() == []
    with pytest.raises(RecordError, match="'a' came before"):
        put(library, {**OTHER, "id": "a"}, "y.jsonl", own=True)
    library.begin()
    assert put(library, {**OTHER, "id": "a"}, "y.jsonl", own=True).kind == "changed"


def test_a_merge_is_undone_for_good_and_made_by_hand(library: Library) -> None:
    put(library, dict(PUBLISHED), "a.ris")
    placed = put(library, dict(PREPRINT), "b.ris")
    ids = library.separate(placed.paper)
    assert len(set(ids)) == 2
    library.begin()
    put(library, {**PUBLISHED, "venue": "The SIGIR conference"}, "a.ris")
    assert library.groups() == []
    paper, gone = library.join(ids)
    assert (paper, gone) == (ids[0], [ids[1]])
    library.begin()
    put(library, {**PUBLISHED, "venue": "SIGIR again"}, "a.ris")
    assert len(library.members(paper)) == 2


def test_records_that_a_run_did_not_read_are_forgotten(library: Library) -> None:
    leader = put(library, dict(PUBLISHED), "a.ris").paper
    put(library, dict(PREPRINT), "b.ris")
    put(library, dict(OTHER), "a.ris", 2)
    library.begin()
    put(library, dict(PREPRINT), "b.ris")
    assert library.unseen(Path("b.ris")) == {}
    [(source, counts)] = library.unseen(Path.cwd()).items()
    assert counts == (2, 2)
    alive, gone = library.forget_unseen([source])
    assert gone == {leader, derived_id(OTHER)}
    [left] = alive
    assert library.merged(left)["arxiv_id"] == PREPRINT["arxiv_id"]


def test_it_is_kept_on_disk_at_commit_and_not_before(tmp_path: Path) -> None:
    library = Library(tmp_path / "sources.sqlite")
    library.begin()
    put(library, dict(PUBLISHED), "a.ris")
    library.commit()
    put(library, dict(OTHER), "a.ris", 2)
    library.close()
    again = Library(tmp_path / "sources.sqlite", write=False)
    assert [m.record["title"] for m in again.members(derived_id(PUBLISHED))] == [TITLE]
    assert again.members(derived_id(OTHER)) == []
    assert again.raw(derived_id(PUBLISHED))[0][1] == {"said": TITLE}
    again.close()


def test_a_damaged_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "sources.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(CorpusDamaged, match=r"sources\.sqlite"):
        Library(tmp_path / "sources.sqlite")


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        ({"doi": "10.1/A", "title": "x"}, {"doi": "10.1/a", "title": "X"}, "same DOI 10.1/a"),
        ({"doi": "10.1/a", "title": TITLE}, {"doi": "10.1/b", "title": TITLE}, ""),
        (PUBLISHED, PREPRINT, "same title and authors"),
        ({"title": TITLE, "year": 2001}, {"title": TITLE, "year": 2001}, "same title and year"),
        ({"title": TITLE, "year": 2001}, {"title": TITLE, "year": 2011}, ""),
        ({"title": TITLE, "authors": ["A B"]}, {"title": TITLE, "authors": ["C D"]}, ""),
        ({"title": "Editorial", "year": 2001}, {"title": "Editorial", "year": 2001}, ""),
        ({"doi": "10.1/book", "title": "Cats and their ways"},
         {"doi": "10.1/book", "title": "Quantum gravity today"}, ""),
        ({"identifiers": {"corpusid": "7"}, "title": TITLE},
         {"identifiers": {"corpusid": "7"}, "abstract": "x"}, "same corpusid 7"),
        ({"identifiers": {"pmid": "1"}, "title": TITLE, "year": 2001},
         {"identifiers": {"pmid": "2"}, "title": TITLE, "year": 2001}, ""),
    ],
)  # fmt: skip
def test_what_makes_two_records_one_paper(one: Any, other: Any, reason: str) -> None:
    assert same_paper(one, other) == reason
    assert same_paper(other, one) == reason


RECORD = st.fixed_dictionaries(
    {"title": st.sampled_from([TITLE, TITLE.upper(), "Other thing entirely, in many words"])},
    optional={
        "authors": st.lists(st.sampled_from(["Ann Lee", "A. Lee", "Bob Fry"]), max_size=2),
        "year": st.sampled_from([2001, 2002, 2010]),
        "doi": st.sampled_from(["10.1/a", "10.1/b", "10.48550/arxiv.1"]),
        "id": st.sampled_from(["k1", "k2"]),
    },
)


@given(st.lists(st.tuples(RECORD, st.sampled_from(["a.bib", "b.bib"])), max_size=8))
@patient
def test_no_record_is_lost_and_no_paper_holds_a_conflict(
    found: list[tuple[dict[str, Any], str]],
) -> None:
    library = Library(None)
    library.begin()
    placed = [put(library, record, file, n) for n, (record, file) in enumerate(found)]
    papers = {library.members(p.paper)[0].paper for p in placed if library.members(p.paper)}
    members = [member for paper in papers for member in library.members(paper)]
    assert len(members) == len(found)
    for paper in papers:
        group = library.members(paper)
        assert not any(conflict(a.record, b.record) for a in group for b in group)
    library.begin()
    again = [put(library, record, file, n) for n, (record, file) in enumerate(found)]
    assert {p.kind for p in again} <= {"unchanged"}


@given(st.lists(RECORD, min_size=1, max_size=5))
@patient
def test_a_merged_record_takes_every_field_from_a_record(records: list[dict[str, Any]]) -> None:
    merged, origins = merge(records)
    for name, index in origins.items():
        assert merged[name] == records[index][name]
    assert set(merged) - {"id"} <= {name for record in records for name in record}


RECORDS = st.fixed_dictionaries(
    {"title": st.sampled_from([TITLE, OTHER["title"], "Short", ""])},
    optional={
        "id": st.sampled_from(["a", "b", "a~2", "a#2"]),
        "doi": st.sampled_from(["10.1/x", "10.1/y"]),
        "year": st.integers(2019, 2022),
        "status": st.just("retracted"),
        "abstract": st.sampled_from(["One.", "Two."]),
    },
)
ENTRIES = st.tuples(RECORDS, st.sampled_from(["x.ris", "y.bib"]), st.booleans())


def _contents(library: Library) -> list[list[Any]]:
    tables = ("records", "keys", "flags", "decisions")
    return [
        library._db.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in tables
    ]


@patient
@given(batches=st.lists(st.lists(ENTRIES, max_size=8), max_size=3))
def test_a_batch_is_placed_as_its_records_one_by_one(
    batches: list[list[tuple[dict[str, Any], str, bool]]],
) -> None:
    alone, together = Library(None), Library(None)
    for batch in batches:
        given_ = [
            (Entry(file, n, record, raw={"n": n}, format="test"), record, own and "id" in record)
            for n, (record, file, own) in enumerate(batch)
        ]
        for library in (alone, together):
            library.begin()
        expected: list[Any] = []
        for entry, record, own in given_:
            try:
                expected.append(alone.place(entry, record, authoritative=own))
            except RecordError as error:
                expected.append(error)
        arrivals = [arrival(*one, source_of(one[0].file)) for one in given_]
        found = list(together.place_all(arrivals))
        assert [str(one) for one in found] == [str(one) for one in expected]
        assert _contents(together) == _contents(alone)
        papers = {one.paper for one in found if isinstance(one, Placed)}
        for paper in papers & {row[7] for row in _contents(alone)[0]}:
            assert together.merged(paper) == alone.merged(paper)
        for library in (alone, together):
            library.commit()
