"""Prune from end to end on a run folder."""
