"""Positions of the examples to keep: one file, one rule."""
