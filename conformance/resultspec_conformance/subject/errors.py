"""Why a subject cannot be opened or used: errors for whoever asked for the run, not findings about a backend."""


class SubjectError(Exception):
    """A subject that cannot be opened or used. The text is one or two lines and names the cure."""

    exit_code = 3
    refusal = ""
    """The kind of error with which a backend refused to be opened, where it was the backend that did."""


class UsageError(SubjectError):
    """A subject that was asked for in a wrong way."""

    exit_code = 2
