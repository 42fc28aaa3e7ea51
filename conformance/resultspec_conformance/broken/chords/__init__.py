"""Broken backends for the chapter on chords."""
