"""The findings of a check: the backend violated a requirement, or nothing could be observed."""


class Violation(Exception):
    """A requirement that a subject violated. `got` and `allowed` are texts for users."""

    def __init__(self, requirement: str, got: str, allowed: str) -> None:
        super().__init__(f"{requirement}: got {got}; allowed: {allowed}")
        self.requirement = requirement
        self.got = got
        self.allowed = allowed


class Unobserved(Exception):
    """A precondition of a check did not occur, so nothing was tested. The text says which."""
