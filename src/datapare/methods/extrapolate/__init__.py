"""Scores of all examples from the scores of some: one file, one method."""
