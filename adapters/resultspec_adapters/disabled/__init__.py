"""The disabled backend of the reference, put under test."""
