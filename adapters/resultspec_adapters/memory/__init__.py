"""Results in the memory of this process."""
