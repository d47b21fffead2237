"""One score per example from the arrays of a record: one file, one method."""
