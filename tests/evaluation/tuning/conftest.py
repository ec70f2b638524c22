"""Curves that several modules of tests look at."""

from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.tuning.test_curve import (
    random_items,
)
from workbench.evaluation.tuning.curve import WeightCurve, weight_curve


@pytest.fixture(scope="module")
def curve() -> WeightCurve:
    """60 queries, 40 papers each."""
    return weight_curve(random_items(np.random.default_rng(6), 60, 40))
