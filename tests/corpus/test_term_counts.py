"""Terms' numbers, asked for one text after the other or for a batch with a table of its own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workbench.corpus.term_counts import TableCounts, Vocabulary

TEXTS = st.lists(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 9), max_size=5))


@given(st.lists(st.tuples(TEXTS, st.booleans()), max_size=4), TEXTS, st.data())
def test_a_table_changes_nothing(
    batches: list[tuple[list[dict[str, int]], bool]],
    before: list[dict[str, int]],
    data: st.DataObject,
) -> None:
    given_so: list[TableCounts | dict[str, int]] = []
    plain: list[dict[str, int]] = []
    for texts, shared in batches:
        table = Vocabulary()
        packed = [table.pack(counts) for counts in texts]
        kept = [n for n in range(len(texts)) if data.draw(st.booleans())]  # others are not stored
        terms = list(table)
        plain += [texts[n] for n in kept]
        given_so += [TableCounts(terms, packed[n]) if shared else texts[n] for n in kept]
    one, other = Vocabulary(), Vocabulary()
    for counts in before:
        one.pack(counts), other.pack(counts)
    assert list(one.pack_all(given_so)) == [other.pack(counts) for counts in plain]
    assert (dict(one), one.new) == (dict(other), other.new)
    assert [dict(counts) for counts in given_so] == plain
    assert [list(counts) for counts in given_so] == [list(counts) for counts in plain]
