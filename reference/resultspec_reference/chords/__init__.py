"""Chords: the theory of counting, the counter that applies it, and headers and bodies as data."""
