"""Engines: each answers a query with complete Candidates, however it stores things."""
