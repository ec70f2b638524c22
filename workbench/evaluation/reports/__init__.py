"""Metrics of rankings, how sure they are, and one report against another."""
