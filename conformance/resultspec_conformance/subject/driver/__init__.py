"""A backend behind a program that speaks the driver protocol."""
