"""Joining many tasks: the theory as a table, its loop, and the backend that joins."""
