"""Which examples an epoch trains on: one rule is one file, and its function makes the sampler."""
