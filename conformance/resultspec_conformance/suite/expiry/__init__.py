"""Checks of the chapter on expiry."""
