"""Checks of the chapters on tables and on the backend that stores nothing."""
