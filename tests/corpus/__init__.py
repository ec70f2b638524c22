"""Readers to index: what a source becomes, and that nothing is lost on the way."""
