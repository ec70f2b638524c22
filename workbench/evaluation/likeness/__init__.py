"""How alike two rankings are, and two engines."""
