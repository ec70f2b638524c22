"""The way to a cluster: connection, bulk requests, failures."""
