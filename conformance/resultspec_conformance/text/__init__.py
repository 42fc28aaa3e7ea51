"""Texts for people: passwords kept out of them, and hints at what a misspelt word may have been."""
