"""Joining many tasks: the theory as a table, its driver, and the backend that joins."""
