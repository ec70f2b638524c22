"""BERT-like encoders over packed texts, in PyTorch."""
