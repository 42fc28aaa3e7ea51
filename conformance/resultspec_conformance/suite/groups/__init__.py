"""Checks of the chapter on groups."""
