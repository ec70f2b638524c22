"""The small corpus of the experiments' tests."""

from tests.experiments.conftest import base, bench, judged, make, papers, retrieved

__all__ = ["base", "bench", "judged", "make", "papers", "retrieved"]
