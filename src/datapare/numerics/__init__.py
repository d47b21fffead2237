"""Array maths that methods share; numpy and scipy only."""
