"""Waiting for one task: the theory as a table, and its loop."""
