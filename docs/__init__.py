"""The documentation: its pages, and in `generate/` what makes the others from the data."""
