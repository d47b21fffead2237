"""One number about a whole dataset: one file, one number."""
