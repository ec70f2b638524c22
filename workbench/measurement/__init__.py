"""Profiles measured on this machine and corpus: quality, latency, memory, and the Pareto front."""
