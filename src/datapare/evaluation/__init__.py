"""Retraining comparisons: what a subset is worth, and at what cost."""
