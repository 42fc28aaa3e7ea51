"""The command `resultspec`: its options, its lookups, and what it writes to a terminal."""
