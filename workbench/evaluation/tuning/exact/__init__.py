"""Metrics as exact functions of the weights: ranks change only where two papers' lines cross."""
