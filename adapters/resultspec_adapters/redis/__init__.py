"""Results in a Redis."""
