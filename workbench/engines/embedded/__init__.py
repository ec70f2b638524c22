"""The embedded engine: a corpus folder with memory-mapped arrays, exact in every signal."""
