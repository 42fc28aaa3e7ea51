"""The command `resultspec`: its options, its lookups, and its output."""
