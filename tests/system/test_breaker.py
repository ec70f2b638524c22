"""A breaker opens, lets one try, and closes."""

from __future__ import annotations

from workbench.system.breaker import Breaker


def test_a_breaker_opens_lets_one_try_and_closes() -> None:
    now = [0.0]
    breaker = Breaker(limit=2, pause=1.0, clock=lambda: now[0])
    breaker.failed()
    assert breaker.refused_for() == 0
    breaker.failed()
    assert breaker.refused_for() == 1.0
    now[0] = 1.5
    assert breaker.refused_for() == 0  # this caller tries
    assert breaker.refused_for() == 1.0  # the others wait
    breaker.succeeded()
    assert breaker.refused_for() == breaker.refused_for() == 0
