"""Checks of the chapter on chords."""
