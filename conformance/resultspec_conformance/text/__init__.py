"""Texts for users: passwords are removed from them, and misspelt words get suggestions."""
