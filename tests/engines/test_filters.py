"""Filters: which cannot be meant, what a person may type, and masks under many threads."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.corpus.analysis import fold_name
from workbench.corpus.manifest import STORE, read_manifest
from workbench.corpus.store import Store
from workbench.engines.base import Engine
from workbench.engines.embedded.engine import EmbeddedEngine
from workbench.engines.embedded.generation import Generation
from workbench.engines.embedded.masks import CACHED, PassageMasks
from workbench.engines.filters import check_filters, make_filters
from workbench.errors import FilterError
from workbench.records import Filters, Paper

EMBEDDED = pytest.mark.parametrize("home", ["embedded"], indirect=True)
"""For tests of what the embedded engine alone has."""


@pytest.fixture
def masks(engine: Engine) -> Iterator[PassageMasks]:
    """The masks of the shared corpus, with nothing remembered yet."""
    assert isinstance(engine, EmbeddedEngine)
    store = Store(engine.folder / STORE)
    yield PassageMasks(store, Generation(engine.folder, read_manifest(engine.folder)))
    store.close()


# What cannot be meant


@pytest.mark.parametrize(
    ("filters", "named"),
    [
        (Filters(year=(2020, 2010)), "2020 to 2010"),
        (Filters(year=(2010.5, None)), "2010.5"),
        (Filters(year=(None, "2010")), "2010"),
        (Filters(venue=("",)), "venue ''"),
        (Filters(author=("  ",)), "author '  '"),
        (Filters(field=("%_%",)), "field '%_%'"),
        (Filters(author=(None,)), "author None"),
        (Filters(venue=("\ud800",)), "venue"),
    ],
)
def test_a_filter_that_cannot_be_meant_is_named(filters: Filters, named: str) -> None:
    with pytest.raises(FilterError, match=named):
        check_filters(filters)


@given(first=st.integers(), last=st.integers())
def test_a_year_range_is_refused_only_when_it_is_backwards(first: int, last: int) -> None:
    if first <= last:
        check_filters(Filters(year=(first, last)))
    else:
        with pytest.raises(FilterError, match="earlier one first"):
            check_filters(Filters(year=(first, last)))


# What a person may type


def test_one_value_or_several_of_a_kind() -> None:
    one, several = make_filters(venue="ACL"), make_filters(venue=["ACL", "SIGIR"])
    assert (one.venue, several.venue) == (("ACL",), ("ACL", "SIGIR"))


def test_one_year_is_a_range_of_one() -> None:
    assert make_filters(year=2004).year == (2004, 2004)


def test_a_year_from_numpy_is_a_year() -> None:
    assert make_filters(year=np.int64(2004)).year == (2004, 2004)


def test_nothing_typed_is_no_filter() -> None:
    assert not make_filters()


@pytest.mark.parametrize("year", ["2004", (2004,), (2004, 2005, 2006), 2004.0, {2004, 2005}])
def test_other_kinds_of_year_are_refused(year: Any) -> None:
    with pytest.raises(FilterError, match="year"):
        make_filters(year=year)


@pytest.mark.parametrize("kind", ["venue", "author", "field", "ids"])
def test_a_number_is_no_name(kind: str) -> None:
    with pytest.raises(FilterError, match="5"):
        make_filters(**{kind: 5})


# Masks


@EMBEDDED
def test_no_filter_needs_no_mask_where_every_paper_lives(masks: PassageMasks) -> None:
    assert masks.mask(Filters()) is None


@EMBEDDED
def test_a_mask_is_remembered(masks: PassageMasks) -> None:
    assert masks.mask(Filters(venue=("ACL",))) is masks.mask(Filters(venue=("ACL",)))


@EMBEDDED
def test_few_masks_are_remembered(masks: PassageMasks) -> None:
    first = masks.mask(Filters(year=(1, 1)))
    for year in range(2, CACHED + 2):
        masks.mask(Filters(year=(year, year)))
    assert masks.mask(Filters(year=(1, 1))) is not first


@EMBEDDED
def test_threads_that_push_out_each_others_masks_still_get_them(masks: PassageMasks) -> None:
    years = np.random.default_rng(0).integers(1950, 1950 + CACHED + 40, 30_000).tolist()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda year: masks.mask(Filters(year=(year, None))), years))
    finally:
        sys.setswitchinterval(interval)
    assert all(mask is not None for mask in found)


@EMBEDDED
def test_a_filter_of_an_older_generation_ignores_newer_papers(
    make: Callable[[Sequence[Paper]], Engine], change: Callable[..., Engine]
) -> None:
    before = make([Paper("a", "Alpha", venue="ACL")])
    change(before, [Paper("b", "Beta", venue="ACL"), Paper("c", "Gamma", venue="ACL")])
    assert isinstance(before, EmbeddedEngine)
    store = Store(before.folder / STORE)
    old = Generation(before.folder, before.manifest)
    assert PassageMasks(store, old).mask(Filters(venue=("ACL",))).tolist() == [True]
    store.close()


# Whole words


names = st.lists(st.sampled_from(["Ann", "Müller", "de", "O'Hara", "李"]), min_size=1, max_size=4)


@given(name=names, start=st.integers(0, 3), size=st.integers(1, 4))
def test_any_run_of_a_names_words_is_whole_words_of_it(
    name: list[str], start: int, size: int
) -> None:
    run = name[start : start + size]
    padded = f" {fold_name(' '.join(name))} "
    assert not run or f" {fold_name(' '.join(run).upper())} " in padded
