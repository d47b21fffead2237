"""How much an example counts while training: one loss is one file, and its function makes it."""
