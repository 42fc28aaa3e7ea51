"""Histories of concurrent clients, and the question whether some order of their operations explains them."""
