"""Judgments: who graded which paper for which query, in a file that only grows."""
