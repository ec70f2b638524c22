"""State as code: the cell gives the same ranking, whatever the panel is set to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.profiles import NORMALISERS, Profile
from workbench.ranking.ranking import Ranking
from workbench.session import Workbench
from workbench.widgets.search_panel import SearchPanel
from workbench.widgets.state import PanelState, code_of

QUERIES = [
    "late interaction retrieval",
    "quotes \"and\" \\ 'these'",
    "naïve הסבר\nlines",
    "w " * 90,
]
weights = st.fixed_dictionaries(dict.fromkeys(("bm25", "title", "dense"), st.floats(0.01, 3)))
states = st.fixed_dictionaries(
    {
        "query": st.sampled_from(QUERIES),
        "k": st.integers(1, 60),
        "weights": weights,
        "normaliser": st.sampled_from(NORMALISERS),
        "filters": st.sampled_from(
            [{}, {"year": [2015, None]}, {"author": "Chen; Manning", "venue": "ACL"}]
        ),
        "edits": st.sampled_from([{}, {"add": {"passages": 0.5}}, {"require": ["model"]}]),
    }
)


def run(code: str, **names: Any) -> Ranking:
    exec(code, names)
    found: Ranking = names["ranking"]
    return found


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(states)
def test_the_cell_gives_the_ranking_of_the_panel(
    landmarks: Workbench, state: dict[str, Any]
) -> None:
    panel = SearchPanel(landmarks)
    panel.search(state.pop("query"), **state)
    assert not panel.page.message["text"]
    assert panel.ranking is not None
    again = run(panel.code())
    assert again.fingerprint == panel.ranking.fingerprint
    assert again.profile == panel.ranking.profile


def test_the_cell_carries_a_profile_of_ones_own(landmarks: Workbench) -> None:
    own = Profile(name="mine", n_retrieval=30, feedback=True, normaliser="z-score")
    panel = SearchPanel(landmarks, "attention", profile=own)
    assert panel.ranking is not None
    assert "n_retrieval=30" in panel.code()
    again = run(panel.code())
    assert again.profile == panel.ranking.profile
    assert again.fingerprint == panel.ranking.fingerprint


def test_the_cell_names_no_cluster(landmarks: Workbench) -> None:
    panel = SearchPanel(landmarks, "attention")
    assert panel.ranking is not None
    code = code_of(panel.state, panel.ranking, None, "")
    assert "wb.open" not in code
    assert run(code, bench=landmarks).fingerprint == panel.ranking.fingerprint


def test_the_cell_stops_where_the_result_is_another(landmarks: Workbench) -> None:
    panel = SearchPanel(landmarks, "attention")
    changed = panel.code().replace("'attention'", "'translation'")
    with pytest.raises(AssertionError, match="other papers"):
        run(changed)


def test_filters_are_those_of_search() -> None:
    settings = {"filters": {"year": [None, "2000"], "venue": " a ; b;", "author": "Khattab, Omar"}}
    state = PanelState.of(settings, Profile())
    assert state.filters == {
        "year": (None, 2000), "venue": ["a", "b"], "author": "Omar Khattab"
    }  # fmt: skip
    assert PanelState.of({}, Profile()).filters == {}
    assert PanelState.of(state.settings(), Profile()) == state
