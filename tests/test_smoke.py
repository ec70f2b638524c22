from workbench.session import Workbench


def test_search_finds_the_obvious_paper(landmarks: Workbench) -> None:
    assert "khattab2020colbert" in landmarks.search("late interaction over BERT", k=3).paper_ids
