"""Engines: one contract over all of them, and what is particular to each."""
