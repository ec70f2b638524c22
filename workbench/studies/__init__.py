"""Many systems or settings on one collection, notebooks with parameters, and records by path."""
