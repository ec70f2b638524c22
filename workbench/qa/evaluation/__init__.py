"""How good answers are: judged questions, measures, other ways to choose sentences, the report."""
