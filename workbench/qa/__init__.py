"""Questions to cited answers: evidence with spans, outline, writers, checks, and the answer."""
