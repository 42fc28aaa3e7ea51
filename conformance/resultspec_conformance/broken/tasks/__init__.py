"""Broken backends for the chapters on tasks."""
