"""Who writes a section from its quotes: the quotes themselves, a server's model, a model here."""
