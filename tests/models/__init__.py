"""Models: where weights come from, how they are exported, what vectors they give."""
