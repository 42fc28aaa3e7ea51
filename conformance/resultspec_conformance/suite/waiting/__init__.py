"""Checks of the chapters on waiting for one task and on joining many."""
