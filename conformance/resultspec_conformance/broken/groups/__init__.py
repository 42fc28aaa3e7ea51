"""Broken backends for the chapter on groups."""
