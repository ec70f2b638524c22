"""Evaluation: every figure against another implementation, and nothing left out silently."""
