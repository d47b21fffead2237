"""What a network reads, one file per kind of input."""
