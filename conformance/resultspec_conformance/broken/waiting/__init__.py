"""Broken backends for the chapters on waiting and joining."""
