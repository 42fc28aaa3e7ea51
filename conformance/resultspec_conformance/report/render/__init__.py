"""Renderings of a report: pure functions from the document to text."""
