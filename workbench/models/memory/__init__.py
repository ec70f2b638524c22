"""Models within a budget: loaded on first use, counted by a ledger, evicted, released."""
