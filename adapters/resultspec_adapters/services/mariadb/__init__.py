"""Throw-away MariaDB servers."""
