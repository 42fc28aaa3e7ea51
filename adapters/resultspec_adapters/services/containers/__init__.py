"""Throw-away servers in Docker containers."""
