"""Which papers are worth judging: pools, and the pairs that could change which weights win."""
