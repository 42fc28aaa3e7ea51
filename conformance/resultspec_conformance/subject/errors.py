"""Reasons why a subject cannot be opened or used: errors for the user, not findings about a backend."""


class SubjectError(Exception):
    """A subject cannot be opened or used. The text has one or two lines and says what to do."""

    exit_code = 3
    refusal = ""
    """The kind of error with which the backend refused to be opened, if it did."""


class UsageError(SubjectError):
    """The command, or the API, was used wrongly."""

    exit_code = 2
