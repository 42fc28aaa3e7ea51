"""Broken backends for the chapter on expiry."""
