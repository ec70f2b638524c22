"""Texts to vectors: the Embedder protocol and its runtimes."""
