"""The figures of tuning."""

from __future__ import annotations

import pytest

from workbench.errors import WeightError
from workbench.evaluation.tuning.curve import WeightCurve


def test_the_figure_has_the_curve_and_its_marks(curve: WeightCurve) -> None:
    figure = curve.plot(current=0.25)
    line = figure.data[0] if figure.data[0].mode == "lines" else figure.data[1]
    assert list(line.x) == curve.edges.tolist()
    assert list(line.y[:-1]) == curve.values.tolist()
    assert line.line.shape == "hv"
    names = " ".join(str(trace.name) for trace in figure.data)
    assert f"best {curve.best.value:.4f}" in names
    assert f"0.25: {curve.at(0.25):.4f}" in names
    assert len(figure.layout.shapes) == 3
    assert len(curve.plot(bootstrap=False).layout.shapes) == 1
    with pytest.raises(WeightError, match="from 0 to 1"):
        curve.plot(current=2)
