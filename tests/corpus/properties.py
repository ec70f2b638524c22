"""How properties are tested here."""

from hypothesis import settings

patient = settings(deadline=None)
"""A busy machine is no failure."""
