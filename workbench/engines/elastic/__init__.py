"""Elasticsearch: the same candidates from a cluster. All network of the engines lives here."""
