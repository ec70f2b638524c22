"""How good a ranking is, and how sure that is: metrics, reports, tuning, judgments, TREC files."""
