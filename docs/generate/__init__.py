"""What makes the source of the documentation site: pages written by hand, chapters of the specification, and data.

`python -m docs.generate FOLDER` writes it. `site.py` says what the site consists of, `site_addresses.py` where a file
of the repository is found on it. `requirements/` and `reference/` make pages from data, as functions to Markdown. The
pictures of `docs/architecture.md` are made by `architecture/` and are part of that file.
"""
