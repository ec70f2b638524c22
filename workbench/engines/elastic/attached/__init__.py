"""Somebody else's index, searched as it is."""
