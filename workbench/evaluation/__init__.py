"""How good a ranking is, and how sure that is: metrics, reports, tests, tuning, TREC files."""
