"""What makes the source of the documentation site: pages written by hand, chapters of the specification, and data.

``python -m docs.generate FOLDER`` writes it. ``site.py`` says what the site consists of; the other modules make one
kind of page each, as functions from data to Markdown.
"""
