"""Correct backends that do things differently; no check may accuse them."""
