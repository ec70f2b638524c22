"""Indexes that the workbench makes."""
