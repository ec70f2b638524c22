"""The best weights, exactly, and what they are worth on other queries."""
