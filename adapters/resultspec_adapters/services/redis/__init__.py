"""Throw-away Redis servers."""
