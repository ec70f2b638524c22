"""Cross-encoders: a query and a passage read together by one model."""
