"""Throw-away PostgreSQL servers."""
