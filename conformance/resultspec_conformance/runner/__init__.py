"""A run: the target is opened, checks run in processes of their own, and what they saw becomes a report."""
