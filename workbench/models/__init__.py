"""Models: where weights come from, how they are made fast, and the Embedder protocol."""
