"""The route to a backend behind a program that speaks the driver protocol."""
